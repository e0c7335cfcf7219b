"""`banana run` given what it cannot use: one plain sentence, a telling exit code, no traceback and nothing bought.

Here: tables, names, settings, keys, credits and servers that are wrong, in this process through click's own runner.
Not here: rows that are wrong (test_run_command).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import stamina
from click.testing import CliRunner, Result

from banana_pipeline.cli import main
from banana_pipeline_tests.e2e.command import KEY, Office
from banana_pipeline_tests.e2e.conftest import open_office

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def shared_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with ExitStack() as stack:
        yield open_office(stack, tmp_path_factory.mktemp("usage"))


@pytest.fixture
def office(shared_office: Office, tmp_path: Path) -> Office:
    """A data folder of its own at an emulator that nothing must ever be bought from."""
    return Office(folder=tmp_path, emulator=shared_office.emulator)


@pytest.fixture
def banana(office: Office, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `banana` with arguments, in the office's environment with some changes; None takes a variable away."""

    def run(*arguments: str, **changes: str | None) -> Result:
        monkeypatch.chdir(office.folder)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        for name, value in {**office.environment(), **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        with stamina.set_testing(True, attempts=2, cap=True):
            return CliRunner().invoke(main, arguments)

    return run


def assert_told(result: Result, *words: str) -> None:
    """One sentence on stderr, exit code 2, nothing else."""
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert all(word in result.stderr for word in words), result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


WRONG_TABLES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no prompt column": ({"text": ["a boat"]}, ("prompt",)),
    "a misspelt column": ({"prompt": ["a boat"], "Resolution": ["4K"]}, ("Resolution", "resolution")),
    "a misspelt column with a blank": ({"prompt": ["a boat"], "aspect ratio": ["1:1"]}, ("aspect_ratio",)),
    "prompts that are numbers": ({"prompt": [1, 2]}, ("prompt",)),
    "samples that are texts": ({"prompt": ["a boat"], "samples": ["many"]}, ("samples",)),
    "ratios that are numbers": ({"prompt": ["a boat"], "aspect_ratio": [1.5]}, ("aspect_ratio",)),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_a_table_that_would_be_misread_is_told(office: Office, banana: Run, name: str) -> None:
    columns, words = WRONG_TABLES[name]
    office.add_table("table", columns)
    assert_told(banana("run", "table"), *words)


def test_a_truncated_table_is_told(office: Office, banana: Run) -> None:
    path = office.add_table("cut", {"prompt": [f"boat {number}" for number in range(500)]})
    path.write_bytes(path.read_bytes()[:-100])
    assert_told(banana("run", "cut"), "cut")


def test_a_file_that_is_no_parquet_is_told(office: Office, banana: Run) -> None:
    office.add_table("text", {"prompt": ["a boat"]}).write_text("prompt\na boat\n")
    assert_told(banana("run", "text"), "text")


def test_an_empty_table_is_told(office: Office, banana: Run) -> None:
    office.add_table("empty", pa.table({"prompt": pa.array([], pa.string())}))
    assert_told(banana("run", "empty"), "empty", "no rows")


@pytest.mark.parametrize("name", ["nothing", "a b", "../x", "a/b/c", "/no/such/file.parquet", "", "x" * 5000, "ä ö*?"])
def test_a_table_that_is_not_there_is_told(banana: Run, name: str) -> None:
    assert_told(banana("run", name), "There is no prompt table")


def test_a_missing_table_is_told_with_those_that_are_there(office: Office, banana: Run) -> None:
    office.add_table("boats", {"prompt": ["a boat"]})
    assert_told(banana("run", "boots"), "'boats'")


@pytest.mark.parametrize("key", [None, "", " , "])
def test_a_missing_key_is_told(office: Office, banana: Run, key: str | None) -> None:
    office.add_table("boats", {"prompt": ["a boat"]})
    assert_told(banana("run", "boats", KIE_API_KEY=key), "KIE_API_KEY is not set", "banana demo")


@pytest.mark.parametrize("key", ["two words", "schlüssel", "line\nbreak"])
def test_a_key_that_cannot_be_sent_is_told_without_showing_it(office: Office, banana: Run, key: str) -> None:
    office.add_table("boats", {"prompt": ["a boat"]})
    result = banana("run", "boats", KIE_API_KEY=key)
    assert_told(result, "KIE_API_KEY")
    assert key not in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BANANA_RATE_LIMIT", "fast"),
        ("BANANA_RATE_LIMIT", "0/10s"),
        ("BANANA_MAX_IN_FLIGHT", "0"),
        ("BANANA_MAX_IN_FLIGHT", "many"),
        ("BANANA_SHARD_ROWS", "-5"),
        ("BANANA_DEADLINE_S", "soon"),
        ("BANANA_DEADLINE_S", "nan"),
        ("BANANA_MAX_ATTEMPTS", "1.5"),
        ("BANANA_LEDGER_URL", "ledger"),
        ("BANANA_LEDGER_URL", "mysql://host/db"),
        ("BANANA_DATA_DIR", "nosuch://bucket/prefix"),
        ("KIE_BASE_URL", "api.kie.ai"),
        ("KIE_BASE_URL", "http://[::1"),
        ("KIE_UPLOAD_BASE_URL", "ftp://host"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_by_name(office: Office, banana: Run, name: str, value: str) -> None:
    office.add_table("boats", {"prompt": ["a boat"]})
    assert_told(banana("run", "boats", **{name: value}), name)


def test_a_data_folder_that_is_a_file_is_told(office: Office, banana: Run, tmp_path: Path) -> None:
    path = office.add_table("boats", {"prompt": ["a boat"]})
    (tmp_path / "file").write_text("not a folder")
    assert_told(banana("run", str(path), BANANA_DATA_DIR=str(tmp_path / "file")), str(tmp_path / "file"))


def test_a_ledger_that_is_no_database_is_told(office: Office, banana: Run) -> None:
    office.add_table("boats", {"prompt": ["a boat"]})
    (office.data / "ledger.sqlite").write_text("not a database, and longer than a header of one " * 9)
    assert_told(banana("run", "boats"), "ledger.sqlite")


@pytest.mark.parametrize("arguments", [["run"], ["run", "a", "b"], ["run", "a", "--max-credits", "-1"], ["buy"]])
def test_wrong_arguments_are_told(banana: Run, arguments: list[str]) -> None:
    result = banana(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_nothing_was_bought_for_all_these_mistakes(shared_office: Office) -> None:
    assert shared_office.books["tasks"] == 0


# What only the service can tell: a run starts, sends nothing and says why. Slow, because Dagster starts.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"KIE_API_KEY": "sk-0000wrong0000key0000"}, "KIE does not accept the key"),
        ({"KIE_BASE_URL": "http://127.0.0.1:1"}, "127.0.0.1:1 cannot be reached"),
    ],
)
def test_a_service_that_says_no_is_told_in_one_sentence(
    office: Office, banana: Run, changes: dict[str, str], words: str
) -> None:
    office.add_table("boats", {"prompt": ["a boat", "a ship"]})
    result = banana("run", "boats", **changes)
    assert result.exit_code == 1, result.output
    assert sum(words in line for line in result.stdout.splitlines() if not line.startswith("  ")) == 1
    assert "Traceback" not in result.output
    assert office.statuses("boats") == {"not_submitted": 2}


@pytest.mark.slow
def test_an_account_without_credits_is_told_in_one_sentence(office: Office, banana: Run) -> None:
    office.emulator.books.accounts.set_balance(
        office.emulator.books.accounts.of_key(KEY).account_id, 5.0, office.emulator.books.now()
    )
    office.add_table("boats", {"prompt": ["a boat", "a ship"]})
    result = banana("run", "boats")
    assert result.exit_code == 1
    assert "The account has 5 credits left" in result.stdout
    assert "Bought nothing." in result.stdout
    assert office.statuses("boats") == {"not_submitted": 2}


@pytest.mark.slow
def test_a_table_with_blanks_in_its_path_is_fine(office: Office, banana: Run, tmp_path: Path) -> None:
    inside = office.add_table("boats, ships & more", {"prompt": ["", "  "]})
    result = banana("run", str(inside))
    assert result.exit_code == 1
    assert "row 0" in result.stdout
    assert "row 1" in result.stdout
    assert "Traceback" not in result.output
