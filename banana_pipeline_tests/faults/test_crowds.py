"""Several processes at once, on the same table and on tables that overlap, on both ledgers.

Here: one purchase for each request, one pace for all. Not here: how claims race inside the ledger (store).
"""

import pytest

from banana_pipeline_tests.e2e.command import ended, kill_group, wait_until
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.judge import peak_creates

pytestmark = pytest.mark.slow


def test_processes_on_overlapping_tables_share_purchases_and_pace(new_ledger_scene: NewScene) -> None:
    """Three tables of 40 rows hold 60 different requests; two processes run the first."""
    scene = new_ledger_scene(settings={"BANANA_RATE_LIMIT": "20/2s"})
    tables = ["table-0", "table-1", "table-2"]
    for number, table in enumerate(tables):
        scene.add_boats(table, range(number * 10, number * 10 + 40))
    runs = [ended(process) for process in [scene.start("run", table) for table in ["table-0", *tables]]]
    assert [run.code for run in runs] == [0] * 4, runs
    verdict = scene.judge(*tables)
    assert verdict.broken == []
    assert (verdict.rows, verdict.tasks) == (120, 60)
    # Half a second less than the window: a busy machine may deliver an order late. Two paces would make 30 of it.
    assert peak_creates([task["created_at"] for task in scene.tasks], 1.5) <= 20


def test_a_neighbour_goes_on_when_another_process_is_killed(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(answer_delay_s=0.05)
    scene.add_boats("boats", range(60))
    killed, neighbour = (scene.start("run", "boats") for _ in range(2))
    wait_until(lambda: scene.task_count >= 20, killed)
    kill_group(killed)
    assert "Traceback" not in ended(neighbour, timeout_s=150).said
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.statuses["succeeded"] + verdict.unconfirmed == 60
