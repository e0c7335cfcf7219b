"""Orders whose answer was lost: what a person is shown, and what each decision leads to.

Here: `commands.resolve` on a real ledger beside the emulator, and the runs that follow. Not here: arguments (e2e).
"""

from dataclasses import replace

import pytest

from banana_pipeline.commands.resolve import Decisions, Resolved, parse_pairs, resolve
from banana_pipeline.commands.resolve_words import balance_sentence, resolved_dict
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.resolve import Balance
from banana_pipeline.settings import read_settings
from banana_pipeline_tests.core.histories import START
from banana_pipeline_tests.drivers.rows import KEY, OTHER_KEY, PRICE, boats, shard
from banana_pipeline_tests.drivers.world import World

MADE, NOT_MADE = "[fault:lost_answer] a ship", "[fault:html_502_before_store] a cat"
WORK = shard(*boats(3), MADE, NOT_MADE)


@pytest.fixture
def lossy(world: World) -> World:
    assert world.run(WORK).statuses == {"succeeded": 3, "unconfirmed": 2}
    return world


def settle(world: World, table: str | None = "boats", key: str = KEY, **decisions: object) -> Resolved:
    environ = {
        "KIE_API_KEY": key,
        "KIE_BASE_URL": world.base_url,
        "BANANA_LEDGER_URL": world.ledger_url,
        "BANANA_DATA_DIR": str(world.folder / "data"),
        "BANANA_RATE_LIMIT": "1000/1s",
    }
    return resolve(read_settings(environ), table, Decisions(**decisions))  # pyright: ignore[reportArgumentType]


def task_of(world: World, prompt: str) -> str:
    return next(task["task_id"] for task in world.tasks if task["input"]["prompt"] == prompt)


def attempt_of(world: World, prompt: str) -> str:
    work = shard(prompt)
    return world.attempts(work)[-1].attempt_id


def test_the_balance_shows_that_one_of_two_lost_orders_was_charged(lossy: World) -> None:
    (balance,) = settle(lossy).balances
    assert balance.unexplained_credits == PRICE
    assert balance.unconfirmed_credits == 2 * PRICE
    assert "some of the unconfirmed" in balance_sentence(balance)


def test_the_list_tells_which_prompt_was_sent_when(lossy: World) -> None:
    listed = resolved_dict(settle(lossy))["unconfirmed"]
    assert isinstance(listed, list)
    assert [(one["row_number"], one["prompt"]) for one in listed] == [(3, MADE), (4, NOT_MADE)]
    assert all(one["claimed_at"] and one["status_reason"] for one in listed)


def test_a_task_that_is_the_orders_own_is_adopted_and_collected_without_paying(lossy: World) -> None:
    before = lossy.books["tasks"]
    result = settle(lossy, task_ids=[(attempt_of(lossy, MADE)[:8], task_of(lossy, MADE))])
    assert (len(result.adopted), result.problems, len(result.left)) == (1, [], 1)
    run = lossy.run(WORK)
    assert run.statuses == {"succeeded": 4, "unconfirmed": 1}
    assert run.credits == lossy.books["credits"]["spent"]
    assert lossy.books["tasks"] == before


def test_a_task_of_another_prompt_is_refused(lossy: World) -> None:
    result = settle(lossy, task_ids=[(attempt_of(lossy, NOT_MADE), task_of(lossy, MADE))])
    assert "from another order" in result.problems[0]
    assert len(result.left) == 2


def test_a_task_that_another_row_has_is_refused(lossy: World) -> None:
    lossy.run(shard("a boat", MADE + "!"))
    result = settle(lossy, task_ids=[(attempt_of(lossy, MADE + "!"), "0" * 32)])
    assert "does not know this task" in result.problems[0]


def test_a_key_of_another_account_proves_nothing(lossy: World) -> None:
    result = settle(lossy, key=OTHER_KEY, task_ids=[(attempt_of(lossy, MADE), task_of(lossy, MADE))])
    assert "set KIE_API_KEY to its key" in result.problems[0]
    assert not result.balances


def test_resubmitted_orders_are_bought_by_the_next_run(lossy: World) -> None:
    result = settle(lossy, is_resubmitted=True)
    assert (len(result.resubmitted), result.left) == (2, [])
    run = lossy.run(WORK)
    assert run.statuses == {"succeeded": 5}
    assert lossy.books["tasks"] == 6  # three boats, the ship twice as a person wished, the cat once


def test_only_the_named_attempt_is_resubmitted(lossy: World) -> None:
    settle(lossy, is_resubmitted=True, attempts=[attempt_of(lossy, NOT_MADE)[:10]])
    assert lossy.run(WORK).statuses == {"succeeded": 4, "unconfirmed": 1}


def test_given_up_orders_are_never_bought_again_and_say_so(lossy: World) -> None:
    before = lossy.books["tasks"]
    assert len(settle(lossy, is_abandoned=True).abandoned) == 2
    run = lossy.run(WORK)
    assert run.statuses == {"succeeded": 3, "failed": 2}
    assert "given up by a person" in run.by_prompt[MADE]["status_reason"]
    assert lossy.books["tasks"] == before


def test_an_attempt_that_does_not_exist_is_told(lossy: World) -> None:
    result = settle(lossy, is_abandoned=True, attempts=["ffffffff"])
    assert "there is no unconfirmed attempt" in result.problems[0]
    assert not result.abandoned


def test_other_tables_are_left_alone(lossy: World) -> None:
    assert settle(lossy, "ships", is_resubmitted=True) == Resolved()
    assert len(settle(lossy, None).left) == 2


def test_orders_of_a_process_that_was_killed_are_listed_at_once(world: World) -> None:
    work = shard("a boat")
    world.claim(work.wanted[0], age_s=1.0, owner=12345)
    assert [attempt.state for attempt in settle(world).left] == ["unconfirmed"]


def test_without_a_ledger_nothing_is_unconfirmed_and_none_is_made(world: World) -> None:
    empty = replace(world, folder=world.folder / "elsewhere")
    assert settle(empty) == Resolved()
    assert not (world.folder / "elsewhere").exists()


@pytest.mark.parametrize("text", ["abc", "=x", "x=", ""])
def test_a_pair_of_another_form_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="ATTEMPT=TASK"):
        parse_pairs([text])


@pytest.mark.parametrize(
    ("now_credits", "said"),
    [
        (82.0, "none of the unconfirmed"),
        (64.0, "some of"),
        (46.0, "all unconfirmed"),
        (40.0, "outside"),
        (90.0, "topped"),
    ],
)
def test_the_balance_is_put_into_words(now_credits: float, said: str) -> None:
    balance = Balance(
        account="a", before_at=START, before_credits=100.0, now_credits=now_credits, explained_credits=18.0,
        unconfirmed_credits=36.0,
    )  # fmt: skip
    assert said in balance_sentence(balance)
