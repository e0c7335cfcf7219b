"""Budgets: not one image more, however many processes spend at once, on both ledgers.

Here: the daily budget and the budget of a run. Not here: how the ledger counts (store).
"""

import pytest

from banana_pipeline_tests.e2e.command import ended
from banana_pipeline_tests.faults.conftest import NewScene

pytestmark = pytest.mark.slow

PRICE = 18.0


def test_two_runs_at_once_share_the_days_budget_to_the_last_image(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(settings={"BANANA_MAX_CREDITS_PER_DAY": str(15 * PRICE + 1)})
    scene.add_boats("one", range(20))
    scene.add_boats("other", range(20, 40))
    runs = [ended(process) for process in [scene.start("run", name) for name in ("one", "other")]]
    assert not any("Traceback" in run.said for run in runs), runs
    assert scene.books["credits"]["spent"] == 15 * PRICE
    verdict = scene.judge("one", "other")
    assert verdict.broken == []
    assert verdict.statuses == {"succeeded": 15, "not_submitted": 25}


def test_a_run_keeps_its_own_budget_although_answers_are_lost(new_scene: NewScene) -> None:
    scene = new_scene()
    scene.add_table("boats", {"prompt": [f"[fault:lost_answer] boat {n}" if n < 4 else f"boat {n}" for n in range(30)]})
    scene.run("run", "boats", "--max-credits", str(10 * PRICE))
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.taken_credits == 10 * PRICE


def test_the_next_run_of_the_same_day_spends_nothing_more(new_scene: NewScene) -> None:
    scene = new_scene(settings={"BANANA_MAX_CREDITS_PER_DAY": str(5 * PRICE)})
    scene.add_boats("boats", range(12))
    for _ in range(2):
        scene.run("run", "boats")
    assert scene.task_count == 5
    assert scene.judge("boats").broken == []


def test_one_command_over_several_ranges_of_shards_keeps_one_budget(new_scene: NewScene) -> None:
    scene = new_scene(settings={"BANANA_SHARD_ROWS": "1"})
    for name in ("boats", "other"):
        scene.add_boats(name, [0])
        scene.run("run", name, "--max-credits", "0")
    scene.add_boats("boats", range(5))  # its first shard stands before that of the other table, its last ones after
    ended = scene.run("run", "boats", "--max-credits", str(3 * PRICE))
    assert scene.books["credits"]["spent"] == 3 * PRICE
    assert "Bought 3 tasks for 54 credits" in ended.said
    assert len(scene.query("SELECT DISTINCT run_id FROM attempts")) == 2
