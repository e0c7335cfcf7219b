"""A backfill over many shards as the UI launches it: one run, stopped half way and launched again."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.e2e.dagster_dev import DagsterDev, dagster_dev

pytestmark = pytest.mark.slow

TABLES = [f"table{number:02}" for number in range(20)]
SHARDS = [f"{table}.0000" for table in TABLES]
PARTITIONED = ("prompts", "rejected_prompts", "generations", "images")
ASSETS = (*PARTITIONED, "generation_report", "gallery")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """The UI over twenty tables that were observed; ten orders a second."""
    with ExitStack() as stack:
        office = open_office(stack, tmp_path_factory.mktemp("backfill"), latency_s=(0.2, 1.0))
        for table in TABLES:
            office.add_table(table, {"prompt": [f"{table} picture {number}" for number in range(5)]})
        dev = stack.enter_context(dagster_dev(office, BANANA_RATE_LIMIT="20/2s"))
        assert dev.end_of(dev.launch(None, "prompt_tables")) == "SUCCESS"
        yield dev


def _run_of(dev: DagsterDev, backfill: str) -> str:
    """The run over the shards; Dagster looks for new backfills every 30 s."""
    runs = dev.wait_for(lambda: dev.runs_of(backfill), "the run of a backfill", timeout_s=90)
    assert len(runs) == 1
    return runs[0]["runId"]


@pytest.fixture(scope="module")
def terminated(dev: DagsterDev) -> str:
    """The run of a backfill over all shards that a person has terminated while it was buying."""
    run_id = _run_of(dev, dev.backfill(SHARDS, *ASSETS))
    dev.wait_for(lambda: len(dev.office.tasks) >= 30, "thirty orders")
    dev.terminate(run_id)
    assert dev.end_of(run_id) == "CANCELED"
    return run_id


def test_twenty_shards_are_one_run_and_all_of_them_are_written(dev: DagsterDev, terminated: str) -> None:
    assert dev.materialized("generations", terminated) == SHARDS
    statuses = sum((Counter(dev.office.statuses(table)) for table in TABLES), Counter[str]())
    assert set(statuses) <= {"succeeded", "pending", "not_submitted"}
    assert statuses["not_submitted"] > 0
    assert statuses.total() == 100


def test_launched_again_it_ends_and_every_picture_was_bought_once(dev: DagsterDev, terminated: str) -> None:
    again = _run_of(dev, dev.backfill(SHARDS, *ASSETS))
    assert dev.end_of(again) == "SUCCESS"
    assert [dev.materialized(asset, again) for asset in PARTITIONED] == [SHARDS] * len(PARTITIONED)
    assert all(dev.office.statuses(table) == {"succeeded": 5} for table in TABLES)
    sold = Counter(task["input"]["prompt"] for task in dev.office.tasks)
    assert (len(sold), set(sold.values())) == (100, {1})
