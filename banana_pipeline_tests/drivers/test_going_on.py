"""Ending early and going on later: nothing paid is lost and nothing is bought a second time.

Here: stops, runs that do not wait, late tasks, claims of dead processes.
Not here: several runs at the same time (test_together), whole processes that are killed (e2e).
"""

import time

import pytest

from banana_pipeline.core.attempts import AttemptState
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import PRICE, Run, boats, shard
from banana_pipeline_tests.drivers.world import World


def stopped_run(world: World, *, tasks: int, rows: int = 40) -> Run:
    """A run that is asked to stop as soon as KIE has so many tasks."""
    return world.run(shard(*boats(rows)), rate="50/1s", stop_when=lambda: world.books["tasks"] >= tasks)


@pytest.fixture
def stopped(new_world: NewWorld) -> tuple[World, Run]:
    """Forty rows, stopped at the tenth task, while all tasks are still being made."""
    world = new_world(latency_s=(1.0, 1.2), answer_delay_s=0.05)
    return world, stopped_run(world, tasks=10)


def test_a_stopped_run_buys_no_more(stopped: tuple[World, Run]) -> None:
    assert 10 <= stopped[0].books["tasks"] < 25


def test_a_stopped_run_knows_every_task_it_has_paid(stopped: tuple[World, Run]) -> None:
    world, run = stopped
    told = {row["task_id"] for row in run.rows if row["status"] in {"pending", "succeeded"}}
    assert told == {task["task_id"] for task in world.tasks}


def test_a_stopped_run_tells_what_was_not_sent(stopped: tuple[World, Run]) -> None:
    world, run = stopped
    reasons = [row["status_reason"] for row in run.rows if row["status"] == "not_submitted"]
    assert reasons == ["the run was stopped before this was sent"] * (40 - world.books["tasks"])


def test_the_next_run_finishes_what_was_stopped(stopped: tuple[World, Run]) -> None:
    world, _ = stopped
    assert world.run(shard(*boats(40))).statuses == {"succeeded": 40}
    assert world.prompts_sold == sorted(boats(40))


def test_a_stop_waits_for_answers_under_way(new_world: NewWorld) -> None:
    world = new_world(answer_delay_s=0.7)
    run = stopped_run(world, tasks=3)
    assert "unconfirmed" not in run.statuses


def test_a_stop_does_not_wait_for_pictures(new_world: NewWorld) -> None:
    world = new_world(latency_s=(60.0, 60.0))
    started_s = time.monotonic()
    stopped_run(world, tasks=3)
    assert time.monotonic() - started_s < 3


def test_a_run_that_does_not_wait_leaves_its_rows_pending(new_world: NewWorld) -> None:
    world = new_world(latency_s=(1.0, 1.0))
    assert world.run(shard(*boats(10)), is_waiting=False).statuses == {"pending": 10}
    assert world.books["tasks"] == 10


def test_a_later_run_collects_what_was_not_waited_for(new_world: NewWorld) -> None:
    world = new_world()
    world.run(shard(*boats(10)), is_waiting=False)
    assert world.run(shard(*boats(10))).statuses == {"succeeded": 10}
    assert world.books["tasks"] == 10


def test_a_later_run_that_does_not_wait_collects_what_is_ready(new_world: NewWorld) -> None:
    world = new_world()
    world.run(shard(*boats(10)), is_waiting=False)
    world.emulator.advance(10)
    assert world.run(shard(*boats(10)), is_waiting=False).statuses == {"succeeded": 10}


def test_a_late_task_is_overdue_not_failed(new_world: NewWorld) -> None:
    world = new_world(latency_s=(60.0, 60.0))
    row = world.run(shard("a boat"), deadline_s=0.4).rows[0]
    assert (row["status"], row["task_id"]) == ("overdue", world.tasks[0]["task_id"])
    assert "no result within 0.4 s" in row["status_reason"]


def test_an_overdue_task_is_collected_by_a_later_run(new_world: NewWorld) -> None:
    world = new_world(latency_s=(60.0, 60.0))
    world.run(shard("a boat"), deadline_s=0.4)
    world.emulator.advance(60)
    row = world.run(shard("a boat"), deadline_s=0.4).rows[0]
    assert (row["status"], row["credits"]) == ("succeeded", PRICE)
    assert world.books["tasks"] == 1


def test_an_overdue_task_stays_overdue_while_it_is_still_made(new_world: NewWorld) -> None:
    world = new_world(latency_s=(60.0, 60.0))
    for _ in range(3):
        run = world.run(shard("a boat"), deadline_s=0.4)
    assert run.statuses == {"overdue": 1}
    assert world.books["tasks"] == 1


def test_overdue_tasks_do_not_block_the_places_in_flight(new_world: NewWorld) -> None:
    world = new_world(latency_s=(60.0, 60.0))
    assert world.run(shard(*boats(6)), deadline_s=0.4, max_in_flight=3).statuses == {"overdue": 6}


def test_the_claim_of_a_dead_process_becomes_unconfirmed_and_is_not_sent(world: World) -> None:
    work = shard("claimed", *boats(3))
    world.claim(work.wanted[0], age_s=100)
    run = world.run(work)
    assert run.by_prompt["claimed"]["status"] == "unconfirmed"
    assert "ended before the answer was recorded" in run.by_prompt["claimed"]["status_reason"]
    assert world.prompts_sold == boats(3)


def test_the_claim_of_a_dead_process_is_told_once_it_has_run_out(world: World) -> None:
    """Until then its order may still be under way."""
    work = shard("claimed")
    world.claim(work.wanted[0], age_s=89.5)
    assert world.run(work).statuses == {"unconfirmed": 1}
    assert [attempt.state for attempt in world.attempts(work)] == [AttemptState.UNCONFIRMED]


def test_a_ledger_of_another_service_counts_for_nothing(world: World) -> None:
    """What an emulator sold never counts as bought at KIE."""
    world.run(shard("a boat"))
    before = world.service
    world.is_named_localhost = True
    assert world.service != before
    assert world.run(shard("a boat")).rows[0]["attempt"] == 1
    assert world.books["tasks"] == 2
