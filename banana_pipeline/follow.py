"""Following one paid task until it is final, or until this run has waited long enough.

Lives here: the rhythm of polling, and waiting for orders whose answer is still out. Does not live here: buying
(``buy``), formulas of time (``core.timing``), what an answer means (``judge``), proof of lost orders (``recover``).
"""

from __future__ import annotations

import random
import time
from collections import deque
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
    next_poll_s,
    overdue_callback_s,
)
from banana_pipeline.hints import Hints
from banana_pipeline.judge import Watch, judge
from banana_pipeline.progress import Progress
from banana_pipeline.recover import Verdict
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

_LEDGER_LOOK_S = 1.0
_CALLBACK_LOOK_S = 5.0
_SURE_AFTER = 3  # a task that is not known this often will not become visible
_PROVEN = frozenset({Verdict.OURS, Verdict.SAME_ORDER, Verdict.NOT_OURS})
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
            account = self._account_of(attempt)
            if account is None or account.stopped_reading:
                return attempt
            if is_waiting and attempt.state is AttemptState.SUBMITTED:
                watch.is_called |= await self.hints.wait(attempt.attempt_id, self._wait_s(watch, latencies_s))
            if attempt.run_id != self.run_id and (moved := await self._moved(attempt)) is not None:
                attempt = moved
                continue
            judged = await self._poll(attempt, account, watch)
            if judged is not attempt:
                return await self._saved(attempt, judged)
            if not is_waiting or attempt.state is AttemptState.OVERDUE:
                return attempt

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
        age_s = time.monotonic() - watch.accepted_s
        return judge(attempt, fetched, watch, now=_now(), age_s=age_s, deadline_s=self.deadline_s)

    async def _saved(self, before: Attempt, after: Attempt) -> Attempt:
        self.hints.finished += 1
        if not await self.writer.do(ledger.save, before, after, run_id=self.run_id):
            return await self.writer.do(ledger.attempt, before.attempt_id)
        if after.state is AttemptState.SUCCEEDED and after.generation_s is not None:
            # KIE's figure is the difference of two readings of its clock, and clocks jump.
            seen_s = (after.updated_at - after.claimed_at).total_seconds()
            (await self._known_latencies_s(after.resolution)).append(max(0.0, min(after.generation_s, seen_s)))
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
        asked: dict[int, int] = {}
        while attempt.state is AttemptState.UNCONFIRMED:
            for hint in await self.hints.open_about(attempt.attempt_id):
                asked[hint.id] = asked.get(hint.id, 0) + 1
                attempt = await self._look_into(attempt, hint, tries=asked[hint.id])
            left_s = until_s - time.monotonic()
            if attempt.state is not AttemptState.UNCONFIRMED or not is_waiting:
                break
            if left_s <= 0 or not self.hints.are_expected:
                break
            await self.hints.wait(attempt.attempt_id, min(left_s, _CALLBACK_LOOK_S))
        return attempt

    async def _look_into(self, attempt: Attempt, hint: Hint, *, tries: int) -> Attempt:
        account = self._account_of(attempt)
        if account is None or attempt.state is not AttemptState.UNCONFIRMED:
            return attempt
        final = _PROVEN | {Verdict.NOT_KNOWN} if tries >= _SURE_AFTER else _PROVEN
        attempt = await recover.look_into(self.writer, account, attempt, hint, final=final)
        if attempt.state is AttemptState.SUBMITTED:
            self.progress.recovered += 1
            self.progress.bought += 1
        return attempt

    def _account_of(self, attempt: Attempt) -> Account | None:
        account = self.accounts.get(attempt.account)
        if account is None:
            self.progress.notice(
                f"Account {attempt.account} has bought images whose results only its own key can ask for; "
                "add that key to KIE_API_KEYS and run again."
            )
        return account

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


def _age_s(moment: datetime) -> float:
    return max(0.0, (_now() - moment).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
