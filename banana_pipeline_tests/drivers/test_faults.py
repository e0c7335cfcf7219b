"""Answers that get lost: an order whose fate is unknown is never sent again, and a poll that fails only means "later".

Here: every fault of the emulator's createTask and recordInfo, and late visibility.
Not here: failed tasks and clear refusals (test_failures).
"""

import pytest

from banana_pipeline.emulator import Faults
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import Run, boats, shard
from banana_pipeline_tests.drivers.world import World

PAID_UNSEEN = ["lost_answer", "html_502_after_store", "exception_500_after_store", "no_task_id", "cut_json"]
NOT_PAID_UNSEEN = ["dropped_before_store", "html_502_before_store", "exception_500_before_store"]


def marked(*faults: str) -> list[str]:
    return [f"[fault:{fault}] a boat" for fault in faults]


@pytest.fixture
def lossy(world: World) -> tuple[World, Run]:
    """One row for each way to lose an answer, between rows that go well."""
    return world, world.run(shard(*boats(5), *marked(*PAID_UNSEEN, *NOT_PAID_UNSEEN), *boats(10)[5:]))


def test_exactly_the_rows_whose_answer_was_lost_are_unconfirmed(lossy: tuple[World, Run]) -> None:
    rows = lossy[1].rows
    assert [row["prompt"] for row in rows if row["status"] == "unconfirmed"] == marked(*PAID_UNSEEN, *NOT_PAID_UNSEEN)


def test_the_other_rows_succeed(lossy: tuple[World, Run]) -> None:
    assert lossy[1].statuses == {"succeeded": 10, "unconfirmed": 8}


def test_an_unconfirmed_row_says_what_happened_and_claims_no_cost(lossy: tuple[World, Run]) -> None:
    rows = [row for row in lossy[1].rows if row["status"] == "unconfirmed"]
    assert all(row["status_reason"] and row["credits"] is None and row["task_id"] is None for row in rows)


def test_later_runs_never_send_them_again(lossy: tuple[World, Run]) -> None:
    world, first = lossy
    posts = dict(world.emulator.books.posts_by_input)
    for _ in range(2):
        assert world.run(shard(*(row["prompt"] for row in first.rows))).statuses == first.statuses
    assert dict(world.emulator.books.posts_by_input) == posts
    assert world.books["paid_twice"]["extra_tasks"] == 0


def test_the_same_request_in_another_table_is_not_sent_either(lossy: tuple[World, Run]) -> None:
    world, _ = lossy
    before = world.books["tasks"]
    assert world.run(shard(*marked("lost_answer"), table="ships")).statuses == {"unconfirmed": 1}
    assert world.books["tasks"] == before


def test_with_a_share_of_lost_answers_nothing_is_paid_twice(new_world: NewWorld) -> None:
    names = [*PAID_UNSEEN, *NOT_PAID_UNSEEN]
    world = new_world(faults=Faults(**{f"{name}_share": 0.05 for name in names}))
    lost = world.run(shard(*boats(80))).statuses["unconfirmed"]
    assert world.run(shard(*boats(80))).statuses["unconfirmed"] == lost
    assert lost == sum(world.books["faults"].values()) > 10
    assert world.books["tasks_by_input"]["max"] == 1


def test_where_no_order_gets_an_answer_any_more_the_rest_is_left_for_later(new_world: NewWorld) -> None:
    world = new_world(faults=Faults(lost_answer_share=1.0))
    run = world.run(shard(*boats(80)))
    assert 25 <= run.statuses["unconfirmed"] < 40
    assert run.statuses["not_submitted"] == 80 - run.statuses["unconfirmed"]
    assert any("orders in a row got no clear answer" in sentence for sentence in run.progress.notices)


def test_a_gateways_403_is_nothing_that_kie_or_the_prompt_has_to_answer_for(world: World) -> None:
    run = world.run(shard(*marked("forbidden_1010_before_store")))
    assert run.statuses == {"refused": 1}
    assert run.rows[0]["status_reason"] == "not_kie: HTTP 403, error code: 1010"
    assert run.rows[0]["fail_code"] is None
    assert any("does not answer as KIE does" in sentence for sentence in run.progress.notices)


def test_real_statuses_mean_the_same(new_world: NewWorld) -> None:
    world = new_world(has_real_statuses=True, max_prompt_chars=60, rate_limit=8, rate_window_s=0.3)
    run = world.run(shard(*boats(12), "x" * 61, *marked("exception_500_after_store")), rate="60/1s")
    assert run.statuses == {"succeeded": 12, "refused": 1, "unconfirmed": 1}


def test_failing_polls_never_fail_a_row(new_world: NewWorld) -> None:
    shares = {"poll_drop_share": 0.2, "poll_html_502_share": 0.2, "poll_exception_500_share": 0.1}
    world = new_world(faults=Faults(**shares, poll_rate_429_share=0.05, poll_no_data_share=0.05))
    assert world.run(shard(*boats(40))).statuses == {"succeeded": 40}
    assert world.books["tasks"] == 40


def test_a_task_that_becomes_visible_late_is_waited_for(new_world: NewWorld) -> None:
    world = new_world(visible_after_s=0.6)
    assert world.run(shard(*boats(5))).statuses == {"succeeded": 5}
    assert world.books["refusals_by_code"].get("422", 0) > 0


def test_a_slow_answer_is_still_an_answer(new_world: NewWorld) -> None:
    world = new_world(faults=Faults(slow_answer_share=0.5, slow_answer_s=0.4))
    assert world.run(shard(*boats(20))).statuses == {"succeeded": 20}


@pytest.mark.parametrize("fields", ["2026-04", "2026-09"])
def test_both_editions_of_the_protocol_are_understood(new_world: NewWorld, fields: str) -> None:
    world = new_world(record_fields=fields, message_key="message", is_generating_skipped=True)
    run = world.run(shard(*boats(3), "[fail:policy] a boat"))
    assert run.statuses == {"succeeded": 3, "failed": 1}
    assert run.credits == world.books["credits"]["spent"]
