"""What a request's history of attempts allows, and what it means for its output row. Pure functions.

Lives here: may another attempt be made, which number it has, status and cost of a row. Does not live here: storing,
waiting, sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from banana_pipeline.core.attempts import GIVEN_UP, Attempt, AttemptState
from banana_pipeline.core.failures import Refusal, Refused, TaskFailure, create_meaning, task_failure
from banana_pipeline.core.timing import (
    LONGEST_PAUSE_S,
    MAINTENANCE_PAUSE_S,
    NOT_SENT_PAUSE_S,
    RATE_WINDOW_PAUSE_S,
    backoff_s,
)

_MOST_TRIES_UNLESS_TRANSIENT = 2


class RowStatus(StrEnum):
    """``status`` of an output row."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    PENDING = "pending"
    OVERDUE = "overdue"
    UNCONFIRMED = "unconfirmed"
    NOT_SUBMITTED = "not_submitted"


TERMINAL_STATUSES = frozenset({RowStatus.SUCCEEDED, RowStatus.FAILED, RowStatus.REFUSED})

_STATUS_OF_STATE = {
    AttemptState.SUBMITTING: RowStatus.PENDING,
    AttemptState.SUBMITTED: RowStatus.PENDING,
    AttemptState.SUCCEEDED: RowStatus.SUCCEEDED,
    AttemptState.FAILED: RowStatus.FAILED,
    AttemptState.REFUSED: RowStatus.REFUSED,
    AttemptState.UNCONFIRMED: RowStatus.UNCONFIRMED,
    AttemptState.OVERDUE: RowStatus.OVERDUE,
    AttemptState.ABANDONED: RowStatus.NOT_SUBMITTED,
}


_UNSAID = {
    AttemptState.SUBMITTING: "being ordered when this was written; run again to see what became of it",
    AttemptState.SUBMITTED: "paid and still being made when this was written; run again to collect it",
}


def status_of(state: AttemptState, fail_code: str | None) -> RowStatus:
    """The row status that an attempt stands for."""
    if state is AttemptState.ABANDONED and fail_code == GIVEN_UP:
        return RowStatus.FAILED
    return _STATUS_OF_STATE[state]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowOutcome:
    """What an output row says about its request.

    Attributes:
        attempt: the live attempt, else the latest; None if none was ever made.
        credits: what this row's own purchases took from the account; 0 for a row that shares another row's purchase,
            so that the sum over all rows is what was paid. None while it is not known.
        is_reused: the request was bought for another row.
    """

    status: RowStatus
    status_reason: str | None
    attempt: Attempt | None
    credits: float | None
    is_reused: bool


def live_attempt(history: Sequence[Attempt]) -> Attempt | None:
    """The one attempt that holds the request, if any."""
    return next((attempt for attempt in history if attempt.is_live), None)


def refusal_of(attempt: Attempt) -> Refusal:
    """Why a ``refused`` attempt was refused, read again from what KIE said."""
    if attempt.fail_code is None:
        is_strange = (attempt.status_reason or "").partition(":")[0] == Refusal.NOT_KIE
        return Refusal.NOT_KIE if is_strange else Refusal.NOT_SENT
    meaning = create_meaning(code=int(attempt.fail_code), msg=attempt.fail_msg or "", task_id=None)
    return meaning.why if isinstance(meaning, Refused) else Refusal.PARAMETERS


def may_attempt(history: Sequence[Attempt], *, max_attempts: int) -> bool:
    """May another attempt be made for this request?

    Never while one is live, nor once a person has given the request up. After a refusal whenever its cause may be
    gone; bad parameters are tried twice, because KIE was once seen to refuse a valid order. After a failed task at
    most ``max_attempts`` tasks for a passing reason, two for an unknown one, one for a policy; none after a failure
    that was charged.
    """
    if live_attempt(history) is not None:
        return False
    if not history:
        return True
    if history[-1].state is AttemptState.ABANDONED:
        return history[-1].fail_code != GIVEN_UP
    refused = [a for a in history if a.state is AttemptState.REFUSED and refusal_of(a) is Refusal.PARAMETERS]
    if history[-1] in refused and len(refused) >= _MOST_TRIES_UNLESS_TRANSIENT:
        return False
    # A refusal after a failed task changes nothing about that task.
    failed = [a for a in history if a.state is AttemptState.FAILED]
    if not failed:
        return True
    why = task_failure(fail_code=failed[-1].fail_code, fail_msg=failed[-1].fail_msg)
    if failed[-1].credits or not why.may_be_bought_again:
        return False
    most = max_attempts if why is TaskFailure.TRANSIENT else min(max_attempts, _MOST_TRIES_UNLESS_TRANSIENT)
    return len(failed) < most


def next_number(history: Sequence[Attempt]) -> int:
    """Number of the next attempt; refusals do not count, KIE made nothing."""
    return 1 + sum(attempt.state is not AttemptState.REFUSED for attempt in history)


def pause_after_refusal_s(refused: Refused, *, times: int) -> float:
    """Seconds to leave the account alone after a passing refusal, the ``times``-th in a row; two minutes at most."""
    if refused.why is Refusal.RATE:
        return min(LONGEST_PAUSE_S, max(RATE_WINDOW_PAUSE_S, refused.retry_after_s or 0.0))
    if refused.why is Refusal.MAINTENANCE:
        return MAINTENANCE_PAUSE_S
    return backoff_s(tries=times, first_s=NOT_SENT_PAUSE_S)


def row_outcome(
    history: Sequence[Attempt], *, prompt_table: str, row_number: int, not_submitted_reason: str | None
) -> RowOutcome:
    """What the output row of ``row_number`` in ``prompt_table`` says."""
    current = live_attempt(history) or (history[-1] if history else None)
    own = [a for a in history if a.prompt_table == prompt_table and a.row_number == row_number]
    known = [a.credits for a in own if a.credits is not None]
    is_reused = current is not None and current not in own
    is_known = bool(known) and (is_reused or current is None or current.credits is not None)
    if current is None:
        status, reason = RowStatus.NOT_SUBMITTED, not_submitted_reason or "not sent yet"
    else:
        status, reason = status_of(current.state, current.fail_code), current.status_reason
        reason = reason or _UNSAID.get(current.state)
    if current is not None and not current.is_live and not_submitted_reason:
        reason = f"{reason}; not tried again: {not_submitted_reason}" if reason else not_submitted_reason
    return RowOutcome(
        status=status,
        status_reason=reason,
        attempt=current,
        credits=sum(known) if is_known else (0.0 if is_reused else None),
        is_reused=is_reused,
    )


LOST_WORDS = "the picture is lost"
"""How an ``archive_error`` ends after which no further try can help."""


def is_lost(archive_error: str | None) -> bool:
    """Is a picture gone for ever?"""
    return (archive_error or "").endswith(LOST_WORDS)
