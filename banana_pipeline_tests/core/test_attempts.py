"""The life of an attempt: only the arrows of the picture exist, and only `core.attempts` walks them."""

import ast
import dataclasses
import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import banana_pipeline
from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import LIVE_STATES, TRANSITIONS, Attempt, AttemptState
from banana_pipeline.core.failures import IllegalTransition
from banana_pipeline_tests.core.histories import START, brought_to, new_attempt, succeeded

S = AttemptState
Mover = Callable[..., Attempt]
_ENDED = {"credits_consumed": 18.0, "generation_s": 30.0, "completed_at": START}
MOVES: dict[S, tuple[Mover, dict[str, Any]]] = {
    S.SUBMITTED: (moves.mark_submitted, {"task_id": "t"}),
    S.REFUSED: (moves.mark_refused, {"reason": "r", "code": 422, "msg": "m"}),
    S.UNCONFIRMED: (moves.mark_unconfirmed, {"reason": "r"}),
    S.SUCCEEDED: (moves.mark_succeeded, {"result_urls": ("u",), **_ENDED}),
    S.FAILED: (moves.mark_failed, {"reason": "r", "fail_code": "500", "fail_msg": "m", **_ENDED}),
    S.OVERDUE: (moves.mark_overdue, {"reason": "r"}),
    S.ABANDONED: (moves.mark_abandoned, {"reason": "r", "is_given_up": False}),
}
# Drawn by hand from the picture in the design, not copied from the code.
ARROWS = {
    (S.SUBMITTING, S.SUBMITTED), (S.SUBMITTING, S.REFUSED), (S.SUBMITTING, S.UNCONFIRMED),
    (S.SUBMITTED, S.SUCCEEDED), (S.SUBMITTED, S.FAILED), (S.SUBMITTED, S.OVERDUE),
    (S.UNCONFIRMED, S.SUBMITTED), (S.UNCONFIRMED, S.ABANDONED),
    (S.OVERDUE, S.SUCCEEDED), (S.OVERDUE, S.FAILED), (S.OVERDUE, S.ABANDONED),
}  # fmt: skip


def _move(attempt: Attempt, to: S) -> Attempt:
    mover, values = MOVES[to]
    return mover(attempt, **values, at=attempt.updated_at + timedelta(seconds=1))


@pytest.mark.parametrize("to", MOVES)
@pytest.mark.parametrize("start", S)
def test_only_the_arrows_of_the_design_can_be_walked(start: S, to: S) -> None:
    attempt = brought_to(start)
    if (start, to) in ARROWS:
        assert _move(attempt, to).state is to
    else:
        with pytest.raises(IllegalTransition, match=f"{start} cannot become {to}"):
            _move(attempt, to)


def test_every_function_that_changes_a_state_is_known_here() -> None:
    marks = {value for name, value in inspect.getmembers(moves, inspect.isfunction) if name.startswith("mark_")}
    assert marks == {mover for mover, _ in MOVES.values()}


def test_no_other_module_sets_a_state() -> None:
    root = Path(banana_pipeline.__file__).parent
    guilty = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in sorted(root.rglob("*.py"))
        if path.name != "attempts.py" and "emulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"Attempt", "replace"}
        and any(keyword.arg == "state" for keyword in node.keywords)
    ]
    assert guilty == []


class Life(RuleBasedStateMachine):
    """A random walk: tries any move at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.attempt = new_attempt()
        self.told = [self.attempt.state]

    @rule(to=st.sampled_from(list(MOVES)))
    def move(self, to: S) -> None:
        before = dataclasses.replace(self.attempt)
        try:
            self.attempt = _move(self.attempt, to)
        except IllegalTransition:
            assert self.attempt == before
            return
        self.told.append(to)

    @invariant()
    def the_path_has_only_arrows(self) -> None:
        assert all(step in ARROWS for step in zip(self.told, self.told[1:], strict=False))

    @invariant()
    def a_task_id_once_known_stays(self) -> None:
        assert (S.SUBMITTED in self.told) == (self.attempt.task_id is not None)

    @invariant()
    def what_holds_the_request_is_what_may_be_paid(self) -> None:
        final = {S.FAILED, S.REFUSED, S.ABANDONED}
        assert self.attempt.is_live == (self.attempt.state not in final)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
test_a_random_life_keeps_the_rules = Life.TestCase


def test_an_attempt_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        new_attempt().state = S.FAILED  # pyright: ignore[reportAttributeAccessIssue]


def test_final_states_hold_no_request_except_success() -> None:
    assert {state for state in S if not TRANSITIONS[state]} - LIVE_STATES == {S.FAILED, S.REFUSED, S.ABANDONED}


def test_a_success_without_a_price_costs_the_expected_price() -> None:
    assert succeeded(credits_consumed=None).credits == 18.0
    assert succeeded(credits_consumed=0.0).credits == 0.0
