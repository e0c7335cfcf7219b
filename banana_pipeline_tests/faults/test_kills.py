"""kill -9 of the whole process tree at moments nobody chose, on both ledgers, and run again until done.

Here: several deaths in a row. Not here: deaths at exact places (test_exact_kills), hundreds of them (torture).
"""

import random
import time

import pytest

from banana_pipeline_tests.e2e.command import kill_group, wait_until
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.scene import Scene

pytestmark = pytest.mark.slow

ROWS = 120


def killed_once(scene: Scene, tasks: int, chance: random.Random) -> int:
    """Kill a run a moment after so many tasks were made; the orders whose answers died with it."""
    process = scene.start("run", "boats")
    wait_until(lambda: scene.task_count >= tasks, process)
    time.sleep(chance.random() * 0.3)
    kill_group(process)
    return scene.states().get("submitting", 0)


def test_killed_at_random_and_resumed_nothing_is_paid_twice_or_lost(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(answer_delay_s=0.05)
    scene.add_boats("boats", range(ROWS))
    chance = random.Random(20)
    unanswered = sum(killed_once(scene, tasks, chance) for tasks in (5, 40, 80))
    last = scene.run("run", "boats")
    assert "Traceback" not in last.said
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert set(verdict.statuses) <= {"succeeded", "unconfirmed"}
    assert verdict.unconfirmed <= unanswered
    assert verdict.rows == ROWS


def test_killed_before_anything_was_ordered_nothing_is_left_in_the_way(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene()
    scene.add_boats("boats", range(20))
    for moment_s in (0.5, 2.0):
        process = scene.start("run", "boats")
        time.sleep(moment_s)  # while it imports, makes its folders, or opens the ledger
        kill_group(process)
    assert scene.run("run", "boats").code in (0, 1)
    assert scene.judge("boats").broken == []
