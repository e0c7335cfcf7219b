"""Following one paid task until it is final, or until this run has waited long enough.

Lives here: the rhythm of polling, and what each answer makes of an attempt. Does not live here: buying (``generate``),
formulas of time (``core.timing``), the meaning of answers (``core.failures``).
A query is free and never changes anything at KIE, so every error of a poll only means: look again later.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from banana_pipeline.accounts import Account
from banana_pipeline.core.attempts import (
    Attempt,
    AttemptState,
    mark_failed,
    mark_overdue,
    mark_succeeded,
    mark_unconfirmed,
)
from banana_pipeline.core.failures import FetchMeaning, Refusal
from banana_pipeline.core.timing import (
    EMPTY_RESULT_POLLS,
    VISIBILITY_GRACE_S,
    backoff_s,
    first_poll_s,
    jittered,
    next_poll_s,
)
from banana_pipeline.kie.wire import Fetched, TaskRecord, TaskState
from banana_pipeline.progress import Progress
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter

NO_RESULT = "no_result"
_SURE_AFTER = 3  # equal answers before an old task is given up for this run
_LEDGER_LOOK_S = 2.0


@dataclass(kw_only=True)
class _Watch:
    """What has been seen of one task in this run."""

    polls: int = 0
    errors: int = 0
    unknown: int = 0
    empty: int = 0


@dataclass(kw_only=True)
class Follower:
    """Polls attempts; one instance per run, one `follow` per attempt."""

    accounts: Mapping[str, Account]
    writer: LedgerWriter
    service: str
    run_id: str
    deadline_s: float
    progress: Progress
    _latencies_s: dict[str, deque[float]] = field(default_factory=dict)

    async def follow(self, attempt: Attempt, *, is_waiting: bool = True) -> Attempt:
        """Poll until the attempt is final or overdue; the attempt as it stands then.

        Args:
            is_waiting: False looks once and comes back, whatever the answer.
        """
        watch = _Watch()
        latencies_s = await self._known_latencies_s(attempt.resolution)
        while True:
            if attempt.state is AttemptState.SUBMITTING:
                attempt = await self._await_order(attempt)
            account = self.accounts.get(attempt.account)
            if attempt.state not in {AttemptState.SUBMITTED, AttemptState.OVERDUE} or account is None:
                return attempt
            if account.stopped_reading:
                return attempt
            if is_waiting and attempt.state is AttemptState.SUBMITTED:
                await anyio.sleep(self._wait_s(attempt, watch, latencies_s))
            if attempt.run_id != self.run_id and (moved := await self._moved(attempt)) is not None:
                attempt = moved
                continue
            judged = await self._poll(attempt, account, watch)
            if judged is not attempt:
                return await self._saved(attempt, judged)
            if not is_waiting or attempt.state is AttemptState.OVERDUE:
                return attempt

    async def _poll(self, attempt: Attempt, account: Account, watch: _Watch) -> Attempt:
        assert attempt.task_id is not None
        await account.query_pace.acquire()
        fetched = await account.client.fetch_task(attempt.task_id)
        watch.polls += 1
        self.progress.polls += 1
        if fetched.meaning is FetchMeaning.KEY:
            account.stopped_reading = True
            account.stop(Refusal.KEY, fetched.msg.rsplit(": ", 1)[-1])
            return attempt
        return judge(attempt, fetched, watch, now=_now(), deadline_s=self.deadline_s)

    async def _saved(self, before: Attempt, after: Attempt) -> Attempt:
        if not await self.writer.do(ledger.save, before, after, run_id=self.run_id):
            return await self.writer.do(ledger.attempt, before.attempt_id)
        if after.state is AttemptState.SUCCEEDED and after.generation_s is not None:
            (await self._known_latencies_s(after.resolution)).append(after.generation_s)
        return after

    async def _moved(self, attempt: Attempt) -> Attempt | None:
        """The attempt as another process has left it meanwhile; None if it has not."""
        stored = await self.writer.do(ledger.attempt, attempt.attempt_id)
        return stored if stored.state is not attempt.state else None

    async def _await_order(self, attempt: Attempt) -> Attempt:
        """Another process is sending this order: wait for its answer, or for its claim to run out."""
        while attempt.state is AttemptState.SUBMITTING:
            if _now() > attempt.claim_expires_at:
                reason = "the process that sent the order ended before the answer was recorded"
                return await self._saved(attempt, mark_unconfirmed(attempt, reason=reason, at=_now()))
            await anyio.sleep(_LEDGER_LOOK_S)
            attempt = await self.writer.do(ledger.attempt, attempt.attempt_id)
        return attempt

    async def _known_latencies_s(self, resolution: str) -> deque[float]:
        if resolution not in self._latencies_s:
            known = await self.writer.do(ledger.recent_latencies_s, self.service, resolution)
            self._latencies_s.setdefault(resolution, deque(reversed(known), maxlen=100))
        return self._latencies_s[resolution]

    def _wait_s(self, attempt: Attempt, watch: _Watch, latencies_s: deque[float]) -> float:
        age_s = _age_s(attempt, _now())
        if watch.polls == 0:
            return max(0.0, jittered(first_poll_s(latencies_s), random.random()) - age_s)
        wait_s = next_poll_s(age_s=age_s, latencies_s=latencies_s)
        if watch.errors:
            wait_s = min(wait_s, backoff_s(tries=watch.errors, first_s=0.5))
        return jittered(wait_s, random.random())


def judge(attempt: Attempt, fetched: Fetched, watch: _Watch, *, now: datetime, deadline_s: float) -> Attempt:
    """What a query's answer makes of an attempt; the same object where the answer changes nothing."""
    watch.errors = watch.errors + 1 if fetched.meaning is FetchMeaning.TRY_AGAIN else 0
    watch.unknown = watch.unknown + 1 if fetched.meaning is FetchMeaning.NOT_KNOWN else 0
    if fetched.record is not None and fetched.record.state is not TaskState.RUNNING:
        return _judge_final(attempt, fetched.record, watch, now)
    if fetched.meaning is FetchMeaning.TASK_OVER:
        return _failed(attempt, now, fail_code="over", fail_msg=fetched.msg, record=None)
    age_s = _age_s(attempt, now)
    if attempt.state is AttemptState.OVERDUE:
        return attempt
    if watch.unknown >= _SURE_AFTER and age_s > VISIBILITY_GRACE_S:
        return mark_overdue(attempt, reason=f"KIE does not know this task ({fetched.msg})", at=now)
    is_sure = not 0 < watch.errors < _SURE_AFTER and not 0 < watch.unknown < _SURE_AFTER
    if age_s > deadline_s and is_sure:
        told = fetched.msg if fetched.record is None else "still being made"
        return mark_overdue(attempt, reason=f"no result within {deadline_s:g} s ({told})", at=now)
    return attempt


def _judge_final(attempt: Attempt, record: TaskRecord, watch: _Watch, now: datetime) -> Attempt:
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


def _age_s(attempt: Attempt, now: datetime) -> float:
    return max(0.0, (now - (attempt.submitted_at or attempt.claimed_at)).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
