"""Attempts to start from: `new_attempt`, and `brought_to`, which walks one to a state through the real transitions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt, AttemptState

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_numbers: Iterator[int] = count(1)


def new_attempt(**given: Any) -> Attempt:
    """A claim with sensible values; ``given`` replaces some of them."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "attempt_id": f"{number:032x}",
        "service": "api.kie.ai",
        "account": "abcdefabcdef",
        "request_id": "r" * 32,
        "number": 1,
        "price_credits": 18.0,
        "resolution": "1K",
        "prompt_table": "boats",
        "row_number": 0,
        "run_id": "run",
        "table_version": "v1",
        "input_json": "{}",
        "at": START + timedelta(seconds=number),
        "expires_at": START + timedelta(seconds=number + 90),
    }
    return moves.claim(**{**values, **given})


def submitted(**given: Any) -> Attempt:
    attempt = new_attempt(**given)
    return moves.mark_submitted(attempt, task_id=f"task-{attempt.attempt_id}", at=START)


def succeeded(credits_consumed: float | None = 18.0, **given: Any) -> Attempt:
    return moves.mark_succeeded(
        submitted(**given),
        result_urls=("https://host/a.png",),
        credits_consumed=credits_consumed,
        generation_s=30.0,
        completed_at=START,
        at=START,
    )


def failed(fail_code: str | None, fail_msg: str | None, charged: float | None = 0.0, **given: Any) -> Attempt:
    return moves.mark_failed(
        submitted(**given),
        reason="failed",
        fail_code=fail_code,
        fail_msg=fail_msg,
        credits_consumed=charged,
        generation_s=None,
        completed_at=START,
        at=START,
    )


def refused(code: int | None, msg: str = "", **given: Any) -> Attempt:
    return moves.mark_refused(new_attempt(**given), reason="refused", code=code, msg=msg, at=START)


def unconfirmed(**given: Any) -> Attempt:
    return moves.mark_unconfirmed(new_attempt(**given), reason="no answer", at=START)


def overdue(**given: Any) -> Attempt:
    return moves.mark_overdue(submitted(**given), reason="late", at=START)


def abandoned(**given: Any) -> Attempt:
    return moves.mark_abandoned(unconfirmed(**given), reason="given up", is_given_up=False, at=START)


def brought_to(state: AttemptState, **given: Any) -> Attempt:
    """An attempt in that state."""
    if state is AttemptState.FAILED:
        return failed("500", "Internal Error", **given)
    if state is AttemptState.REFUSED:
        return refused(429, **given)
    if state is AttemptState.SUBMITTING:
        return new_attempt(**given)
    ways = (submitted, succeeded, unconfirmed, overdue, abandoned)
    return {way.__name__: way for way in ways}[str(state)](**given)
