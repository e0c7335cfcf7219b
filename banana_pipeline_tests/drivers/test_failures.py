"""Tasks that fail and orders that are refused: what is bought again, what never, and what it means for other rows.

Here: failed tasks by their kind, refused parameters, refused credits and keys, refusals of the pace.
Not here: answers that are lost (test_faults), stops (test_going_on).
"""

from typing import Any

import pytest

from banana_pipeline.core.attempts import AttemptState
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import KEY, OTHER_KEY, PRICE, boats, shard
from banana_pipeline_tests.drivers.world import World

POLICY, NO_RESULT, TWICE = "[fail:policy] a boat", "[fail:noresult] a boat", "[fail:internal:2] a boat"


def attempts_at(world: World, prompt: str) -> int:
    return world.prompts_sold.count(prompt)


def test_a_passing_failure_is_bought_again_until_it_succeeds(world: World) -> None:
    run = world.run(shard(TWICE))
    assert [(row["status"], row["attempt"]) for row in run.rows] == [("succeeded", 3)]
    assert world.books["credits"] == {"held": 0.0, "spent": PRICE, "returned": 2 * PRICE}


def test_a_passing_failure_is_bought_no_more_often_than_allowed(world: World) -> None:
    run = world.run(shard(TWICE), max_attempts=2)
    assert run.statuses == {"failed": 1}
    assert attempts_at(world, TWICE) == 2


def test_attempts_count_over_all_runs(world: World) -> None:
    always = "[fail:internal] a boat"
    for _ in range(3):
        world.run(shard(always), max_attempts=3)
    assert attempts_at(world, always) == 3


@pytest.mark.parametrize("kind", ["policy", "sensitive", "prohibited", "gemini"])
def test_a_failure_that_is_the_prompts_own_is_never_bought_again(world: World, kind: str) -> None:
    for _ in range(2):
        run = world.run(shard(f"[fail:{kind}] a boat"))
    assert run.statuses == {"failed": 1}
    assert world.books["tasks"] == 1


@pytest.mark.parametrize("kind", ["501", "word", "envelope408", "envelope501"])
def test_a_failure_without_a_known_reason_is_bought_twice_at_most(world: World, kind: str) -> None:
    for _ in range(2):
        run = world.run(shard(f"[fail:{kind}] a boat"))
    assert run.statuses == {"failed": 1}
    assert world.books["tasks"] == 2


def test_a_success_without_a_picture_is_told_as_charged(world: World) -> None:
    row = world.run(shard(NO_RESULT)).rows[0]
    assert (row["status"], row["credits"], row["fail_code"]) == ("failed", PRICE, "no_result")


def test_a_charged_failure_is_not_bought_again(world: World) -> None:
    for _ in range(3):
        world.run(shard(NO_RESULT))
    assert world.books["tasks"] == 1


def test_bad_rows_do_not_hurt_their_siblings(new_world: NewWorld) -> None:
    world = new_world(max_prompt_chars=50)
    bad = [POLICY, NO_RESULT, "[fault:lost_answer]", "much too long " * 9]
    run = world.run(shard(*(prompt for pair in zip(boats(4), bad, strict=True) for prompt in pair)))
    assert {run.by_prompt[prompt]["status"] for prompt in boats(4)} == {"succeeded"}
    assert not any(run.by_prompt[prompt]["status"] == "succeeded" for prompt in bad)


@pytest.fixture
def strict(new_world: NewWorld) -> World:
    """KIE refuses prompts above 20 characters, with code 500 and the text of a validation."""
    return new_world(max_prompt_chars=20)


def test_refused_parameters_are_told_with_kies_words(strict: World) -> None:
    row = strict.run(shard("a" * 21)).rows[0]
    assert (row["status"], row["fail_code"], row["credits"]) == ("refused", "500", 0.0)
    assert "cannot exceed the maximum limit" in row["status_reason"]


def test_refused_parameters_are_sent_twice_at_most_over_all_runs(strict: World) -> None:
    for _ in range(3):
        strict.run(shard("a" * 21))
    assert strict.books["refusals_by_code"]["500"] == 2


def test_storms_of_refusals_lose_no_row_and_buy_nothing_twice(new_world: NewWorld) -> None:
    world = new_world(rate_limit=6, rate_window_s=0.3)
    run = world.run(shard(*boats(25)), rate="60/1s")
    assert world.books["refusals_by_code"]["429"] > 0
    assert run.statuses == {"succeeded": 25}
    assert world.prompts_sold == sorted(boats(25))


def test_a_refusal_of_the_pace_uses_no_attempt(new_world: NewWorld) -> None:
    world = new_world(rate_limit=4, rate_window_s=0.3)
    run = world.run(shard(*boats(12)), rate="60/1s", max_attempts=1)
    assert {row["attempt"] for row in run.rows} == {1}


def test_maintenance_is_waited_out(new_world: NewWorld) -> None:
    world = new_world()
    run = world.run(shard("[fault:maintenance_455_before_store] a boat", *boats(3)))
    assert run.statuses == {"succeeded": 4}
    assert world.books["tasks"] == 4


# Credits


@pytest.fixture
def poor(new_world: NewWorld) -> World:
    """Credits for four pictures and a little more."""
    return new_world(opening_credits=4 * PRICE + 5)


def test_with_too_few_credits_the_rest_is_not_sent(poor: World) -> None:
    assert poor.run(shard(*boats(7))).statuses == {"succeeded": 4, "not_submitted": 3}


def test_too_few_credits_are_told_in_one_sentence(poor: World) -> None:
    run = poor.run(shard(*boats(7)))
    assert run.progress.notices == [
        "The account has 5 credits left, the next image costs 18; top it up, then run again."
    ]


def test_after_a_top_up_the_next_run_finishes(poor: World) -> None:
    poor.run(shard(*boats(7)))
    poor.admin("accounts", key=KEY, balance_credits=1000)
    assert poor.run(shard(*boats(7))).statuses == {"succeeded": 7}
    assert poor.prompts_sold == sorted(boats(7))


def test_credits_that_somebody_else_spends_meanwhile_stop_the_run(new_world: NewWorld) -> None:
    """The balance at the start was enough, so that KIE itself refuses: code 402."""
    world = new_world(opening_credits=100_000)
    work = shard(*boats(30))
    spender = {"balance_credits": 2 * PRICE, "key": KEY}
    run = run_and_when(world, work, tasks=5, then=lambda: world.admin("accounts", **spender))
    assert world.books["refusals_by_code"].keys() == {"402"}
    assert set(run.statuses) <= {"succeeded", "not_submitted", "refused"}
    world.admin("accounts", key=KEY, balance_credits=1000)
    assert world.run(work).statuses == {"succeeded": 30}
    assert world.prompts_sold == sorted(boats(30))


def test_an_account_without_credits_leaves_the_work_to_one_that_has_some(new_world: NewWorld) -> None:
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    world.admin("accounts", key=KEY, balance_credits=0)
    assert world.run(shard(*boats(20)), rate="50/1s").statuses == {"succeeded": 20}


def test_an_account_that_runs_out_of_credits_leaves_the_work_to_the_other(new_world: NewWorld) -> None:
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    world.admin("accounts", key=KEY, balance_credits=3 * PRICE)
    assert world.run(shard(*boats(20)), rate="50/1s").statuses == {"succeeded": 20}


# Keys


def test_a_refused_key_sends_nothing_and_says_why(world: World) -> None:
    world.admin("accounts", key=KEY, is_revoked=True)
    run = world.run(shard(*boats(5)))
    assert run.statuses == {"not_submitted": 5}
    assert len(run.progress.notices) == 1
    assert run.progress.notices[0].startswith("KIE does not accept the key (401")


def test_a_key_revoked_half_way_stops_the_run(new_world: NewWorld) -> None:
    world, run = revoked_half_way(new_world)
    assert 5 <= world.books["tasks"] < 40
    assert run.statuses.get("not_submitted", 0) >= 1
    assert "unconfirmed" not in run.statuses


def test_what_a_revoked_key_has_paid_is_collected_once_it_is_good_again(new_world: NewWorld) -> None:
    world, _ = revoked_half_way(new_world)
    world.admin("accounts", key=KEY, is_revoked=False)
    assert world.run(shard(*boats(40))).statuses == {"succeeded": 40}
    assert world.prompts_sold == sorted(boats(40))


def test_a_refused_key_leaves_the_work_to_the_other_account(new_world: NewWorld) -> None:
    world = new_world(world={"keys": (KEY, OTHER_KEY)})
    world.admin("accounts", key=KEY, is_revoked=True)
    assert world.run(shard(*boats(20)), rate="50/1s").statuses == {"succeeded": 20}


def test_a_key_revoked_half_way_leaves_unsent_rows_to_the_other_account(new_world: NewWorld) -> None:
    """Only what the revoked key itself had already sent or paid may be left for a later run."""
    world = new_world(world={"keys": (KEY, OTHER_KEY)}, latency_s=(0.5, 0.8))
    revoke = {"key": KEY, "is_revoked": True}
    run = run_and_when(world, shard(*boats(40)), tasks=6, then=lambda: world.admin("accounts", **revoke))
    assert set(run.statuses) <= {"succeeded", "pending", "refused"}


def revoked_half_way(new_world: NewWorld) -> tuple[World, Any]:
    world = new_world(latency_s=(0.3, 0.6))
    revoke = {"key": KEY, "is_revoked": True}
    return world, run_and_when(world, shard(*boats(40)), tasks=5, then=lambda: world.admin("accounts", **revoke))


def run_and_when(world: World, work: Any, *, tasks: int, then: Any) -> Any:
    """Run at 50 orders a second; as soon as KIE has so many tasks, something happens."""
    with world.when(lambda: world.books["tasks"] >= tasks, then):
        return world.run(work, rate="50/1s")


def test_refused_attempts_stay_in_the_ledger(strict: World) -> None:
    work = shard("a" * 21)
    strict.run(work)
    assert [attempt.state for attempt in strict.attempts(work)] == [AttemptState.REFUSED] * 2
