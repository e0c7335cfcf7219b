"""Callbacks find lost orders again and spare polls; without them, or with bad ones, everything ends the same.

Here: the driver beside the real receiver and the emulator's courier. Not here: the receiver's own answers (callbacks).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from banana_pipeline.emulator import Faults
from banana_pipeline.store import ledger_callbacks
from banana_pipeline_tests.callbacks.receiving import Receiving
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import PRICE, boats, shard
from banana_pipeline_tests.drivers.world import World

HMAC_KEY = "whsec_demo_key"
LOST = ["lost_answer", "html_502_after_store", "exception_500_after_store", "no_task_id", "cut_json"]
NEVER_MADE = ["html_502_before_store"]


def marked(*faults: str) -> list[str]:
    return [f"[fault:{fault}] a boat" for fault in faults]


@contextmanager
def receiving(world: World, hmac_key: str | None = None) -> Iterator[str]:
    """The address at which callbacks are received while the block runs; it has a path and a query of its own."""
    with Receiving(world.ledger_url, hmac_key=hmac_key) as receiver:
        yield f"{receiver.url}/kie?from=kie"


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world(webhook_hmac_key=HMAC_KEY)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    with receiving(world, HMAC_KEY) as url:
        yield url


def test_every_order_whose_answer_was_lost_is_found_again(world: World, address: str) -> None:
    run = world.run(shard(*boats(5), *marked(*LOST)), callback_url=address)
    assert run.statuses == {"succeeded": 10}
    assert run.progress.recovered == len(LOST)
    assert run.credits == world.books["credits"]["spent"] == 10 * PRICE
    assert world.books["paid_twice"]["extra_tasks"] == 0


def test_an_order_that_was_never_made_stays_unconfirmed(world: World, address: str, quick_end: None) -> None:
    run = world.run(shard(*boats(6), *marked(*NEVER_MADE)), callback_url=address)
    assert run.statuses == {"succeeded": 6, "unconfirmed": 1}


def test_a_callback_that_came_while_nobody_ran_is_used_by_the_next_run(world: World, address: str) -> None:
    work = shard(*marked("lost_answer"))
    first = world.run(work, callback_url=address, is_waiting=False)
    assert first.statuses == {"unconfirmed": 1}
    attempt = world.attempts(work)[0]
    while not world.in_ledger(ledger_callbacks.callbacks_of, [attempt.attempt_id]):
        pass
    assert world.run(work).statuses == {"succeeded": 1}
    assert world.books["tasks"] == 1


def test_a_callback_that_names_a_task_of_somebody_else_is_not_believed(world: World, quick_end: None) -> None:
    world.run(shard("a boat"))
    strange = world.tasks[0]["task_id"]
    work = shard(*marked("html_502_before_store"))
    world.run(work)
    attempt = world.attempts(work)[0]
    at = datetime.now(UTC)
    for task_id in (strange, "f" * 32):
        world.in_ledger(ledger_callbacks.keep_callback, attempt_id=attempt.attempt_id, task_id=task_id, at=at)
    assert world.run(work, callback_url="http://127.0.0.1:9/").statuses == {"unconfirmed": 1}
    assert world.attempts(work)[0].task_id is None


def test_late_doubled_missing_and_forged_callbacks_change_nothing(new_world: NewWorld) -> None:
    shares = {f"callback_{name}_share": 0.3 for name in ("late", "duplicate", "missing", "forged")}
    world = new_world(webhook_hmac_key=HMAC_KEY, faults=Faults(callback_late_s=1.0, **shares))
    with receiving(world, HMAC_KEY) as url:
        run = world.run(shard(*boats(40)), callback_url=url)
    assert run.statuses == {"succeeded": 40}
    assert run.credits == world.books["credits"]["spent"] == 40 * PRICE


def test_where_callbacks_arrive_hardly_anything_is_polled(new_world: NewWorld) -> None:
    world = new_world(latency_s=(0.5, 4.0))
    with receiving(world) as url:
        world.run(shard(*boats(10)), callback_url=url)  # learns how long tasks take
        run = world.run(shard(*(f"ship {n}" for n in range(60))), callback_url=url, max_in_flight=20)
    assert run.statuses == {"succeeded": 60}
    assert run.progress.polls <= 60 * 1.5


def test_without_a_receiver_a_run_does_not_wait_long_for_lost_answers(world: World) -> None:
    run = world.run(shard(*boats(8), *marked("lost_answer")), callback_url="http://127.0.0.1:9/")
    assert run.statuses == {"succeeded": 8, "unconfirmed": 1}


@pytest.fixture
def quick_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of patience, tested in `core`, and the time in which a task may be invisible, made short here."""
    monkeypatch.setattr("banana_pipeline.core.timing.LEAST_CALLBACK_PATIENCE_S", 2.0)
    monkeypatch.setattr("banana_pipeline.recover.VISIBILITY_GRACE_S", 2.0)
