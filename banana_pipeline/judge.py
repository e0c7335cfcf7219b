"""What a query's answer makes of an attempt.

Lives here: the decisions, as pure functions of an answer and of what this run has seen of the task. Does not live here:
asking (``follow``), the meaning of codes (``core.failures``), the transitions (``core.attempts``).
A query is free and never changes anything at KIE, so every error of one only means: look again later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from banana_pipeline.core.attempts import Attempt, AttemptState, mark_failed, mark_overdue, mark_succeeded
from banana_pipeline.core.failures import FetchMeaning
from banana_pipeline.core.plausible import plausible_cost, plausible_duration_s, plausible_end
from banana_pipeline.core.timing import EMPTY_RESULT_POLLS, VISIBILITY_GRACE_S, probable_end
from banana_pipeline.kie.records import TaskRecord, TaskState
from banana_pipeline.kie.wire import Fetched

NO_RESULT = "no_result"
_SURE_AFTER = 3  # equal answers before an old task is given up for this run


@dataclass(kw_only=True)
class Watch:
    """What has been seen of one task in this run: counts of answers, the last ones in a row.

    ``accepted_s``: when the order was accepted, by the clock that `time.monotonic` reads. ``is_called``: its callback
    has come. ``running_at``: when it was last known to run still.
    """

    accepted_s: float
    is_called: bool = False
    running_at: datetime | None = None
    polls: int = 0
    errors: int = 0
    unknown: int = 0
    over: int = 0
    empty: int = 0


def judge(
    attempt: Attempt, fetched: Fetched, watch: Watch, *, now: datetime, age_s: float, deadline_s: float
) -> Attempt:
    """The attempt as it stands after an answer; the same object where the answer changes nothing.

    Args:
        age_s: seconds since the order was accepted, by a clock that does not jump.
    """
    fetched = believable(attempt, fetched)
    watch.errors = watch.errors + 1 if fetched.meaning is FetchMeaning.TRY_AGAIN else 0
    watch.unknown = watch.unknown + 1 if fetched.meaning is FetchMeaning.NOT_KNOWN else 0
    watch.over = watch.over + 1 if fetched.meaning is FetchMeaning.TASK_OVER else 0
    record = fetched.record
    if record is not None and record.state is not TaskState.RUNNING:
        return _judge_final(attempt, record, watch, now)
    if watch.over >= (1 if attempt.state is AttemptState.OVERDUE else _SURE_AFTER):
        return _failed(attempt, watch, now, fail_code="over", fail_msg=fetched.msg, record=None)
    if attempt.state is AttemptState.OVERDUE:
        return attempt
    if record is not None:
        watch.running_at = now
    if watch.unknown >= _SURE_AFTER and age_s > VISIBILITY_GRACE_S:
        return mark_overdue(attempt, reason=f"KIE does not know this task ({fetched.msg})", at=now)
    is_sure = not any(0 < count < _SURE_AFTER for count in (watch.errors, watch.unknown, watch.over))
    if age_s > deadline_s and is_sure:
        told = fetched.msg if record is None else "still being made"
        reason = f"no result within {deadline_s:g} s ({told})"
        return mark_overdue(attempt, reason=reason, at=now, credits_consumed=_cost(attempt, record))
    return attempt


def believable(attempt: Attempt, fetched: Fetched) -> Fetched:
    """An answer without a record that cannot be this attempt's."""
    if fetched.record is None or fetched.record.is_about(attempt.attempt_id):
        return fetched
    return replace(fetched, meaning=FetchMeaning.TRY_AGAIN, record=None, msg="the answer is about another task")


def tells_an_odd_cost(attempt: Attempt, record: TaskRecord) -> bool:
    """Is the figure of what the task cost one that cannot be true?"""
    is_told = record.credits_said is not None or record.credits_consumed is not None
    return is_told and _cost(attempt, record) is None


def _cost(attempt: Attempt, record: TaskRecord | None) -> float | None:
    told = None if record is None else record.credits_consumed
    return plausible_cost(told, price_credits=attempt.price_credits)


def _end(attempt: Attempt, record: TaskRecord | None, watch: Watch, now: datetime) -> datetime:
    """When the task ended: as KIE tells it, else as far as our looks at it can say."""
    told_at = None if record is None else record.completed_at
    told_at = plausible_end(told_at, claimed_at=attempt.claimed_at, seen_at=now)
    return told_at or probable_end(running_at=watch.running_at or attempt.updated_at, seen_at=now)


def _duration_s(attempt: Attempt, record: TaskRecord | None, now: datetime) -> float | None:
    told_s = None if record is None else record.generation_s
    return plausible_duration_s(told_s, claimed_at=attempt.claimed_at, seen_at=now)


def _judge_final(attempt: Attempt, record: TaskRecord, watch: Watch, now: datetime) -> Attempt:
    if record.state is TaskState.FAIL:
        return _failed(attempt, watch, now, fail_code=record.fail_code, fail_msg=record.fail_msg, record=record)
    if not record.result_urls:
        return _judge_empty(attempt, record, watch, now)
    return mark_succeeded(
        attempt,
        result_urls=record.result_urls,
        credits_consumed=_cost(attempt, record),
        generation_s=_duration_s(attempt, record, now),
        completed_at=_end(attempt, record, watch, now),
        at=now,
    )


def _judge_empty(attempt: Attempt, record: TaskRecord, watch: Watch, now: datetime) -> Attempt:
    """A success without an address. Where something else stands in its place, it may be a picture all the same."""
    watch.empty += 1
    # An overdue task is looked at once a run: there the time since its end stands for the number of looks.
    is_long_over = record.completed_at is not None and (now - record.completed_at).total_seconds() > VISIBILITY_GRACE_S
    is_overdue = attempt.state is AttemptState.OVERDUE
    if watch.empty <= EMPTY_RESULT_POLLS and not (is_overdue and is_long_over):
        return attempt
    if record.result_text is None:
        return _failed(attempt, watch, now, fail_code=NO_RESULT, fail_msg="success without a result", record=record)
    if is_overdue:
        return attempt
    reason = f"made, but no address is found in KIE's answer: {record.result_text}"
    return mark_overdue(attempt, reason=reason, at=now, credits_consumed=_cost(attempt, record))


def _failed(
    attempt: Attempt,
    watch: Watch,
    now: datetime,
    *,
    fail_code: str | None,
    fail_msg: str | None,
    record: TaskRecord | None,
) -> Attempt:
    charged = _cost(attempt, record)
    if fail_code == NO_RESULT and charged is None:
        charged = attempt.price_credits
    said = " ".join(part for part in (fail_code, fail_msg) if part) or "no reason given"
    reason = f"charged without a result: {said}" if charged else f"KIE could not make the image: {said}"
    return mark_failed(
        attempt,
        reason=reason,
        fail_code=fail_code,
        fail_msg=fail_msg,
        credits_consumed=charged,
        generation_s=_duration_s(attempt, record, now),
        completed_at=_end(attempt, record, watch, now),
        at=now,
    )
