"""Settings: what is read from the environment, and the sentence for what cannot be used."""

import shutil
import unicodedata
from pathlib import Path

import pytest

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.settings import read_settings, require_data_dir
from banana_pipeline.store.ledger_place import ledger_place


def test_budget_and_callbacks_are_off_by_default() -> None:
    settings = read_settings({})
    assert settings.max_credits_per_day is None
    assert settings.callback_url is None
    assert settings.webhook_hmac_key is None


@pytest.mark.parametrize(("text", "credits"), [("0", 0.0), ("1800", 1800.0), ("12.5", 12.5)])
def test_the_budget_of_a_day_is_a_number_of_credits(text: str, credits: float) -> None:
    assert read_settings({"BANANA_MAX_CREDITS_PER_DAY": text}).max_credits_per_day == credits


@pytest.mark.parametrize("text", ["-1", "much", "nan", "inf", "1,000"])
def test_a_budget_that_is_no_number_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match=r"BANANA_MAX_CREDITS_PER_DAY is .* write a number of credits"):
        read_settings({"BANANA_MAX_CREDITS_PER_DAY": text})


@pytest.mark.parametrize("url", ["https://your.host/kie", "http://127.0.0.1:8788/", "https://h.example/@me?a=b@c"])
def test_a_callback_address_is_an_http_address(url: str) -> None:
    assert read_settings({"BANANA_CALLBACK_URL": url}).callback_url == url


@pytest.mark.parametrize(
    "url", ["your.host/kie", "ftp://your.host", "https://", "https://a b.example", "http://h:99999/"]
)
def test_other_callback_addresses_are_told_in_a_sentence(url: str) -> None:
    with pytest.raises(SettingsError, match="BANANA_CALLBACK_URL is "):
        read_settings({"BANANA_CALLBACK_URL": url})


def test_a_callback_address_has_at_most_a_thousand_characters() -> None:
    with pytest.raises(SettingsError, match="BANANA_CALLBACK_URL has 1,001 characters"):
        read_settings({"BANANA_CALLBACK_URL": "https://h.example/".ljust(1_001, "x")})


def test_a_password_in_the_callback_address_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"BANANA_CALLBACK_URL": "https://me:secret@h.example/"})
    assert "secret" not in str(caught.value)


def test_the_webhook_key_does_not_show_in_a_repr() -> None:
    settings = read_settings({"KIE_WEBHOOK_HMAC_KEY": "whsec_1"})
    assert settings.webhook_hmac_key == "whsec_1"
    assert "whsec_1" not in repr(settings)


# Texts that cannot be meant: what Docker, systemd and a shell read differently in one line of an env file.

GOOD = {
    "BANANA_DATA_DIR": "/srv/data",
    "BANANA_PROMPTS_DIR": "/srv/prompts",
    "BANANA_LEDGER_URL": "sqlite:////srv/ledger.sqlite",
    "BANANA_RATE_LIMIT": "20/10s",
    "BANANA_MAX_IN_FLIGHT": "50",
    "BANANA_SHARD_ROWS": "100",
    "BANANA_DEADLINE_S": "60",
    "BANANA_MAX_ATTEMPTS": "2",
    "BANANA_MAX_CREDITS_PER_DAY": "500",
    "BANANA_ALERT_BELOW_CREDITS": "10",
    "BANANA_CALLBACK_URL": "https://your.host/kie",
    "BANANA_ALERT_WEBHOOK_URL": "https://hooks.example/T0/s3cret",
    "KIE_API_KEY": "s3cret-0123",
    "KIE_API_KEYS": "s3cret-0123,s3cret-4567",
    "KIE_BASE_URL": "https://api.kie.ai",
    "KIE_UPLOAD_BASE_URL": "https://up.example",
    "KIE_WEBHOOK_HMAC_KEY": "s3cret",
    "DAGSTER_HOME": "/srv/dagster",
}
BENT = {
    "carriage return": "{}\r",
    "line end": "{}\n",
    "blank behind": "{} ",
    "blank before": " {}",
    "tab behind": "{}\t",
    "double quotes": '"{}"',
    "single quotes": "'{}'",
    "one quote": '{}"',
    "printed quotes": "\u201c{}\u201d",
    "byte-order mark": "\ufeff{}",
    "no-break space": "{}\u00a0",
    "zero-width space": "{}\u200b",
    "control character": "{}\x07",
    "not UTF-8": "{}\udce9",
    "quotes and return": '"{}"\r',
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
@pytest.mark.parametrize("name", GOOD)
def test_a_text_that_cannot_be_meant_is_refused_in_one_sentence_without_secrets(name: str, bend: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({name: bend.format(GOOD[name])})
    text = str(caught.value)
    assert text.startswith(name)
    assert "\n" not in text
    assert "s3cret" not in text


@pytest.mark.parametrize("name", [name for name in GOOD if name != "KIE_WEBHOOK_HMAC_KEY"])
@pytest.mark.parametrize("bend", ["{}/$HOME", "${{HOME}}/{}", "%APPDATA%/{}", "{} # mine", "{}/$(pwd)", "a\\ {}"])
def test_what_nobody_has_filled_in_or_taken_away_is_refused(name: str, bend: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: bend.format(GOOD[name])})


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("text", ["", " ", "\r", "\t\n"])
def test_blanks_alone_are_no_value(name: str, text: str) -> None:
    assert read_settings({name: text}) == read_settings({})


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_pasted_with_its_own_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="holds its own name"):
        read_settings({name: f"{name}={GOOD[name]}"})


@pytest.mark.parametrize(
    "name",
    ["\ufeffBANANA_DATA_DIR", "BANANA_LEDGER_URL ", "export KIE_API_KEY", "banana_data_dir", "BANANA_DATA_DIR\r"],
)
def test_a_name_that_an_env_file_has_bent_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is meant"):
        read_settings({name: "/srv/data"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BANANA_DATADIR", "BANANA_DATA_DIR"),
        ("BANANA_LEDGER_URI", "BANANA_LEDGER_URL"),
        ("BANANA_PROMPT_DIR", "BANANA_PROMPTS_DIR"),
        ("BANANA_MAX_CREDIT_PER_DAY", "BANANA_MAX_CREDITS_PER_DAY"),
    ],
)
def test_a_misspelt_name_is_told_with_the_name_that_is_meant(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"no setting {name}; rename it to {meant}"):
        read_settings({name: "/srv/data"})


@pytest.mark.parametrize("name", ["BANANA_BIN", "KIE_API_KEY_OLD", "BANANA_DATA_DIR_2", "BANANAS", "KIE_TEAM"])
def test_names_of_other_things_are_let_be(name: str) -> None:
    assert read_settings({name: "x"}) == read_settings({})


@pytest.mark.parametrize("name", ["BANANA_DATA_DIR", "KIE_BASE_URL"])
@pytest.mark.parametrize("text", ["s3://key:s3cret@bucket/x", "https://me:s3cret@ /x", "https://me:s3cret@host/x\r"])
def test_a_password_in_an_address_is_not_repeated(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({name: text})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("key", ["Bearer abc", "bearer: abc", "ab cd", "ключ", 'a,"b"', "a,$B", "<your key>"])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(key: str) -> None:
    for name in ("KIE_API_KEY", "KIE_API_KEYS"):
        with pytest.raises(SettingsError) as caught:
            read_settings({name: key})
        assert name in str(caught.value)
        assert key not in str(caught.value)


def test_keys_may_be_listed_with_blanks_after_the_commas() -> None:
    assert read_settings({"KIE_API_KEYS": "one, two,,one"}).api_keys == ("one", "two")


def test_a_signing_key_may_hold_any_character_that_can_be_seen() -> None:
    assert read_settings({"KIE_WEBHOOK_HMAC_KEY": "a$b\\c#d%e"}).webhook_hmac_key == "a$b\\c#d%e"


@pytest.mark.parametrize("text", ["9" * 5_000, "1_000", "\uff15", "+5", "1e400", "0x10"])
@pytest.mark.parametrize("name", ["BANANA_MAX_IN_FLIGHT", "BANANA_DEADLINE_S", "BANANA_MAX_CREDITS_PER_DAY"])
def test_a_number_that_only_a_program_would_read_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is "):
        read_settings({name: text})


@pytest.mark.parametrize("text", ["\uff12/1s", "9" * 5_000 + "/1s", "1/" + "9" * 400 + "s"])
def test_a_rate_that_only_a_program_would_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BANANA_RATE_LIMIT"):
        read_settings({"BANANA_RATE_LIMIT": text})


# Places


@pytest.mark.parametrize(
    "text", ["file://{}/data", "FILE:{}/data", "{}//data/", "{}/x/../data", "/{}/data", "file://localhost{}/data"]
)
def test_every_spelling_of_a_data_folder_is_one_ledger(tmp_path: Path, text: str) -> None:
    plain = read_settings({"BANANA_DATA_DIR": f"{tmp_path}/data"})
    assert read_settings({"BANANA_DATA_DIR": text.format(tmp_path)}) == plain


def test_a_tilde_that_no_shell_has_expanded_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_settings({"BANANA_DATA_DIR": "~/x"}) == read_settings({"BANANA_DATA_DIR": f"{tmp_path}/x"})


def test_a_data_folder_is_one_folder_however_its_accents_are_spelt(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, f"{tmp_path}/Fête/Noël") for form in ("NFC", "NFD"))
    for stored, asked in ((nfc, nfd), (nfd, nfc)):
        Path(stored).mkdir(parents=True)
        assert read_settings({"BANANA_DATA_DIR": asked}) == read_settings({"BANANA_DATA_DIR": stored})
        shutil.rmtree(Path(stored).parent)


def test_a_file_address_with_an_escaped_blank_is_the_folder_with_the_blank(tmp_path: Path) -> None:
    plain = read_settings({"BANANA_DATA_DIR": f"{tmp_path}/my data"})
    assert read_settings({"BANANA_DATA_DIR": f"file://{tmp_path}/my%20data"}) == plain


@pytest.mark.parametrize("name", ["what?", "50%20", "a#b", "a;b=c&d", "café"])
def test_the_ledger_lies_in_the_data_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    settings = read_settings({"BANANA_DATA_DIR": f"{tmp_path}/{name}"})
    assert ledger_place(settings.ledger_url).database == f"{tmp_path}/{name}/ledger.sqlite"


@pytest.mark.parametrize("text", ["s3://b//p", "S3://b/p/", "s3a://b/p", "s3n://b/p//"])
def test_every_spelling_of_a_bucket_is_one_warehouse(text: str) -> None:
    environ = {"BANANA_LEDGER_URL": "sqlite:////srv/ledger.sqlite"}
    assert str(read_settings({**environ, "BANANA_DATA_DIR": text}).data_dir) == "s3://b/p"


@pytest.mark.parametrize(
    "text",
    [
        *("s3:/b/p", "s3:///b/p", "s3://", "s3://b/../p", "s3://k:s@b/p", "ftp://h/x", "foo://x"),
        *("simplecache::s3://b/p", "file://data/x", "~no-such-user-here/x", "https://h/x", "memory://x", "http://h/"),
    ],
)
def test_a_place_that_cannot_hold_outputs_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BANANA_DATA_DIR is "):
        read_settings({"BANANA_DATA_DIR": text, "BANANA_LEDGER_URL": "sqlite:////srv/ledger.sqlite"})


def test_a_relative_dagster_home_is_refused_with_the_absolute_path() -> None:
    with pytest.raises(
        SettingsError, match=f"DAGSTER_HOME is 'dagster'; write the absolute path, such as {Path.cwd()}"
    ):
        read_settings({"DAGSTER_HOME": "dagster"})


def test_a_dagster_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(SettingsError, match=r"DAGSTER_HOME is .* a file"):
        read_settings({"DAGSTER_HOME": str(tmp_path / "home")})


def test_a_data_folder_named_from_the_working_folder_is_not_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for environ in ({}, {"BANANA_DATA_DIR": "data"}):
        with pytest.raises(SettingsError, match=f"no data folder {tmp_path}/data"):
            require_data_dir(read_settings(environ))
    require_data_dir(read_settings({"BANANA_DATA_DIR": f"{tmp_path}/data"}))
    (tmp_path / "data").mkdir()
    require_data_dir(read_settings({}))


def test_a_dot_behind_the_host_is_the_same_service() -> None:
    assert read_settings({"KIE_BASE_URL": "https://API.kie.ai./"}).service == read_settings({}).service
