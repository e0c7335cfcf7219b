"""The life of one attempt to buy one request: states, and one function per transition.

Lives here: `AttemptState`, the frozen `Attempt` record, and the only functions that may change its state. Does not
live here: storing (``store.ledger``) and deciding when to move (``generate``). Times are arguments: UTC, aware.

                      ┌────────────► refused                (nothing charged; a new attempt may follow)
    (claim) submitting┼────────────► submitted ─┬─► succeeded
                      └► unconfirmed ─►─┘       ├─► failed   (a new attempt may follow, if the reason passes)
                              └► abandoned      └─► overdue ─► succeeded | failed | abandoned
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from banana_pipeline.core.failures import IllegalTransition


class AttemptState(StrEnum):
    """Where an attempt stands. The comment says what a crash of our process in that state means."""

    SUBMITTING = "submitting"  # maybe paid: the row was committed, the POST may or may not have gone out
    SUBMITTED = "submitted"  # paid: any later run polls on
    SUCCEEDED = "succeeded"  # paid and final: only the archive has work left
    FAILED = "failed"  # final; refunded, unless credits say otherwise
    REFUSED = "refused"  # final; KIE certainly made no task
    UNCONFIRMED = "unconfirmed"  # maybe paid: only a callback or a person can tell
    OVERDUE = "overdue"  # paid: polled again by any later run
    ABANDONED = "abandoned"  # a person decided that this attempt no longer counts


S = AttemptState

LIVE_STATES = frozenset({S.SUBMITTING, S.SUBMITTED, S.SUCCEEDED, S.UNCONFIRMED, S.OVERDUE})
"""States that hold the request: while one attempt is live, no other may be made."""

GIVEN_UP = "given_up"
"""``fail_code`` of an abandoned attempt whose request a person does not want any more."""

IN_FLIGHT_STATES = frozenset({S.SUBMITTING, S.SUBMITTED})

TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    S.SUBMITTING: frozenset({S.SUBMITTED, S.REFUSED, S.UNCONFIRMED}),
    S.SUBMITTED: frozenset({S.SUCCEEDED, S.FAILED, S.OVERDUE}),
    S.UNCONFIRMED: frozenset({S.SUBMITTED, S.ABANDONED}),
    S.OVERDUE: frozenset({S.SUCCEEDED, S.FAILED, S.ABANDONED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.REFUSED: frozenset(),
    S.ABANDONED: frozenset(),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try to buy one request, as the ledger keeps it.

    Attributes:
        attempt_id: ours, 32 hex digits, made before the POST.
        service: host of the KIE service the purchase belongs to.
        account: name of the account, never the key.
        number: 1 for the first attempt that KIE did not refuse, and so on.
        price_credits: what it should cost; credits: what KIE says it cost (None until known).
        prompt_table, row_number: the row that bought it. Other rows with the same request share the purchase.
        input_json: the exact ``input`` object sent.
        claim_expires_at: after this moment a ``submitting`` row of a dead process is ``unconfirmed``.
        generation_s: KIE's own completeTime - createTime.
        owner: names the process that sends the order (``store.presence``); None in ledgers of the first schema.
    """

    attempt_id: str
    service: str
    account: str
    request_id: str
    number: int
    state: AttemptState
    price_credits: float
    resolution: str
    prompt_table: str
    row_number: int
    run_id: str
    table_version: str
    input_json: str
    claimed_at: datetime
    claim_expires_at: datetime
    updated_at: datetime
    status_reason: str | None = None
    credits: float | None = None
    task_id: str | None = None
    fail_code: str | None = None
    fail_msg: str | None = None
    result_urls: tuple[str, ...] = ()
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    generation_s: float | None = None
    owner: int | None = None

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def committed_credits(self) -> float:
        """What a budget counts: the known cost, else the expected price; also where nobody knows if it was paid."""
        return self.price_credits if self.credits is None else self.credits


def claim(
    *,
    attempt_id: str,
    service: str,
    account: str,
    request_id: str,
    number: int,
    price_credits: float,
    resolution: str,
    prompt_table: str,
    row_number: int,
    run_id: str,
    table_version: str,
    input_json: str,
    at: datetime,
    expires_at: datetime,
    owner: int | None = None,
) -> Attempt:
    """A new attempt in ``submitting``; it must be committed before the POST goes out."""
    return Attempt(
        attempt_id=attempt_id,
        service=service,
        account=account,
        request_id=request_id,
        number=number,
        state=S.SUBMITTING,
        price_credits=price_credits,
        resolution=resolution,
        prompt_table=prompt_table,
        row_number=row_number,
        run_id=run_id,
        table_version=table_version,
        input_json=input_json,
        claimed_at=at,
        claim_expires_at=expires_at,
        updated_at=at,
        owner=owner,
    )


def mark_submitted(attempt: Attempt, *, task_id: str, at: datetime) -> Attempt:
    """KIE answered with a task id, now or (for an unconfirmed attempt) as found out later."""
    return _move(attempt, S.SUBMITTED, at, task_id=task_id, submitted_at=at, status_reason=None)


def mark_refused(attempt: Attempt, *, reason: str, code: int | None, msg: str, at: datetime) -> Attempt:
    """KIE certainly made no task."""
    fail_code = None if code is None else str(code)
    return _move(
        attempt, S.REFUSED, at, status_reason=reason, fail_code=fail_code, fail_msg=msg, credits=0.0, completed_at=at
    )


def mark_unconfirmed(attempt: Attempt, *, reason: str, at: datetime) -> Attempt:
    """The POST's fate is unknown; a machine will not send this request again."""
    return _move(attempt, S.UNCONFIRMED, at, status_reason=reason)


def mark_succeeded(
    attempt: Attempt,
    *,
    result_urls: tuple[str, ...],
    credits_consumed: float | None,
    generation_s: float | None,
    completed_at: datetime,
    at: datetime,
) -> Attempt:
    """KIE has the picture. Without a price in the answer the expected price is recorded."""
    paid = attempt.price_credits if credits_consumed is None else credits_consumed
    return _move(
        attempt,
        S.SUCCEEDED,
        at,
        result_urls=result_urls,
        credits=paid,
        generation_s=generation_s,
        completed_at=completed_at,
        status_reason=None,
    )


def mark_failed(
    attempt: Attempt,
    *,
    reason: str,
    fail_code: str | None,
    fail_msg: str | None,
    credits_consumed: float | None,
    generation_s: float | None,
    completed_at: datetime,
    at: datetime,
) -> Attempt:
    """KIE says that the task failed. Failures are refunded unless KIE's own figure says otherwise."""
    return _move(
        attempt,
        S.FAILED,
        at,
        status_reason=reason,
        fail_code=fail_code,
        fail_msg=fail_msg,
        credits=credits_consumed or 0.0,
        generation_s=generation_s,
        completed_at=completed_at,
    )


def mark_overdue(attempt: Attempt, *, reason: str, at: datetime, credits_consumed: float | None = None) -> Attempt:
    """No final state within the deadline; the task may still succeed and is polled again by any later run.

    ``credits_consumed``: what KIE holds for the task meanwhile, where it says so.
    """
    return _move(attempt, S.OVERDUE, at, status_reason=reason, credits=credits_consumed)


def mark_abandoned(attempt: Attempt, *, reason: str, is_given_up: bool, at: datetime) -> Attempt:
    """A person decided that this attempt no longer holds its request.

    Args:
        is_given_up: the request is not to be bought again; otherwise the next run buys it.
    """
    code = GIVEN_UP if is_given_up else None
    return _move(attempt, S.ABANDONED, at, status_reason=reason, fail_code=code, completed_at=at)


def _move(attempt: Attempt, to: AttemptState, at: datetime, **changes: object) -> Attempt:
    if to not in TRANSITIONS[attempt.state]:
        raise IllegalTransition(f"attempt {attempt.attempt_id}: {attempt.state} cannot become {to}")
    return replace(attempt, state=to, updated_at=at, **changes)  # pyright: ignore[reportArgumentType]
