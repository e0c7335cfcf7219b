"""Callbacks find lost orders again, and no callback does harm: early, late, twice, never, or from a stranger.

Here: `banana callbacks` beside `banana run`, as a person starts both. Not here: signatures and bodies (callbacks).
"""

import signal

import pytest

from banana_pipeline.emulator import Faults
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.receiver import SIGNED, receiving
from banana_pipeline_tests.faults.scene import wait_for

pytestmark = pytest.mark.slow


def test_lost_orders_are_found_again_while_the_run_goes_on(new_ledger_scene: NewScene) -> None:
    faults = Faults(
        lost_answer_share=0.1,
        callback_late_share=0.2,
        callback_late_s=2.0,
        callback_duplicate_share=0.2,
        callback_forged_share=0.2,
    )
    scene = new_ledger_scene(faults=faults, **SIGNED)
    scene.add_boats("boats", range(100))
    with receiving(scene):
        scene.run("run", "boats")
        lost = scene.books["faults"]["lost_answer"]
        assert lost > 0
        assert scene.statuses("boats").get("unconfirmed", 0) <= 0.05 * lost
        assert scene.run("run", "boats").code == 0
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.statuses == {"succeeded": 100}
    assert verdict.tasks == 100
    assert scene.recovered() == lost


def test_callbacks_that_come_before_the_answer_change_nothing(new_scene: NewScene) -> None:
    scene = new_scene(answer_delay_s=1.5, latency_s=(0.1, 0.2), **SIGNED)
    scene.add_boats("boats", range(20))
    with receiving(scene):
        assert scene.run("run", "boats").code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 20


def test_lost_orders_whose_callbacks_are_lost_too_stay_in_doubt(new_scene: NewScene) -> None:
    scene = new_scene(faults=Faults(lost_answer_share=0.2, callback_missing_share=1.0), **SIGNED)
    scene.add_boats("boats", range(40))
    with receiving(scene):
        scene.run("run", "boats")
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.unconfirmed == scene.books["faults"]["lost_answer"] > 0


def test_no_stranger_brings_a_task_into_the_outputs(new_scene: NewScene) -> None:
    """Without a signature key nothing tells a forged callback from a true one, but KIE's own record."""
    faults = Faults(lost_answer_share=0.2, callback_forged_share=1.0)
    scene = new_scene(faults=faults, callback_retries_s=())
    scene.add_boats("boats", range(30))
    with receiving(scene, hmac_key=""):
        scene.run("run", "boats")
    assert scene.judge("boats").broken == []


def test_an_order_whose_process_was_killed_is_found_again(new_ledger_scene: NewScene) -> None:
    scene = new_ledger_scene(settings={"BANANA_RATE_LIMIT": "20/1s"}, **SIGNED)
    scene.add_boats("boats", range(14))
    with receiving(scene):
        assert scene.doom("answered", 7, "run", "boats").code == -signal.SIGKILL
        wait_for(lambda: scene.books["callbacks_delivered"] >= scene.task_count)
        assert scene.run("run", "boats").code == 0
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.tasks == 14
