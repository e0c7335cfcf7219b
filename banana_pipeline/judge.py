"""What a query's answer makes of an attempt.

Lives here: the decisions, as pure functions of an answer and of what this run has seen of the task. Does not live here:
asking (``follow``), the meaning of codes (``core.failures``), the transitions (``core.attempts``).
A query is free and never changes anything at KIE, so every error of one only means: look again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from banana_pipeline.core.attempts import Attempt, AttemptState, mark_failed, mark_overdue, mark_succeeded
from banana_pipeline.core.failures import FetchMeaning
from banana_pipeline.core.timing import EMPTY_RESULT_POLLS, VISIBILITY_GRACE_S
from banana_pipeline.kie.wire import Fetched, TaskRecord, TaskState

NO_RESULT = "no_result"
_SURE_AFTER = 3  # equal answers before an old task is given up for this run


@dataclass(kw_only=True)
class Watch:
    """What has been seen of one task in this run: counts of answers, the last ones in a row.

    ``accepted_s``: when the order was accepted, by the clock that `time.monotonic` reads. ``is_called``: its callback
    has come.
    """

    accepted_s: float
    is_called: bool = False
    polls: int = 0
    errors: int = 0
    unknown: int = 0
    empty: int = 0


def judge(
    attempt: Attempt, fetched: Fetched, watch: Watch, *, now: datetime, age_s: float, deadline_s: float
) -> Attempt:
    """The attempt as it stands after an answer; the same object where the answer changes nothing.

    Args:
        age_s: seconds since the order was accepted, by a clock that does not jump.
    """
    watch.errors = watch.errors + 1 if fetched.meaning is FetchMeaning.TRY_AGAIN else 0
    watch.unknown = watch.unknown + 1 if fetched.meaning is FetchMeaning.NOT_KNOWN else 0
    if fetched.record is not None and fetched.record.state is not TaskState.RUNNING:
        return _judge_final(attempt, fetched.record, watch, now)
    if fetched.meaning is FetchMeaning.TASK_OVER:
        return _failed(attempt, now, fail_code="over", fail_msg=fetched.msg, record=None)
    if attempt.state is AttemptState.OVERDUE:
        return attempt
    held = None if fetched.record is None else fetched.record.credits_consumed
    if watch.unknown >= _SURE_AFTER and age_s > VISIBILITY_GRACE_S:
        return mark_overdue(attempt, reason=f"KIE does not know this task ({fetched.msg})", at=now)
    is_sure = not 0 < watch.errors < _SURE_AFTER and not 0 < watch.unknown < _SURE_AFTER
    if age_s > deadline_s and is_sure:
        told = fetched.msg if fetched.record is None else "still being made"
        reason = f"no result within {deadline_s:g} s ({told})"
        return mark_overdue(attempt, reason=reason, at=now, credits_consumed=held)
    return attempt


def _judge_final(attempt: Attempt, record: TaskRecord, watch: Watch, now: datetime) -> Attempt:
    if record.state is TaskState.FAIL:
        return _failed(attempt, now, fail_code=record.fail_code, fail_msg=record.fail_msg, record=record)
    if record.result_urls:
        return mark_succeeded(
            attempt,
            result_urls=record.result_urls,
            credits_consumed=record.credits_consumed,
            generation_s=record.generation_s,
            completed_at=record.completed_at or now,
            at=now,
        )
    watch.empty += 1
    # An overdue task is looked at once a run: there the time since its end stands for the number of looks.
    is_long_over = record.completed_at is not None and (now - record.completed_at).total_seconds() > VISIBILITY_GRACE_S
    if watch.empty <= EMPTY_RESULT_POLLS and not (attempt.state is AttemptState.OVERDUE and is_long_over):
        return attempt
    return _failed(attempt, now, fail_code=NO_RESULT, fail_msg="success without a result", record=record)


def _failed(
    attempt: Attempt, now: datetime, *, fail_code: str | None, fail_msg: str | None, record: TaskRecord | None
) -> Attempt:
    charged = record.credits_consumed if record is not None else None
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
        generation_s=record.generation_s if record is not None else None,
        completed_at=(record.completed_at if record is not None else None) or now,
        at=now,
    )
