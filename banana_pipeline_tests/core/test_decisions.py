"""May it be bought again, and what does the row say: over histories made by the real transitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.attempts import LIVE_STATES, Attempt, AttemptState, mark_refused
from banana_pipeline.core.decisions import (
    RowStatus,
    may_attempt,
    next_number,
    pause_after_refusal_s,
    refusal_of,
    row_outcome,
    status_of,
)
from banana_pipeline.core.failures import Refusal, Refused
from banana_pipeline_tests.core.histories import (
    START,
    abandoned,
    brought_to,
    failed,
    new_attempt,
    refused,
    submitted,
    succeeded,
)

POLICY = ("422", "Input flagged as sensitive.")
TRANSIENT = ("500", "Internal Error, Please try again later.")
OPAQUE = ("GENERATION_FAILED", "?")
INPUT = ("400", "Image fetch failed. Check access settings")
ended = st.sampled_from(
    [lambda why=why: failed(*why) for why in (POLICY, TRANSIENT, OPAQUE, INPUT)]
    + [lambda code=code: refused(code) for code in (429, 401, 402, 422, 455, None)]
    + [abandoned, lambda: failed(*TRANSIENT, charged=18.0)]
).map(lambda make: make())
histories = st.lists(ended, max_size=8)


@given(histories, st.sampled_from(sorted(LIVE_STATES)), st.integers(0, 8), st.integers(1, 100))
def test_never_while_an_attempt_holds_the_request(history: list[Attempt], state: str, at: int, most: int) -> None:
    history.insert(at, brought_to(AttemptState(state)))
    assert not may_attempt(history, max_attempts=most)


@given(histories, st.integers(1, 5))
def test_no_request_is_tried_more_often_than_allowed(history: list[Attempt], most: int) -> None:
    since = len(history) - next((i for i, a in enumerate(reversed(history)) if a.state == "abandoned"), len(history))
    failures = [attempt for attempt in history[since:] if attempt.state == "failed"]
    if len(failures) >= most and (not history or history[-1].state != "abandoned"):
        assert not may_attempt(history, max_attempts=most)


@pytest.mark.parametrize("after", [[], [refused(429)], [refused(None), refused(402)]])
@pytest.mark.parametrize("last", [failed(*POLICY), failed(*TRANSIENT, charged=18.0), failed("no_result", "x", 18.0)])
def test_a_policy_or_a_charged_failure_is_never_bought_again(last: Attempt, after: list[Attempt]) -> None:
    assert not may_attempt([last, *after], max_attempts=100)


@pytest.mark.parametrize(("why", "tasks"), [(TRANSIENT, 3), (OPAQUE, 2), (INPUT, 2), (POLICY, 1)])
def test_each_kind_of_failure_has_its_number_of_tasks(why: tuple[str, str], tasks: int) -> None:
    history: list[Attempt] = []
    while may_attempt(history, max_attempts=3):
        history += [refused(429), failed(*why)]
    assert len(history) == 2 * tasks
    assert next_number(history) == tasks + 1


@given(st.lists(st.sampled_from([429, 455, 401, 402, 433, 505, None]), min_size=1, max_size=20))
def test_refusals_use_no_attempt(codes: list[int | None]) -> None:
    history = [refused(code) for code in codes]
    assert may_attempt(history, max_attempts=1)
    assert next_number(history) == 1


def test_bad_parameters_are_tried_twice() -> None:
    assert may_attempt([refused(422)], max_attempts=3)
    assert not may_attempt([refused(422), refused(429), refused(500, "prompt is required")], max_attempts=3)


def test_what_a_person_gave_up_may_be_bought_again() -> None:
    assert may_attempt([abandoned()], max_attempts=1)


@pytest.mark.parametrize("code", [401, 402, 422, 429, 433, 455, 505, None])
def test_the_cause_of_a_refusal_is_read_back_from_the_ledger(code: int | None) -> None:
    expected = {401: Refusal.KEY, 402: Refusal.CREDITS, 422: Refusal.PARAMETERS, 429: Refusal.RATE}
    expected |= {433: Refusal.KEY_CAP, 455: Refusal.MAINTENANCE, 505: Refusal.DISABLED}
    assert refusal_of(refused(code)) is (Refusal.NOT_SENT if code is None else expected[code])


def _rows(history: list[Attempt], count: int = 3) -> list[float | None]:
    outcomes = [
        row_outcome(history, prompt_table="boats", row_number=n, not_submitted_reason=None) for n in range(count)
    ]
    return [outcome.credits for outcome in outcomes]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 18.0, 24.0])), min_size=1, max_size=6))
def test_the_sum_over_rows_sharing_a_request_is_what_was_paid(bought: list[tuple[int, float]]) -> None:
    history = [failed(*TRANSIENT, charged=price, row_number=row) for row, price in bought]
    assert sum(price or 0.0 for price in _rows(history)) == sum(price for _, price in bought)


def test_a_purchase_is_counted_at_the_row_that_made_it_and_reused_by_the_others() -> None:
    history = [succeeded(row_number=1)]
    assert _rows(history) == [0.0, 18.0, 0.0]
    reused = [
        row_outcome(history, prompt_table=table, row_number=row, not_submitted_reason=None).is_reused
        for table, row in [("boats", 1), ("boats", 2), ("cards", 1)]
    ]
    assert reused == [False, True, True]


def test_the_cost_of_a_running_purchase_is_not_known_even_after_a_free_failure() -> None:
    assert _rows([submitted()], 1) == [None]
    assert _rows([refused(429), submitted()], 1) == [None]
    assert _rows([failed(*TRANSIENT), submitted(row_number=1)], 2) == [0.0, None]


@pytest.mark.parametrize("state", AttemptState)
def test_a_row_says_where_its_attempt_stands(state: AttemptState) -> None:
    pending = {"submitting": "pending", "submitted": "pending", "abandoned": "not_submitted"}
    assert status_of(state, None) == RowStatus(pending.get(state, str(state)))
    outcome = row_outcome([brought_to(state)], prompt_table="boats", row_number=0, not_submitted_reason=None)
    assert outcome.status is status_of(state, None)


def test_a_row_never_tried_says_why() -> None:
    outcome = row_outcome([], prompt_table="t", row_number=0, not_submitted_reason="the budget is used up")
    assert (outcome.status, outcome.status_reason, outcome.credits) == ("not_submitted", "the budget is used up", None)


def test_a_live_attempt_speaks_for_the_row_before_a_later_dead_one() -> None:
    live = submitted()
    outcome = row_outcome([live, refused(429)], prompt_table="t", row_number=0, not_submitted_reason=None)
    assert outcome.attempt is live


def test_a_new_claim_is_pending() -> None:
    assert status_of(new_attempt().state, None) is RowStatus.PENDING


@given(st.integers(1, 100), st.floats(-1e9, 1e9))
def test_a_rate_refusal_waits_a_whole_window_or_what_kie_asks_for_up_to_two_minutes(times: int, asked_s: float) -> None:
    answer = Refused(why=Refusal.RATE, code=429, msg="", retry_after_s=asked_s)
    assert pause_after_refusal_s(answer, times=times) == min(120.0, max(10.0, asked_s))


GATEWAYS = [
    (404, "Not Found"), (404, ""), (404, "404 page not found"), (405, "Method Not Allowed"), (404, "no Route matched"),
    (404, "<html><head><title>404 Not Found</title></head>"), (400, "<html><title>400 The plain HTTP request"),
    (413, "<!DOCTYPE html><title>Request Entity Too Large"), (422, "<html><body>"), (404, "<html>our models"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "msg"), GATEWAYS)
def test_what_a_gateway_once_refused_may_be_bought_however_often_it_did(code: int, msg: str) -> None:
    history = [refused(code, msg) for _ in range(5)]
    assert refusal_of(history[-1]) is Refusal.NOT_KIE
    assert may_attempt(history, max_attempts=1)


@pytest.mark.parametrize(("code", "msg"), [
    (422, "seconds must be one of 5, 10"), (404, "The model name you specified is not supported."),
    (500, "This field is required"), (400, "bad prompt"),
])  # fmt: skip
def test_what_kie_itself_refused_twice_is_not_sent_again(code: int, msg: str) -> None:
    assert not may_attempt([refused(code, msg), refused(code, msg)], max_attempts=9)


def test_a_refusal_that_was_not_kies_is_known_by_its_word() -> None:
    attempt = mark_refused(new_attempt(), reason="not_kie: HTTP 404", code=None, msg="HTTP 404", at=START)
    assert refusal_of(attempt) is Refusal.NOT_KIE
