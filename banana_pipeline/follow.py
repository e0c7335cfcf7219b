"""Following one paid task until it is final, or until this run has waited long enough.

Lives here: the rhythm of polling, and waiting for orders whose answer is still out. Does not live here: buying
(``buy``), formulas of time (``core.timing``), what an answer means (``judge``), proof of lost orders (``recover``).
"""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from banana_pipeline import recover
from banana_pipeline.accounts import Account
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.failures import FetchMeaning, Refusal
from banana_pipeline.core.timing import (
    backoff_s,
    callback_patience_s,
    first_poll_s,
    jittered,
    learned_latency_s,
    next_poll_s,
    overdue_callback_s,
)
from banana_pipeline.hints import Hints
from banana_pipeline.judge import Watch, believable, judge, tells_an_odd_cost
from banana_pipeline.kie.wire import Fetched
from banana_pipeline.progress import Progress
from banana_pipeline.recover import Inquiry
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

_LEDGER_LOOK_S = 1.0
_CALLBACK_LOOK_S = 5.0
_POLLED = frozenset({AttemptState.SUBMITTED, AttemptState.OVERDUE})


@dataclass(kw_only=True)
class Follower:
    """Polls attempts; one instance per run, one `follow` per attempt."""

    accounts: Mapping[str, Account]
    writer: LedgerWriter
    hints: Hints
    service: str
    run_id: str
    deadline_s: float
    progress: Progress
    _latencies_s: dict[str, deque[float]] = field(default_factory=dict)
    _has_told_cost: bool = False

    async def follow(self, attempt: Attempt, *, is_waiting: bool = True) -> Attempt:
        """Wait and poll until the attempt is final or overdue; the attempt as it stands then.

        Args:
            is_waiting: False looks once and comes back, whatever the answer.
        """
        if attempt.state is AttemptState.SUBMITTING:
            attempt = await self._await_order(attempt)
        accepted_at = attempt.submitted_at or attempt.claimed_at
        # The callback of a lost order has come; that of an earlier run's order may have, when nobody listened.
        is_called = attempt.state is AttemptState.UNCONFIRMED or attempt.run_id != self.run_id
        if attempt.state is AttemptState.UNCONFIRMED:
            attempt = await self._await_callback(attempt, is_waiting=is_waiting)
        latencies_s = await self._known_latencies_s(attempt.resolution)
        watch = Watch(accepted_s=time.monotonic() - _age_s(accepted_at), is_called=is_called)
        while True:
            if attempt.state not in _POLLED:
                return attempt
            account = self._reader_of(attempt)
            if account is None:
                return attempt
            if is_waiting and attempt.state is AttemptState.SUBMITTED:
                await self._wait(attempt, watch, latencies_s)
            if attempt.run_id != self.run_id and (moved := await self._moved(attempt)) is not None:
                attempt = moved
                continue
            judged = await self._poll(attempt, account, watch)
            if judged is not attempt:
                return await self._saved(attempt, judged)
            if not is_waiting or attempt.state is AttemptState.OVERDUE:
                return attempt

    async def _wait(self, attempt: Attempt, watch: Watch, latencies_s: deque[float]) -> None:
        if await self.hints.wait(attempt.attempt_id, self._wait_s(watch, latencies_s)):
            watch.is_called, watch.running_at = True, _now()  # called back: it has ended just now

    async def _poll(self, attempt: Attempt, account: Account, watch: Watch) -> Attempt:
        assert attempt.task_id is not None
        await account.query_pace.acquire()
        fetched = await account.client.fetch_task(attempt.task_id, timeout_s=poll_timeout_s(watch.errors))
        watch.polls += 1
        self.progress.polls += 1
        if fetched.meaning is FetchMeaning.KEY:
            account.stopped_reading = True
            account.stop(Refusal.KEY, fetched.msg.rsplit(": ", 1)[-1])
            return attempt
        self._tell_odd_cost(attempt, fetched)
        age_s = time.monotonic() - watch.accepted_s
        return judge(attempt, fetched, watch, now=_now(), age_s=age_s, deadline_s=self.deadline_s)

    def _tell_odd_cost(self, attempt: Attempt, fetched: Fetched) -> None:
        record = believable(attempt, fetched).record
        if self._has_told_cost or record is None or not tells_an_odd_cost(attempt, record):
            return
        self._has_told_cost = True
        said = record.credits_said or f"{record.credits_consumed:,.10g}"
        self.progress.notice(
            f"KIE says that a task cost {said} credits (task {record.task_id}, expected: "
            f"{attempt.price_credits:,.10g}). Figures that cannot be true are not counted; the expected price is."
        )

    async def _saved(self, before: Attempt, after: Attempt) -> Attempt:
        self.hints.finished += 1
        if not await self.writer.do(ledger.save, before, after, run_id=self.run_id):
            return await self.writer.do(ledger.attempt, before.attempt_id)
        if after.state is AttemptState.SUCCEEDED and (took_s := _learned_s(after)) is not None:
            (await self._known_latencies_s(after.resolution)).append(took_s)
        return after

    async def _moved(self, attempt: Attempt) -> Attempt | None:
        """The attempt as another process has left it meanwhile; None if it has not."""
        stored = await self.writer.do(ledger.attempt, attempt.attempt_id)
        return stored if stored.state is not attempt.state else None

    # Orders without an answer

    async def _await_order(self, attempt: Attempt) -> Attempt:
        """Another process is sending this order: wait for its answer, for that process's end or that of its claim."""
        while attempt.state is AttemptState.SUBMITTING:
            await recover.end_dead_orders(self.writer, self.service, self.run_id, attempt_id=attempt.attempt_id)
            attempt = await self.writer.do(ledger.attempt, attempt.attempt_id)
            if attempt.state is AttemptState.SUBMITTING:
                await anyio.sleep(_LEDGER_LOOK_S)
        return attempt

    async def _await_callback(self, attempt: Attempt, *, is_waiting: bool) -> Attempt:
        """Nobody knows whether KIE has made this task: only a callback can tell, if one may come."""
        latencies_s = await self._known_latencies_s(attempt.resolution)
        patience_s = callback_patience_s(latencies_s=latencies_s, deadline_s=self.deadline_s)
        until_s = time.monotonic() + patience_s - _age_s(attempt.claimed_at)
        inquiries: defaultdict[int, Inquiry] = defaultdict(Inquiry)
        while attempt.state is AttemptState.UNCONFIRMED:
            open_hints = await self.hints.open_about(attempt.attempt_id)
            for hint in open_hints:
                attempt = await self._look_into(attempt, hint, inquiries[hint.id])
            left_s = until_s - time.monotonic()
            if attempt.state is not AttemptState.UNCONFIRMED or not is_waiting:
                break
            is_early = _age_s(attempt.claimed_at) < self.deadline_s
            is_asking = self._reader_of(attempt) is not None and any(
                inquiries[hint.id].is_worth_another(hint, _now(), is_early=is_early) for hint in open_hints
            )
            if not is_asking and (left_s <= 0 or not self.hints.are_expected):
                break
            wait_s = _CALLBACK_LOOK_S if is_asking else min(left_s, _CALLBACK_LOOK_S)
            await self.hints.wait(attempt.attempt_id, wait_s)
        return attempt

    async def _look_into(self, attempt: Attempt, hint: Hint, inquiry: Inquiry) -> Attempt:
        account = self._reader_of(attempt)
        if account is None or attempt.state is not AttemptState.UNCONFIRMED:
            return attempt
        attempt = await recover.look_into(self.writer, account, attempt, hint, inquiry)
        if attempt.state is AttemptState.SUBMITTED:
            self.progress.recovered += 1
        return attempt

    def _reader_of(self, attempt: Attempt) -> Account | None:
        """The account that can ask for an attempt's task, if its key is here and still accepted."""
        account = self.accounts.get(attempt.account)
        if account is None:
            self.progress.notice(
                f"Account {attempt.account} has bought images whose results only its own key can ask for; "
                "add that key to KIE_API_KEYS and run again."
            )
        return None if account is None or account.stopped_reading else account

    async def _known_latencies_s(self, resolution: str) -> deque[float]:
        if resolution not in self._latencies_s:
            known = await self.writer.do(ledger.recent_latencies_s, self.service, resolution)
            self._latencies_s.setdefault(resolution, deque(reversed(known), maxlen=100))
        return self._latencies_s[resolution]

    def _wait_s(self, watch: Watch, latencies_s: deque[float]) -> float:
        age_s = time.monotonic() - watch.accepted_s
        if watch.errors:
            wait_s = next_poll_s(age_s=age_s, latencies_s=latencies_s)
            return jittered(min(wait_s, backoff_s(tries=watch.errors, first_s=0.5)), random.random())
        callback_s = overdue_callback_s(latencies_s)
        if self.hints.has_come and not watch.is_called and age_s < callback_s:
            return callback_s - age_s  # callbacks arrive: polling is for those that do not
        if watch.polls == 0:
            return max(0.0, jittered(first_poll_s(latencies_s), random.random()) - age_s)
        return jittered(next_poll_s(age_s=age_s, latencies_s=latencies_s), random.random())


def poll_timeout_s(errors: int) -> float:
    """Seconds to wait for the answer to a query: KIE's own take 0.6 s (section 1), and each try gets more."""
    return min(20.0, 3.0 * 2**errors)


def _learned_s(attempt: Attempt) -> float | None:
    if attempt.completed_at is None:
        return None
    return learned_latency_s(
        told_s=attempt.generation_s,
        claimed_at=attempt.claimed_at,
        submitted_at=attempt.submitted_at,
        ended_at=attempt.completed_at,
        seen_at=attempt.updated_at,
    )


def _age_s(moment: datetime) -> float:
    return max(0.0, (_now() - moment).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
