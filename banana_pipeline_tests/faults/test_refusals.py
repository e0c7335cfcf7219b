"""A service that says no: too fast, no key, no credits, maintenance. A refusal costs nothing and is not argued with.

Here: how many calls follow a refusal, what a person is told, and the run after the cause is gone.
Not here: the pace by itself (kie), answers that leave doubt (test_answers).
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from banana_pipeline_tests.e2e.command import Ended, ended, wait_until
from banana_pipeline_tests.faults.conftest import NewScene
from banana_pipeline_tests.faults.judge import Row, Verdict, peak_creates
from banana_pipeline_tests.faults.scene import Scene, open_scene

pytestmark = pytest.mark.slow

MOST_IN_THE_AIR = 20
"""Orders that may be on their way at 60 a second when the first refusal arrives."""

FEW = 5
"""The same at 20 a second."""

HALF_WAY = {
    "the key is revoked": ({"is_revoked": True}, {"is_revoked": False}, 401, "KIE does not accept the key"),
    "the credits are gone": (
        {"balance_credits": 0},
        {"balance_credits": 50_000},
        402,
        "The account has too few credits",
    ),
}


def test_a_storm_of_429_uses_up_no_attempt_and_calms_down(new_scene: NewScene) -> None:
    """The account allows 15 in 4 s, the program was told 60 in 1 s."""
    scene = new_scene(rate_limit=15, rate_window_s=4.0)
    scene.add_boats("boats", range(30))
    assert scene.run("run", "boats").code == 0
    assert scene.statuses("boats") == {"succeeded": 30}
    assert {row["attempt"] for row in scene.rows("boats")} == {1}
    assert scene.judge("boats").broken == []
    assert peak_creates([task["created_at"] for task in scene.tasks], 4.0) <= 15
    assert 0 < scene.refusals(429) <= MOST_IN_THE_AIR


@dataclass(frozen=True, kw_only=True)
class HalfWay:
    """A run in the middle of which the account got into trouble, and the run after it was mended."""

    scene: Scene
    sentence: str
    run: Ended
    tasks: int
    refusals: int
    verdict: Verdict
    rows: Sequence[Row]
    mended: Ended


@pytest.fixture(scope="module", params=HALF_WAY)
def half_way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HalfWay]:
    trouble, cure, code, sentence = HALF_WAY[request.param]
    with ExitStack() as stack:
        scene = open_scene(stack, tmp_path_factory.mktemp("half_way"))
        scene.add_boats("boats", range(60))
        process = scene.start("run", "boats", BANANA_RATE_LIMIT="20/1s")
        wait_until(lambda: scene.task_count >= 20, process)
        scene.account(**trouble)
        run = ended(process)
        tasks, refusals = scene.task_count, scene.refusals(code)
        verdict, rows = scene.judge("boats"), scene.rows("boats")
        scene.account(**cure)
        yield HalfWay(
            scene=scene,
            sentence=sentence,
            run=run,
            tasks=tasks,
            refusals=refusals,
            verdict=verdict,
            rows=rows,
            mended=scene.run("run", "boats"),
        )


def test_trouble_half_way_is_told_in_one_clear_sentence(half_way: HalfWay) -> None:
    assert half_way.run.code == 1
    lines = half_way.run.said.splitlines()
    assert len([line for line in lines if line.startswith(half_way.sentence)]) == 1, half_way.run.said
    assert "Traceback" not in half_way.run.said


def test_after_trouble_half_way_nothing_more_is_ordered(half_way: HalfWay) -> None:
    assert 20 <= half_way.tasks < 60
    # A key that is revoked may be refused once more for each task that is asked for.
    assert 0 < half_way.refusals <= half_way.tasks + FEW
    if half_way.sentence.endswith("credits"):
        assert half_way.refusals <= FEW


def test_every_task_is_known_when_trouble_came_half_way(half_way: HalfWay) -> None:
    assert half_way.verdict.broken_money == []


def test_every_row_that_was_not_ordered_says_why(half_way: HalfWay) -> None:
    rows = [row for row in half_way.rows if row["status"] in ("not_submitted", "refused")]
    assert len(rows) == 60 - half_way.tasks
    assert all(row["status_reason"] for row in rows)


def test_a_mended_account_goes_on_and_pays_nothing_twice(half_way: HalfWay) -> None:
    assert half_way.mended.code == 0, half_way.mended.said
    verdict = half_way.scene.judge("boats")
    assert verdict.broken == []
    assert (verdict.statuses, verdict.tasks) == ({"succeeded": 60}, 60)


def test_tasks_paid_before_the_credits_were_gone_are_collected_in_the_same_run(half_way: HalfWay) -> None:
    if half_way.sentence.startswith("KIE"):
        pytest.skip("a key that is revoked cannot ask for its tasks")
    assert half_way.verdict.statuses["succeeded"] == half_way.tasks


def test_maintenance_is_left_in_peace_and_the_next_run_buys(new_scene: NewScene) -> None:
    scene = new_scene()
    scene.add_boats("boats", range(60))
    scene.admin("faults", maintenance_455_before_store_share=1.0)
    process = scene.start("run", "boats")
    wait_until(lambda: scene.refusals(455) > 0, process)
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in ended(process).said
    assert scene.task_count == 0
    assert scene.refusals(455) <= MOST_IN_THE_AIR
    scene.admin("faults", maintenance_455_before_store_share=0.0)
    assert scene.run("run", "boats").code == 0
    assert scene.judge("boats").broken == []
    assert scene.task_count == 60
