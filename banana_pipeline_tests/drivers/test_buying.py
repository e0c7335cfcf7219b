"""Buying each request once: the driver against the emulator, judged by the emulator's books.

Here: the plain course, running again, requests shared by rows, shards and tables, and what rows say they cost.
Not here: failures, faults, stops, several processes (the files beside this one).
"""

import pytest

from banana_pipeline.core.requests import GenerationRequest, account_name
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import KEY, OTHER_KEY, PRICE, Run, boats, most_at_once, shard
from banana_pipeline_tests.drivers.world import World


def test_every_request_becomes_one_task(world: World) -> None:
    world.run(shard(*boats(40)))
    assert world.prompts_sold == sorted(boats(40))


def test_every_row_succeeds_with_the_address_of_its_picture(world: World) -> None:
    run = world.run(shard(*boats(10)))
    pictures = {task["task_id"]: task["media_name"] for task in world.tasks}
    assert all(row["result_urls"][0].endswith(pictures[row["task_id"]]) for row in run.rows)


def test_a_second_run_buys_nothing(world: World) -> None:
    world.run(shard(*boats(20)))
    before = world.books["tasks"]
    assert world.run(shard(*boats(20))).statuses == {"succeeded": 20}
    assert world.books["tasks"] == before == 20


def test_a_second_run_asks_nothing_about_finished_tasks(world: World) -> None:
    world.run(shard(*boats(5)))
    polls = world.books["polls"]
    world.run(shard(*boats(5)))
    assert world.books["polls"] == polls


def test_new_rows_are_bought_beside_those_already_paid(world: World) -> None:
    world.run(shard(*boats(10)))
    run = world.run(shard(*boats(15)))
    assert run.statuses == {"succeeded": 15}
    assert world.prompts_sold == sorted(boats(15))


@pytest.fixture
def shared(world: World) -> Run:
    """One request in three rows of two shards and in another table, and five requests of their own."""
    return world.run(shard("common", *boats(5), "common"), shard("common", number=1), shard("common", table="ships"))


def test_a_request_in_several_rows_shards_and_tables_is_bought_once(world: World, shared: Run) -> None:
    assert world.prompts_sold.count("common") == 1


def test_every_row_of_a_shared_request_gets_its_result(shared: Run) -> None:
    rows = [row for row in shared.rows if row["prompt"] == "common"]
    assert len(rows) == 4
    assert len({row["task_id"] for row in rows}) == 1
    assert {row["status"] for row in rows} == {"succeeded"}


def test_one_row_paid_for_a_shared_request_and_the_others_reuse_it(shared: Run) -> None:
    rows = [row for row in shared.rows if row["prompt"] == "common"]
    assert sorted(row["credits"] for row in rows) == [0.0, 0.0, 0.0, PRICE]
    assert [row["is_reused"] for row in rows].count(False) == 1


def test_samples_of_one_prompt_are_bought_one_each(world: World) -> None:
    run = world.run(shard(*(GenerationRequest(prompt="a boat", sample=number) for number in range(4))))
    assert world.books["tasks"] == 4
    assert len({row["task_id"] for row in run.rows}) == 4


def test_all_parameters_reach_kie_as_asked(world: World) -> None:
    asked = GenerationRequest(prompt="tall", aspect_ratio="9:16", resolution="4K", output_format="jpg")
    world.run(shard(asked))
    given = world.tasks[0]["input"]
    assert [given[name] for name in ("aspect_ratio", "resolution", "output_format")] == ["9:16", "4K", "jpg"]


def test_the_rows_credits_add_up_to_what_kie_took(new_world: NewWorld) -> None:
    """Over failures that were refunded, retries, a charged failure, other prices, shared requests and two runs."""
    world = new_world()
    rows = shard(
        *boats(6),
        "boat 1",
        "[fail:internal:1] once more",
        "[fail:policy] never",
        "[fail:noresult] charged",
        "[fail:internal] always",
        GenerationRequest(prompt="large", resolution="4K"),
    )
    again = shard("boat 3", "[fail:noresult] charged", "new", table="ships")
    first = world.run(rows)
    second = world.run(again)
    assert first.credits + second.credits == world.books["credits"]["spent"]
    assert world.books["credits"]["held"] == 0.0


def test_shards_are_told_one_by_one_as_they_end(new_world: NewWorld) -> None:
    run = new_world(latency_s=(0.05, 0.05)).run(*(shard(f"boat {n}", number=n) for n in range(6)), rate="20/1s")
    assert run.shards[0] == "boats.0000"
    assert sorted(run.shards) == [f"boats.{n:04}" for n in range(6)]


def test_a_shard_without_requests_is_told_too(world: World) -> None:
    assert world.run(shard(), shard("a boat", number=1)).shards == ["boats.0000", "boats.0001"]


def test_no_more_tasks_are_under_way_than_allowed(new_world: NewWorld) -> None:
    world = new_world(latency_s=(0.1, 0.2))
    world.run(shard(*boats(20)), max_in_flight=4)
    assert most_at_once(world.tasks) <= 4
    assert world.books["tasks"] == 20


def test_the_budget_of_a_run_is_kept(world: World) -> None:
    run = world.run(shard(*boats(10)), max_credits=5 * PRICE)
    assert world.books["credits"]["spent"] == 5 * PRICE
    assert run.statuses == {"succeeded": 5, "not_submitted": 5}


def test_rows_beyond_the_budget_say_so(world: World) -> None:
    run = world.run(shard(*boats(3)), max_credits=PRICE)
    assert {row["status_reason"] for row in run.rows} == {None, "The budget of this run (18 credits) is used up"}


def test_runs_of_one_launch_share_its_budget(world: World) -> None:
    for name in ("boats", "ships", "cars"):
        run = world.run(shard(*(f"{name} {n}" for n in range(4)), table=name), launch="one", max_credits=6 * PRICE)
    assert world.books["credits"]["spent"] == 6 * PRICE
    assert run.statuses == {"not_submitted": 4}


def test_a_refund_goes_back_into_the_budget_of_its_launch(world: World) -> None:
    world.run(shard("[fail:policy] boat", "boat"), launch="one", max_credits=2 * PRICE)
    run = world.run(shard("car 1", "car 2", table="cars"), launch="one", max_credits=2 * PRICE)
    assert run.statuses == {"succeeded": 1, "not_submitted": 1}


def test_a_run_that_was_told_a_wrong_sum_still_keeps_its_budget(world: World) -> None:
    """What is shown decides nothing."""
    run = Run()
    run.progress.spent_credits = 1_000_000.0
    run.progress.in_flight_credits = -5.0
    world.run(shard(*boats(4)), run=run, max_credits=2 * PRICE)
    assert run.statuses == {"succeeded": 2, "not_submitted": 2}


def test_what_is_already_paid_takes_nothing_from_a_later_budget(world: World) -> None:
    world.run(shard(*boats(5)))
    run = world.run(shard(*boats(8)), max_credits=3 * PRICE)
    assert run.statuses == {"succeeded": 8}


def test_two_accounts_together_keep_the_budget(new_world: NewWorld) -> None:
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    world.run(shard(*boats(30)), max_credits=7 * PRICE, rate="20/1s")
    assert world.books["credits"]["spent"] <= 7 * PRICE


def test_two_accounts_share_the_work(new_world: NewWorld) -> None:
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    run = world.run(shard(*boats(30)), rate="50/1s")
    assert len({task["account"] for task in world.tasks}) == 2
    assert {row["account"] for row in run.rows} == {account_name(KEY), account_name(OTHER_KEY)}


def test_each_task_is_asked_for_with_the_key_that_made_it(new_world: NewWorld) -> None:
    """The emulator knows a task only for its own account, so that another key would never see it end."""
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    run = world.run(shard(*boats(20)), rate="50/1s", deadline_s=3.0)
    assert run.statuses == {"succeeded": 20}
    assert "422" not in world.books["refusals_by_code"]
