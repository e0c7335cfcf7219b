"""The Dagster UI for real: `dagster dev` on the workspace file, driven as its own pages drive it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline_tests.e2e.command import KEY
from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.e2e.dagster_dev import DagsterDev, dagster_dev

pytestmark = pytest.mark.slow

PER_SHARD = ("prompts", "rejected_prompts", "generations", "images")
LONG = [f"long {number}" for number in range(80)]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """The UI over two tables of our own; ten orders a second, so that a run can be stopped half way."""
    with ExitStack() as stack:
        office = open_office(stack, tmp_path_factory.mktemp("ui"), latency_s=(0.2, 1.0))
        office.add_table("boats", {"prompt": ["boat 1", "boat 2", "boat 3", *LONG[:4]]})
        office.add_table("long", {"prompt": LONG})
        yield stack.enter_context(dagster_dev(office, BANANA_RATE_LIMIT="20/2s", BANANA_SHARD_ROWS="80"))


@pytest.fixture(scope="module")
def observed(dev: DagsterDev) -> DagsterDev:
    """After a person has clicked "Observe" on ``prompt_tables``."""
    assert dev.end_of(dev.launch(None, "prompt_tables")) == "SUCCESS"
    return dev


@pytest.fixture(scope="module")
def stopped(observed: DagsterDev) -> str:
    """A run that a person terminated in the UI while it was buying; its id."""
    run_id = observed.launch("long.0000")
    observed.wait_for(lambda: _sold(observed, LONG) >= 20, "twenty orders")
    observed.terminate(run_id)
    observed.end_of(run_id)
    return run_id


def _sold(dev: DagsterDev, prompts: list[str]) -> int:
    wanted = set(prompts)
    return sum(task["input"]["prompt"] in wanted for task in dev.office.tasks)


def test_observing_the_tables_registers_their_shards(observed: DagsterDev) -> None:
    assert observed.shards() == ["boats.0000", "long.0000"]


def test_a_terminated_run_is_canceled(observed: DagsterDev, stopped: str) -> None:
    assert observed.status(stopped) == "CANCELED"


def test_a_terminated_run_has_written_where_every_row_stands(observed: DagsterDev, stopped: str) -> None:
    statuses = observed.office.statuses("long")
    assert sum(statuses.values()) == len(LONG)
    assert set(statuses) <= {"succeeded", "pending", "not_submitted"}
    assert statuses["not_submitted"] > 0
    assert observed.materialized("generations", stopped) == ["long.0000"]


def test_the_next_run_ends_it_and_buys_each_request_once(observed: DagsterDev, stopped: str) -> None:
    assert observed.end_of(observed.launch("long.0000")) == "SUCCESS"
    assert observed.office.statuses("long") == {"succeeded": len(LONG)}
    sold = Counter(task["input"]["prompt"] for task in observed.office.tasks)
    assert [sold[prompt] for prompt in LONG] == [1] * len(LONG)


def test_a_person_launches_one_shard_and_every_asset_of_it_is_made(observed: DagsterDev) -> None:
    run_id = observed.launch("boats.0000")
    assert observed.end_of(run_id) == "SUCCESS"
    assert [observed.materialized(asset, run_id) for asset in PER_SHARD] == [["boats.0000"]] * len(PER_SHARD)


def test_a_file_dropped_into_the_folder_is_run_once_the_sensor_is_on(observed: DagsterDev) -> None:
    observed.office.add_table("dropped", {"prompt": ["a dropped boat"]})
    observed.turn_the_sensor_on()

    def runs_of_the_table() -> list[str]:
        own = [run for run in observed.runs() for tag in run["tags"] if tag["key"] == "banana/prompt_tables"]
        return [run["runId"] for run in own]

    (run_id,) = observed.wait_for(runs_of_the_table, "a run of the sensor")
    assert observed.end_of(run_id) == "SUCCESS"
    assert "dropped.0000" in observed.materialized("images", run_id)
    assert _sold(observed, ["a dropped boat"]) == 1


def test_the_key_is_neither_shown_nor_logged_nor_kept(observed: DagsterDev) -> None:
    shown = observed.resources()
    assert "KIE_API_KEY" in shown
    assert KEY not in shown + observed.log.read_text()
    files = [path for path in (observed.office.folder / "dagster_home").rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert observed.office.files_with_the_key() == []


def test_a_person_is_warned_of_nothing_they_cannot_help(observed: DagsterDev) -> None:
    said = [line for line in observed.log.read_text().splitlines() if "Warning" in line]
    # Dagster says of its own `dagster dev` that `dg dev` is newer.
    assert [line for line in said if "SupersessionWarning" not in line] == []
