"""`banana resolve` from the lost answer to the picture, as a person types it.

Here: the installed command and its exit codes. Not here: every decision's consequences (drivers/test_resolving).
"""

import json

import pytest

from banana_pipeline_tests.e2e.command import Office
from banana_pipeline_tests.e2e.conftest import NewOffice

SHIP = "[fault:lost_answer] a ship"


@pytest.fixture
def office(new_office: NewOffice) -> Office:
    office = new_office()
    office.add_table("boats", {"prompt": ["a boat", SHIP]})
    return office


@pytest.mark.slow
def test_a_lost_order_is_told_listed_adopted_and_collected(office: Office) -> None:
    first = office.run("run", "boats")
    assert (first.code, office.statuses("boats")) == (1, {"succeeded": 1, "unconfirmed": 1})
    assert "'banana resolve boats' shows the evidence" in first.said

    listed = office.run("resolve", "boats")
    assert (listed.code, SHIP in listed.out, "18 credits are unexplained" in listed.out) == (1, True, True)

    (found,) = json.loads(office.run("resolve", "boats", "--json").out)["unconfirmed"]
    task_id = next(task["task_id"] for task in office.tasks if task["input"]["prompt"] == SHIP)
    settled = office.run("resolve", "boats", "--task-id", f"{found['attempt_id'][:12]}={task_id}")
    assert (settled.code, "Now run: banana run boats" in settled.out) == (0, True)

    assert office.run("run", "boats").code == 0
    assert office.statuses("boats") == {"succeeded": 2}
    assert sum(office.outputs("generations", "boats")["credits"].to_pylist()) == office.books["credits"]["spent"]
    assert office.run("status", "--check").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--resubmit", "--abandon"), "not both"),
        (("--attempt", "abcdef"), "give one of these too"),
        (("--task-id", "abcdef"), "ATTEMPT=TASK"),
    ],
)
def test_decisions_that_contradict_themselves_are_told(office: Office, arguments: tuple[str, ...], said: str) -> None:
    ended = office.run("resolve", "boats", *arguments)
    assert (ended.code, said in ended.said, "Traceback" in ended.said) == (2, True, False)


def test_before_anything_was_bought_there_is_nothing_to_resolve(office: Office) -> None:
    ended = office.run("resolve", "boats")
    assert (ended.code, "No order is unconfirmed" in ended.out) == (0, True)
