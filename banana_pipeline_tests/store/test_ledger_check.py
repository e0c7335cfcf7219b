"""`banana status --check`: a sound ledger passes, and each kind of damage is seen and told, on both databases."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from banana_pipeline.cli import main
from banana_pipeline.commands.check import check_lines
from banana_pipeline.store import ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_check import Check, Finding, check_ledger, snapshot
from banana_pipeline.store.ledger_claims import Claim
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_questions import MOST_EXAMPLES
from banana_pipeline_tests.core.histories import new_attempt
from banana_pipeline_tests.store.old_ledger import load_old_ledger

FIRST = f"{0xA77E0001:032x}"
SECOND = f"{0xA77E0002:032x}"

Damage = Callable[..., None]


@pytest.fixture
def url(new_url: str) -> str:
    """A sound ledger with attempts in every state."""
    load_old_ledger(new_url)
    open_engine(new_url).dispose()
    return new_url


@pytest.fixture
def damage(url: str) -> Iterator[Damage]:
    """Changes the ledger by hand."""
    engine = sa.create_engine(url)

    def run(*statements: str) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    yield run
    engine.dispose()


def wrong(url: str) -> dict[str, Finding]:
    return {str(found.check): found for found in check_ledger(url) if found.count}


def banana(monkeypatch: pytest.MonkeyPatch, url: str, *arguments: str) -> Result:
    monkeypatch.setenv("BANANA_LEDGER_URL", url)
    return CliRunner().invoke(main, ["status", "--check", *arguments], catch_exceptions=False)


def test_a_sound_ledger_has_no_findings(url: str) -> None:
    assert wrong(url) == {}


def test_an_empty_ledger_has_no_findings(ledger_url: str) -> None:
    assert wrong(ledger_url) == {}


def test_a_second_live_attempt_is_seen(url: str, damage: Damage) -> None:
    damage("DROP INDEX one_live_attempt_per_request", *_copy(FIRST, "copy", task_id="'another task'"))
    # Without its index the ledger is not asked further: put a harmless one of that name back.
    damage("CREATE UNIQUE INDEX one_live_attempt_per_request ON attempts (attempt_id)")
    assert wrong(url)["one_live_attempt"].examples == (f"request {1:032x} at api.kie.ai: 2 live attempts",)


def test_a_request_charged_twice_is_seen(url: str, damage: Damage) -> None:
    damage(f"UPDATE attempts SET credits = 18 WHERE request_id = '{4:032x}' AND state = 'failed'")
    assert wrong(url)["bought_twice"].examples == (f"request {4:032x}",)


def test_a_task_in_two_attempts_is_seen(url: str, damage: Damage) -> None:
    damage(
        "DROP INDEX task_ids",
        f"UPDATE attempts SET task_id = 'task-0001' WHERE attempt_id = '{SECOND}'",
        "CREATE UNIQUE INDEX task_ids ON attempts (attempt_id)",
    )
    assert wrong(url)["task_ids"].examples == ("task task-0001 at api.kie.ai: 2 attempts",)


@pytest.mark.parametrize(("change", "told"), [
    (f"UPDATE attempts SET state = 'failed' WHERE attempt_id = '{FIRST}'", "is failed, its history ends at succeeded"),
    (f"DELETE FROM transitions WHERE attempt_id = '{FIRST}'", "is succeeded, its history ends at nothing"),
    (f"DELETE FROM transitions WHERE attempt_id = '{FIRST}' AND from_state IS NULL", "came to nothing, went on"),
    (f"DELETE FROM transitions WHERE attempt_id = '{FIRST}' AND to_state = 'submitted'", "came to submitting, went on"),
    (f"UPDATE transitions SET from_state = 'failed' WHERE attempt_id = '{FIRST}' AND to_state = 'succeeded'", "failed"),
    (f"DELETE FROM attempts WHERE attempt_id = '{FIRST}'", "has a history and is not there"),
    (f"INSERT INTO transitions (attempt_id, from_state, to_state, at, run_id) "
     f"VALUES ('{FIRST}', 'succeeded', 'submitting', '2026-03-01 00:00:00.000000', 'r')", "succeeded became"),
])  # fmt: skip
def test_a_history_that_cannot_be_is_seen(url: str, damage: Damage, change: str, told: str) -> None:
    damage(change)
    found = wrong(url)["history"]
    assert any(told in example and FIRST in example for example in found.examples)


@pytest.mark.parametrize("change", [
    "UPDATE spending SET credits = credits + 1 WHERE scope = 'day' AND name = '2026-03-01'",
    "DELETE FROM spending WHERE scope = 'run' AND name = '5f0c2a52-first'",
    "INSERT INTO spending (scope, name, service, account, credits) VALUES ('run', 'nobody', 'api.kie.ai', 'a', 5)",
])  # fmt: skip
def test_a_counter_that_differs_from_its_attempts_is_seen(url: str, damage: Damage, change: str) -> None:
    damage(change)
    assert list(wrong(url)) == ["spending"]
    assert "counted" in wrong(url)["spending"].examples[0]


@pytest.mark.parametrize("state", ["submitted", "overdue", "succeeded", "failed"])
def test_a_purchase_without_its_task_id_is_seen(url: str, damage: Damage, state: str) -> None:
    damage(f"UPDATE attempts SET task_id = NULL WHERE state = '{state}'")
    assert list(wrong(url)) == ["missing_task"]


def test_a_success_without_a_picture_is_seen(url: str, damage: Damage) -> None:
    damage(f"UPDATE attempts SET result_urls = '[]' WHERE attempt_id = '{FIRST}'")
    assert wrong(url)["missing_result"].examples == (f"attempt {FIRST}, task task-0001",)


@pytest.mark.parametrize("change", ["state = 'sold'", "number = 0", "credits = -1", "result_urls = 'none'"])
def test_a_value_that_no_attempt_can_have_is_seen(url: str, damage: Damage, change: str) -> None:
    damage(f"UPDATE attempts SET {change} WHERE attempt_id = '{FIRST}'")
    assert wrong(url)["values"].examples == (f"attempt {FIRST}",)


@pytest.mark.parametrize(("change", "told"), [
    ("DROP INDEX one_live_attempt_per_request", "the index one_live_attempt_per_request of attempts"),
    ("ALTER TABLE attempts DROP COLUMN generation_s", "the column attempts.generation_s"),
    ("DROP TABLE spending", "the table spending"),
])  # fmt: skip
def test_a_part_that_is_missing_is_seen_and_nothing_more_is_asked(
    url: str, damage: Damage, change: str, told: str
) -> None:
    damage(change)
    assert wrong(url)["schema"].examples == (told,)
    assert [found.is_asked for found in check_ledger(url)].count(False) == len(Check) - 2


def test_a_clock_that_was_set_back_is_a_warning_and_no_problem(url: str, damage: Damage) -> None:
    damage(f"UPDATE attempts SET submitted_at = '2025-01-01 00:00:00.000000' WHERE attempt_id = '{FIRST}'")
    assert [(found.check, found.is_problem) for found in wrong(url).values()] == [(Check.TIMES, False)]


def test_of_many_wrong_things_all_are_counted_and_some_are_named(url: str, damage: Damage) -> None:
    damage("UPDATE attempts SET number = 0")
    found = wrong(url)["values"]
    assert (found.count, len(found.examples)) == (21, MOST_EXAMPLES)


def test_while_it_looks_nobody_waits_and_it_sees_one_moment(url: str) -> None:
    count = sa.text("SELECT count(*) FROM attempts")
    with LedgerWriter(url) as writer, snapshot(url) as connection:
        before = connection.execute(count).scalar_one()
        assert writer.call(ledger_claims.claim, new_attempt(request_id="new")) is Claim.MADE
        assert connection.execute(count).scalar_one() == before


def test_pages_that_the_disk_has_lost_are_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    load_old_ledger(url)
    open_engine(url).dispose()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'attempts'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with (tmp_path / "ledger.sqlite").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    assert "file" in wrong(url)


def test_the_command_prints_a_line_for_each_check_and_ends_well(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = banana(monkeypatch, url)
    assert told.exit_code == 0
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["ok"] * len(Check)


def test_the_command_says_what_to_do_and_ends_with_1(url: str, damage: Damage, monkeypatch: pytest.MonkeyPatch) -> None:
    damage("UPDATE attempts SET number = 0")
    told = banana(monkeypatch, url)
    assert told.exit_code == 1
    assert "problem      every attempt has possible values: 21\n" in told.stdout
    assert "... and 16 more" in told.stdout
    assert "put back a backup" in told.stdout


def test_the_command_answers_programs_in_json(url: str, damage: Damage, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(f"UPDATE attempts SET result_urls = '[]' WHERE attempt_id = '{FIRST}'")
    told = banana(monkeypatch, url, "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["is_well"]) == (1, False)
    assert {entry["check"]: entry["result"] for entry in found["checks"] if entry["count"]} == {
        "missing_result": "problem"
    }


def test_without_a_ledger_the_command_says_so_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = banana(monkeypatch, f"sqlite:///{tmp_path}/none/ledger.sqlite")
    assert (told.exit_code, told.stdout) == (0, "There is no ledger yet: nothing was ever bought.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_cannot_be_read_is_one_sentence_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"these are my holiday notes " * 100)
    told = banana(monkeypatch, f"sqlite:///{tmp_path}/ledger.sqlite")
    assert told.exit_code == 2
    assert told.stderr.startswith("banana: The ledger ")
    assert told.stderr.count("\n") == 1


def test_the_check_is_of_the_whole_ledger_and_not_of_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    told = banana(monkeypatch, "sqlite:////nowhere", "boats")
    assert told.exit_code == 2
    assert "leave TABLE out" in told.stderr


def test_every_check_has_words() -> None:
    lines = list(check_lines([Finding(check=check, count=1, examples=("x",)) for check in Check]))
    assert len(lines) == 3 * len(Check)


def _copy(attempt_id: str, new_id: str, *, task_id: str) -> list[str]:
    """A second attempt like the first, with a history of its own."""
    return [
        f"CREATE TABLE one AS SELECT * FROM attempts WHERE attempt_id = '{attempt_id}'",
        f"UPDATE one SET attempt_id = '{new_id}', task_id = {task_id}",
        "INSERT INTO attempts SELECT * FROM one",
        "DROP TABLE one",
        "INSERT INTO transitions (attempt_id, from_state, to_state, at, run_id, reason) SELECT "
        f"'{new_id}', from_state, to_state, at, run_id, reason FROM transitions WHERE attempt_id = '{attempt_id}' "
        "ORDER BY id",
    ]
