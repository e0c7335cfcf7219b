"""Whatever a service says about a paid order, it is neither lost nor bought again, and the ledger holds the truth.

Here: the driver beside a service that says odd things (odd_kie), and `banana resolve` after it. Not here: reading
single answers (kie).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from banana_pipeline.commands.resolve import Decisions, Resolved, resolve
from banana_pipeline.commands.resolve_words import resolved_dict
from banana_pipeline.settings import read_settings
from banana_pipeline.store import ledger, ledger_callbacks
from banana_pipeline_tests.drivers.odd_kie import PAGE, OddKie, Sold, envelope, odd_kie
from banana_pipeline_tests.drivers.rows import KEY, PRICE, Run, boats, shard
from banana_pipeline_tests.drivers.world import World

WORK = shard(*boats(3))
Serve = Callable[..., tuple[OddKie, World]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts an odd service and a world that buys there with an empty ledger."""
    with ExitStack() as stack:

        def start(**bends: Any) -> tuple[OddKie, World]:
            kie = stack.enter_context(odd_kie(**bends))
            return kie, World(emulator=cast("Any", kie), folder=tmp_path)

        yield start


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and times of grace, made short: constants, no code."""
    monkeypatch.setattr("banana_pipeline.follow._CALLBACK_LOOK_S", 0.1)
    monkeypatch.setattr("banana_pipeline.core.timing.LEAST_CALLBACK_PATIENCE_S", 0.2)
    monkeypatch.setattr("banana_pipeline.core.timing._PRIOR_FIRST_POLL_S", 0.1)
    monkeypatch.setattr("banana_pipeline.follow.next_poll_s", lambda **_: 0.1)


def settle(world: World, **decisions: Any) -> Resolved:
    environ = {
        "KIE_API_KEY": KEY,
        "KIE_BASE_URL": world.base_url,
        "BANANA_LEDGER_URL": world.ledger_url,
        "BANANA_DATA_DIR": str(world.folder / "data"),
        "BANANA_RATE_LIMIT": "1000/1s",
    }
    return resolve(read_settings(environ), None, Decisions(**decisions))


def is_bought_once(kie: OddKie, run: Run) -> bool:
    return run.statuses == {"succeeded": 3} and kie.prompts_sold == boats(3)


# Orders whose task is named in another place


@pytest.mark.parametrize(
    "created",
    [
        lambda sold: {"recordId": sold.task_id},
        lambda sold: {"task_id": sold.task_id},
        lambda sold: sold.task_id,
        lambda sold: [{"taskId": sold.task_id}],
        lambda sold: (200, json.dumps({"success": True, "data": {"taskId": sold.task_id}}).encode()),
    ],
    ids=["recordId", "task_id", "text", "list", "success"],
)
def test_an_order_whose_task_is_named_elsewhere_is_proven_and_followed(serve: Serve, created: Any) -> None:
    kie, world = serve(created=created)
    assert is_bought_once(kie, world.run(WORK))


def test_an_id_that_is_not_the_tasks_is_not_believed_and_shown(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banana_pipeline.recover.VISIBILITY_GRACE_S", 0.5)
    kie, world = serve(created=lambda _: {"recordId": "row4711"})
    assert world.run(shard("a boat")).statuses == {"unconfirmed": 1}
    shown = resolved_dict(settle(world))["unconfirmed"]
    assert [one["named_task_ids"] for one in cast("Any", shown)] == [["row4711"]]
    assert world.run(shard("a boat")).statuses == {"unconfirmed": 1}
    assert kie.prompts_sold == ["a boat"]


def test_an_id_that_names_the_task_of_another_order_is_not_believed(serve: Serve) -> None:
    first = "task" + "0" * 28
    kie, world = serve(created=lambda sold: {"recordId": first})
    assert world.run(shard("a boat", "a ship"), max_in_flight=1).statuses == {"succeeded": 1, "unconfirmed": 1}
    assert kie.prompts_sold == ["a boat", "a ship"]


# A gateway's word


def test_a_callback_whose_query_meets_a_gateway_is_looked_into_again(serve: Serve) -> None:
    def created(sold: Sold) -> object:
        world.in_ledger(
            ledger_callbacks.keep_callback,
            attempt_id=sold.body["callBackUrl"].rpartition("=")[2], task_id=sold.task_id, at=datetime.now(UTC),
        )  # fmt: skip
        return None

    pages = [404, 422, 410, 500, 502, 404, 503]

    def record(sold: Sold, usual: dict[str, Any]) -> object:
        return (pages[sold.looks - 1], PAGE) if sold.looks <= len(pages) else usual

    kie, world = serve(created=created, record=record)
    run = world.run(WORK, callback_url="http://127.0.0.1:9/")
    assert is_bought_once(kie, run)
    assert run.progress.recovered == 3


def test_what_a_gateway_hides_for_a_whole_run_is_found_by_the_next(serve: Serve) -> None:
    answers = {"is_hidden": True}
    kie, world = serve(
        created=lambda _: None, record=lambda _, usual: (404, PAGE) if answers["is_hidden"] else usual
    )  # fmt: skip
    lost = shard("a boat")
    assert world.run(lost, callback_url="http://127.0.0.1:9/", deadline_s=1.0).statuses == {"unconfirmed": 1}
    (attempt,), (task_id,) = world.attempts(lost), kie.sold
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    world.in_ledger(
        ledger_callbacks.keep_callback, attempt_id=attempt.attempt_id, task_id=task_id, at=long_ago
    )  # fmt: skip
    assert world.run(lost).statuses == {"unconfirmed": 1}
    assert kie.looks[task_id] >= 3
    shown = resolved_dict(settle(world))["unconfirmed"]
    assert [one["named_task_ids"] for one in cast("Any", shown)] == [[task_id]]
    answers["is_hidden"] = False
    assert world.run(lost).statuses == {"succeeded": 1}
    assert kie.prompts_sold == ["a boat"]


def test_a_person_may_take_the_task_that_a_callback_has_named_though_its_record_is_silent(serve: Serve) -> None:
    kie, world = serve(created=lambda _: None, record=lambda _, usual: {**usual, "param": ""})
    lost = shard("a boat")
    world.run(lost)
    (attempt,), (task_id,) = world.attempts(lost), kie.sold
    pair = (attempt.attempt_id, task_id)
    assert "does not say what was ordered" in settle(world, task_ids=[pair]).problems[0]
    world.in_ledger(
        ledger_callbacks.keep_callback, attempt_id=attempt.attempt_id, task_id=task_id, at=datetime.now(UTC)
    )  # fmt: skip
    assert len(settle(world, task_ids=[pair]).adopted) == 1
    assert world.run(lost).statuses == {"succeeded": 1}


@pytest.mark.parametrize("status", [404, 408, 422, 501])
def test_a_gateways_page_ends_no_task(serve: Serve, status: int) -> None:
    kie, world = serve(record=lambda sold, usual: (status, PAGE) if sold.looks < 6 else usual)
    assert is_bought_once(kie, world.run(WORK))


def test_the_record_of_another_task_is_no_answer(serve: Serve) -> None:
    """As a cache on the way hands it out that does not look at the query."""

    def record(sold: Sold, usual: dict[str, Any]) -> object:
        return kie.usual(next(iter(kie.sold.values()))) if sold.looks < 3 else usual

    kie, world = serve(record=record)
    run = world.run(WORK)
    assert is_bought_once(kie, run)
    assert len({row["result_urls"][0] for row in run.rows}) == 3


# The end of a task


@pytest.mark.parametrize("code", [408, 501])
def test_a_record_counts_beside_a_code_that_ends_tasks(serve: Serve, code: int) -> None:
    kie, world = serve(record=lambda _, usual: envelope(code, usual))
    assert is_bought_once(kie, world.run(WORK))


def test_a_task_is_over_only_if_kie_says_so_again(serve: Serve) -> None:
    kie, world = serve(record=lambda sold, usual: envelope(501, None, "slow") if sold.looks == 1 else usual)
    assert is_bought_once(kie, world.run(WORK))


@pytest.mark.parametrize(
    "bend",
    [
        lambda url: {"resultJson": "", "response": {"resultUrls": [url]}},
        lambda url: {"resultJson": json.dumps(json.dumps({"resultUrls": [url]}))},
        lambda url: {"resultJson": json.dumps([f" {url}\n"])},
        lambda url: {"resultJson": json.dumps({"resultUrl": url})},
        lambda url: {"state": "SUCCESS", "resultJson": {"images": [{"url": url}]}},
        lambda url: {"state": "completed", "resultJson": None, "resultUrls": url},
    ],
)
def test_a_result_that_lies_elsewhere_is_found(serve: Serve, bend: Callable[[str], dict[str, Any]]) -> None:
    kie, world = serve(record=lambda sold, usual: {**usual, **bend(kie.picture(sold))})
    run = world.run(WORK)
    assert is_bought_once(kie, run)
    assert sorted(row["result_urls"][0] for row in run.rows) == sorted(map(kie.picture, kie.sold.values()))


def test_a_result_that_nobody_understands_is_shown_and_asked_for_again(serve: Serve) -> None:
    answers: dict[str, Any] = {"resultJson": json.dumps({"asset": "oss://bucket/a"})}
    kie, world = serve(record=lambda _, usual: {**usual, **answers})
    (row,) = world.run(shard("a boat")).rows
    assert row["status"] == "overdue"
    assert "oss://bucket/a" in row["status_reason"]
    assert world.run(shard("a boat")).statuses == {"overdue": 1}
    answers.clear()
    assert world.run(shard("a boat")).statuses == {"succeeded": 1}
    assert kie.prompts_sold == ["a boat"]


# Figures


@pytest.mark.parametrize("told", [-18.0, 1e9, "free", True, float("nan"), float("inf")])
def test_a_cost_that_cannot_be_true_is_told_once_and_not_counted(serve: Serve, told: object) -> None:
    _, world = serve(record=lambda _, usual: {**usual, "creditsConsumed": told})
    run = world.run(WORK)
    assert run.credits == 3 * PRICE
    assert sum("cannot be true" in notice for notice in run.progress.notices) == 1


@pytest.mark.parametrize("balance", [1e12, float("nan"), True, "much"])
def test_a_balance_that_cannot_be_true_counts_as_not_told(serve: Serve, balance: object) -> None:
    kie, world = serve(balance=balance)
    assert is_bought_once(kie, world.run(WORK))


def test_a_debt_is_a_balance_with_which_nothing_is_bought(serve: Serve) -> None:
    kie, world = serve(balance=-36.5)
    assert world.run(WORK).statuses == {"not_submitted": 3}
    assert kie.prompts_sold == []


@pytest.mark.parametrize(
    "times",
    [
        {"createTime": 0, "completeTime": 1_000},
        {"createTime": 253_402_300_799_000, "completeTime": 253_402_300_800_000},
        {"createTime": 1_777_000_050_000, "completeTime": 1_777_000_000_000},
    ],
    ids=["1970", "9999", "backwards"],
)
def test_times_that_cannot_be_true_are_not_stored(serve: Serve, times: dict[str, int]) -> None:
    _, world = serve(record=lambda _, usual: {**usual, **times})
    started_at = datetime.now(UTC)
    for row in world.run(WORK).rows:
        assert row["generation_s"] is None
        assert abs(row["completed_at"] - started_at) < timedelta(minutes=5)


def test_without_times_latencies_are_learned_from_what_was_seen(serve: Serve) -> None:
    _, world = serve(latency_s=0.5)
    world.run(shard(*boats(8)))
    learned = world.in_ledger(ledger.recent_latencies_s, world.service, "1K")
    assert len(learned) == 8
    assert all(0.4 <= took_s <= 1.5 for took_s in learned)
