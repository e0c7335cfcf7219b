"""Several runs at the same time on one ledger: each request is bought once, and every run gets to see its result.

Here: runs in threads, each with its own connections, accounts and event loop, as separate processes have.
Not here: whole processes (e2e).
"""

import pytest

from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import PRICE, Run, boats, most_at_once, shard
from banana_pipeline_tests.drivers.world import World

NO_RESULT = [f"[fail:noresult] boat {number}" for number in range(3)]


@pytest.fixture
def overlapping(world: World) -> tuple[World, list[Run]]:
    """Rows 0 to 29 and, in the other direction, rows 15 to 44 of another table."""
    return world, world.run_together(
        {"shards": [shard(*boats(30))], "rate": "40/1s"},
        {"shards": [shard(*reversed(boats(45)[15:]), table="ships")], "rate": "40/1s"},
    )


def test_each_request_is_bought_once(overlapping: tuple[World, list[Run]]) -> None:
    assert overlapping[0].prompts_sold == sorted(boats(45))


def test_both_runs_see_all_their_results(overlapping: tuple[World, list[Run]]) -> None:
    assert [run.statuses for run in overlapping[1]] == [{"succeeded": 30}, {"succeeded": 30}]


def test_the_credits_of_both_together_are_what_kie_took(overlapping: tuple[World, list[Run]]) -> None:
    world, runs = overlapping
    assert sum(run.credits for run in runs) == world.books["credits"]["spent"] == 45 * PRICE


def test_the_places_in_flight_are_shared(new_world: NewWorld) -> None:
    world = new_world(latency_s=(0.15, 0.25))
    jobs = [{"shards": [shard(*boats(20)[half::2], table=f"half {half}")], "max_in_flight": 4} for half in (0, 1)]
    world.run_together(*jobs)
    assert world.books["tasks"] == 20
    assert most_at_once(world.tasks) <= 4


def test_the_pace_is_shared(new_world: NewWorld) -> None:
    world = new_world(rate_window_s=0.5)
    jobs = [{"shards": [shard(*boats(30)[half::2], table=f"half {half}")], "rate": "10/0.5s"} for half in (0, 1)]
    world.run_together(*jobs)
    assert world.books["tasks"] == 30
    assert world.books["peak_creations_in_window"] <= 12  # 10, and what arrives a few milliseconds late or early


def test_a_failure_that_was_charged_in_one_run_is_not_bought_again_by_the_other(world: World) -> None:
    """The slow run still has the requests in its queue when the quick one has bought them and they have failed."""
    world.run_together(
        {"shards": [shard("first", *NO_RESULT)], "rate": "1/1.5s"},
        {"shards": [shard(*NO_RESULT, table="ships")]},
    )
    assert world.books["tasks_by_input"]["max"] == 1


def test_failures_count_together(world: World) -> None:
    always = [f"[fail:internal] boat {number}" for number in range(3)]
    world.run_together(
        {"shards": [shard("first", *always)], "rate": "1/1.5s", "max_attempts": 2},
        {"shards": [shard(*always, table="ships")], "max_attempts": 2},
    )
    assert world.books["tasks_by_input"]["max"] == 2


def test_a_request_that_failed_for_an_earlier_shard_of_the_same_run_is_not_bought_again(world: World) -> None:
    """The later shard was opened, and its place in the ledger read, while the request was not even bought."""
    rows = [*boats(12), *NO_RESULT]
    world.run(shard(*rows), shard(*boats(20)[12:], *rows, number=1), rate="30/1s", max_in_flight=2)
    assert world.books["tasks_by_input"]["max"] == 1


def test_one_run_stopped_does_not_stop_the_other(new_world: NewWorld) -> None:
    world = new_world(latency_s=(0.2, 0.3))
    stopped, whole = world.run_together(
        {"shards": [shard(*boats(30))], "rate": "20/1s", "stop_when": lambda: world.books["tasks"] >= 10},
        {"shards": [shard(*boats(30), table="ships")], "rate": "20/1s"},
    )
    assert whole.statuses == {"succeeded": 30}
    assert world.prompts_sold == sorted(boats(30))
    assert {row["status"] for row in stopped.rows} <= {"succeeded", "pending", "not_submitted"}


def test_two_runs_at_once_keep_the_budget_of_the_day_to_the_last_image(world: World) -> None:
    jobs = [
        {"shards": [shard(*(f"{n} {name}" for n in range(30)))], "max_credits_per_day": 20 * PRICE} for name in "ab"
    ]
    runs = world.run_together(*jobs)
    assert world.books["credits"]["spent"] == 20 * PRICE
    assert sum(run.statuses.get("succeeded", 0) for run in runs) == 20
    reasons = {row["status_reason"] for run in runs for row in run.rows if row["status"] == "not_submitted"}
    assert all("budget of this day (360 credits" in reason for reason in reasons)


def test_the_next_run_of_the_day_buys_nothing_and_a_larger_budget_lets_it_go_on(world: World) -> None:
    work = shard(*boats(6))
    world.run(work, max_credits_per_day=2 * PRICE)
    world.run(work, max_credits_per_day=2 * PRICE)
    assert world.books["tasks"] == 2
    assert world.run(work, max_credits_per_day=6 * PRICE).statuses == {"succeeded": 6}


def test_refunded_failures_give_their_money_back_to_the_budget(world: World) -> None:
    work = shard("[fail:policy] a boat", *boats(3))
    world.run(work, max_credits_per_day=3 * PRICE)
    assert world.run(work, max_credits_per_day=3 * PRICE).statuses == {"failed": 1, "succeeded": 3}
