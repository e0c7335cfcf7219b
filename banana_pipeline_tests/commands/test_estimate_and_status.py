"""``banana estimate`` and ``banana status`` against a real ledger: what they count, and that they change nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from banana_pipeline.cli import main
from banana_pipeline.core import attempts as moves
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.store import ledger, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.core.histories import new_attempt

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KIE_API_KEY", "KIE_API_KEYS", "KIE_BASE_URL", "BANANA_LEDGER_URL", "BANANA_PROMPTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BANANA_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data" / "prompts").mkdir(parents=True)
    return tmp_path / "data"


def write_table(data_dir: Path, **columns: list[object]) -> None:
    pq.write_table(pa.table(columns), data_dir / "prompts" / "boats.parquet")


def banana(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def buy(data_dir: Path, prompt: str, *, is_done: bool) -> None:
    with LedgerWriter(f"sqlite:///{data_dir}/ledger.sqlite") as writer:
        claimed = new_attempt(request_id=GenerationRequest(prompt=prompt).request_id, at=NOW)
        writer.call(ledger_claims.claim, claimed)
        submitted = writer.call(ledger.save_created, claimed, task_id=f"task of {prompt}", at=NOW)
        if is_done:
            done = moves.mark_succeeded(
                submitted,
                result_urls=("https://example.test/a.png",),
                credits_consumed=18.0,
                generation_s=30.0,
                completed_at=NOW,
                at=NOW,
            )
            writer.call(ledger.save, submitted, done, run_id="run")


def test_an_estimate_counts_equal_rows_once_and_rejected_rows_not_at_all(data_dir: Path) -> None:
    write_table(data_dir, prompt=["a", "a", "b", ""], resolution=["1K", "1K", "4K", "1K"])
    found = json.loads(banana("estimate", "boats", "--json").stdout)
    assert (found["rows"], found["rows_rejected"], found["requests"], found["to_pay"]) == (4, 1, 2, 2)
    assert (found["credits"], found["cost_usd"]) == (18.0 + 24.0, 0.21)


def test_an_estimate_names_the_columns_that_the_outputs_leave_out(data_dir: Path) -> None:
    write_table(data_dir, prompt=["a"], photo=[b"x"])
    assert list(json.loads(banana("estimate", "boats", "--json").stdout)["columns_left_out"]) == ["photo"]
    assert "photo: it holds raw bytes" in banana("estimate", "boats").stdout


def test_an_estimate_leaves_out_what_is_paid_already(data_dir: Path) -> None:
    write_table(data_dir, prompt=["a", "b", "c"])
    buy(data_dir, "a", is_done=True)
    buy(data_dir, "b", is_done=False)
    found = json.loads(banana("estimate", "boats", "--json").stdout)
    assert (found["already_paid"], found["to_pay"], found["credits"]) == (2, 1, 18.0)


def test_what_another_service_sold_does_not_count_as_paid(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(data_dir, prompt=["a"])
    buy(data_dir, "a", is_done=True)
    monkeypatch.setenv("KIE_BASE_URL", "http://127.0.0.1:1")
    assert json.loads(banana("estimate", "boats", "--json").stdout)["to_pay"] == 1


def test_an_estimate_makes_no_ledger_and_needs_no_key(data_dir: Path) -> None:
    write_table(data_dir, prompt=["a"])
    assert banana("estimate", "boats").exit_code == 0
    assert [path.name for path in data_dir.iterdir()] == ["prompts"]


def test_the_estimate_for_people_names_the_rows_that_cannot_be_sent(data_dir: Path) -> None:
    write_table(data_dir, prompt=["a", None], resolution=["1k", "1K"])
    shown = banana("estimate", "boats").stdout
    assert "row 0: resolution '1k' is not possible; did you mean '1K'?" in shown
    assert "row 1: prompt is empty" in shown


def test_status_counts_requests_and_money_per_table(data_dir: Path) -> None:
    buy(data_dir, "a", is_done=True)
    buy(data_dir, "b", is_done=False)
    (entry,) = json.loads(banana("status", "--json").stdout)["tables"]
    assert entry["requests_by_status"] == {"succeeded": 1, "pending": 1}
    assert (entry["spent_credits"], entry["spent_usd"]) == (18.0, 0.09)
    assert entry["oldest_pending_at"] == NOW.isoformat()


def test_status_of_an_unknown_table_says_so(data_dir: Path) -> None:
    buy(data_dir, "a", is_done=True)
    assert banana("status", "ships").stdout == "Nothing is known of a table 'ships'.\n"


def test_status_before_the_first_run_says_so(data_dir: Path) -> None:
    assert banana("status").stdout == "Nothing was asked for yet.\n"


@pytest.mark.parametrize("command", [("status",), ("estimate", "boats")])
def test_a_ledger_address_nobody_understands_is_told_in_one_sentence(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    write_table(data_dir, prompt=["a"])
    monkeypatch.setenv("BANANA_LEDGER_URL", "nonsense")
    told = banana(*command)
    assert told.exit_code == 2
    assert told.stderr.startswith("banana: BANANA_LEDGER_URL cannot be used; write sqlite:///")
