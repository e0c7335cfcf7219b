"""kill -9 at exact places of the life of an order, on both ledgers.

Here: the moment between claim and order, between KIE's books and ours, before the first poll, in the middle of a file.
Not here: how the process is made to die there (doomed), deaths at random (test_kills).
"""

import signal

import pyarrow.dataset as ds
import pytest

from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.scene import Scene

pytestmark = pytest.mark.slow

ROWS = 14
# Fifty milliseconds between orders: hardly ever two in the air.
PACE = {"BANANA_RATE_LIMIT": "20/1s"}


def unanswered_prompts(scene: Scene) -> set[str]:
    """What was claimed when the process died, and stands without an answer in the ledger."""
    claimed = {number for (number,) in scene.query("SELECT row_number FROM attempts WHERE state = 'submitting'")}
    return {f"boat {number}" for number in claimed}


def sold_prompts(scene: Scene) -> set[str]:
    return {task["input"]["prompt"] for task in scene.tasks}


def killed_at(place: str, scene: Scene, count: int = 7) -> None:
    scene.add_boats("boats", range(ROWS))
    death = scene.doom(place, count, "run", "boats")
    assert death.code == -signal.SIGKILL, f"it never came to {place!r}: {death.said}"


def resumed(scene: Scene) -> None:
    run = scene.run("run", "boats")
    assert "Traceback" not in run.said, run.said
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.statuses.get("succeeded", 0) + verdict.unconfirmed == verdict.rows == ROWS


def test_an_order_claimed_and_never_sent_is_told_and_not_sent_by_guess(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(settings=PACE)
    killed_at("claimed", scene)
    never_sent = unanswered_prompts(scene) - sold_prompts(scene)
    assert never_sent
    resumed(scene)
    doubted = {row["prompt"] for row in scene.rows("boats") if row["status"] == "unconfirmed"}
    assert never_sent <= doubted | sold_prompts(scene)


@pytest.mark.parametrize("place", ["answered", "recording"])
def test_a_task_whose_id_died_with_the_process_is_not_bought_again(new_ledger_scene: NewScene, place: str) -> None:
    scene = new_ledger_scene(settings=PACE)
    killed_at(place, scene)
    assert unanswered_prompts(scene) & sold_prompts(scene)
    resumed(scene)


def test_tasks_written_down_before_the_first_poll_are_collected(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(settings=PACE)
    killed_at("submitted", scene, count=1)
    tasks = scene.task_count
    resumed(scene)
    assert scene.judge("boats").unconfirmed == 0
    assert scene.task_count == ROWS >= tasks > 0


def test_half_a_file_is_never_read_and_costs_nothing(new_scene: NewScene) -> None:
    scene = new_scene()
    killed_at("writing", scene, count=1)
    folder = scene.data / "warehouse" / "generations"
    assert [path for path in folder.rglob("*") if path.is_file()], "half a file should be there"
    assert ds.dataset(folder, partitioning="hive").count_rows() == 0
    tasks = scene.task_count
    resumed(scene)
    assert ds.dataset(folder, partitioning="hive").count_rows() == ROWS
    assert scene.task_count == tasks == ROWS
