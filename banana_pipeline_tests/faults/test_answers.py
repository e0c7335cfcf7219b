"""Answers that get lost, broken or late, and clocks that jump: what was paid stays known or is shown as in doubt.

Here: faults of createTask and recordInfo, one run and the next. Not here: refusals, deaths, several processes.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline.emulator import Faults
from banana_pipeline_tests.e2e.command import ended, wait_until
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.judge import Row
from banana_pipeline_tests.faults.scene import Scene, open_scene

pytestmark = pytest.mark.slow

PAID = ["lost_answer", "html_502_after_store", "exception_500_after_store", "no_task_id", "cut_json"]
NOT_PAID = ["dropped_before_store", "html_502_before_store", "exception_500_before_store"]
EACH = 3


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Some orders of each fault among good ones, run and run again."""
    with ExitStack() as stack:
        scene = open_scene(stack, tmp_path_factory.mktemp("troubled"))
        marks = [f"[fault:{fault}] boat {number}" for fault in PAID + NOT_PAID for number in range(EACH)]
        scene.add_table("troubled", {"prompt": [*marks, *(f"boat {number}" for number in range(20))]})
        for _ in range(2):
            run = scene.run("run", "troubled")
            assert "Traceback" not in run.said, run.said
        yield scene


def rows_of(scene: Scene, fault: str) -> list[Row]:
    return [row for row in scene.rows("troubled") if f"[fault:{fault}]" in row["prompt"]]


def test_the_promise_holds_whatever_the_answers(troubled: Scene) -> None:
    assert troubled.judge("troubled").broken == []


@pytest.mark.parametrize("fault", PAID + NOT_PAID)
def test_an_order_without_a_clear_answer_is_sent_once(troubled: Scene, fault: str) -> None:
    assert troubled.books["faults"][fault] == EACH


@pytest.mark.parametrize("fault", PAID + NOT_PAID)
def test_an_order_without_a_clear_answer_is_shown_as_in_doubt(troubled: Scene, fault: str) -> None:
    assert {row["status"] for row in rows_of(troubled, fault)} == {"unconfirmed"}


def test_every_paid_task_without_an_answer_stands_behind_a_row_in_doubt(troubled: Scene) -> None:
    assert len(troubled.judge("troubled").hidden) == len(PAID) * EACH


def test_orders_with_good_answers_succeed_among_the_others(troubled: Scene) -> None:
    assert troubled.statuses("troubled")["succeeded"] == 20


def test_lost_answers_at_random_cost_nothing_twice(new_scene: NewScene) -> None:
    scene = new_scene(faults=Faults(lost_answer_share=0.1, dropped_before_store_share=0.05), fail_share=0.1, seed=3)
    scene.add_boats("boats", range(100))
    assert "Traceback" not in scene.run("run", "boats").said
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert len(verdict.hidden) == scene.books["faults"]["lost_answer"] > 0


def test_slow_answers_change_nothing(new_scene: NewScene) -> None:
    scene = new_scene(faults=Faults(slow_answer_share=0.3, slow_answer_s=3.0))
    scene.add_boats("boats", range(40))
    assert scene.run("run", "boats").code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 40


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_polls_that_fail_fail_no_task(new_scene: NewScene, share: float) -> None:
    each = share / 5
    faults = Faults(
        poll_drop_share=each,
        poll_html_502_share=each,
        poll_exception_500_share=each,
        poll_rate_429_share=each,
        poll_no_data_share=each,
    )
    scene = new_scene(faults=faults, latency_s=(0.5, 3.0))
    scene.add_boats("boats", range(60))
    assert scene.run("run", "boats").code == 0
    assert scene.statuses("boats") == {"succeeded": 60}
    assert scene.judge("boats").broken == []


def test_tasks_that_become_visible_late_are_waited_for(new_scene: NewScene) -> None:
    scene = new_scene(visible_after_s=6.0)
    scene.add_boats("boats", range(30))
    assert scene.run("run", "boats").code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 30


def test_a_service_whose_clock_jumps_ahead_is_paid_once(new_scene: NewScene) -> None:
    scene = new_scene(latency_s=(1.0, 3.0))
    scene.settings["BANANA_RATE_LIMIT"] = "20/1s"
    scene.add_boats("boats", range(60))
    process = scene.start("run", "boats")
    wait_until(lambda: scene.task_count >= 20, process)
    scene.admin("clock", advance_s=2 * 3600)
    assert ended(process).code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 60
