"""Settings: what is read from the environment, and the sentence for what cannot be used."""

import pytest

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.settings import read_settings


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
    "url", ["your.host/kie", "ftp://your.host", "https://", "https://a b.example", "https://h/\n", "http://h:99999/"]
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
