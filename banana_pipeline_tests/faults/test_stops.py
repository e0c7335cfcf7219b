"""SIGTERM and SIGINT: an orderly end within 10 s, an immediate one when asked twice.

Here: what the outputs hold after a stop, and the run after it. Not here: kill -9 (test_kills, test_exact_kills).
"""

import signal
import subprocess
import time

import pytest

from banana_pipeline_tests.e2e.command import Ended, ended, wait_until
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.scene import Scene

pytestmark = pytest.mark.slow

STOP_S = 10.0
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def busy(scene: Scene) -> "subprocess.Popen[str]":
    """A run that has bought a third of its table."""
    scene.add_boats("boats", range(60))
    process = scene.start("run", "boats", BANANA_RATE_LIMIT="20/1s")
    wait_until(lambda: scene.task_count >= 20, process)
    return process


def waiting_for_answers(scene: Scene) -> "subprocess.Popen[str]":
    """A run whose last orders are stored and not answered."""
    process = busy(scene)
    scene.admin("faults", slow_answer_share=1.0, slow_answer_s=30.0)
    orders = scene.task_count + 10
    wait_until(lambda: scene.task_count >= orders, process)
    return process


def stopped(process: "subprocess.Popen[str]", number: int) -> Ended:
    process.send_signal(number)
    run = ended(process, timeout_s=40)
    assert "Traceback" not in run.said, run.said
    return run


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_writes_the_outputs_and_the_next_run_completes(new_scene: NewScene, number: int) -> None:
    scene = new_scene(latency_s=(1.0, 2.0))
    run = stopped(busy(scene), number)
    assert run.seconds < STOP_S
    verdict = scene.judge("boats")
    assert verdict.rows == 60
    assert verdict.tasks < 60
    assert verdict.broken_money == []
    assert scene.run("run", "boats").code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 60


def test_a_stop_while_answers_are_awaited_ends_in_time_and_shows_the_doubt(new_scene: NewScene) -> None:
    scene = new_scene()
    run = stopped(waiting_for_answers(scene), signal.SIGTERM)
    assert run.seconds < STOP_S
    verdict = scene.judge("boats")
    assert verdict.broken_money == []
    assert verdict.unconfirmed == len(verdict.hidden) > 0


def test_after_a_stop_every_row_without_a_picture_says_why(new_scene: NewScene) -> None:
    scene = new_scene(latency_s=(2.0, 3.0))
    stopped(busy(scene), signal.SIGINT)
    assert scene.judge("boats").unexplained == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_ends_the_wait_at_once(new_scene: NewScene, number: int) -> None:
    scene = new_scene()
    process = waiting_for_answers(scene)
    process.send_signal(number)
    time.sleep(0.5)  # two equal signals at the same moment are one to the kernel
    assert stopped(process, number).seconds < 6
    scene.admin("faults", slow_answer_share=0.0)
    scene.run("run", "boats")
    verdict = scene.judge("boats")
    assert verdict.broken == []
    assert verdict.tasks == 60
