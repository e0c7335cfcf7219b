"""Buying: from an offered request to the recorded answer of its order.

Lives here: reference images, pace, claim, the paid POST and the record of its answer, the money of the run. Does not
live here: which requests are offered and what happens to an order afterwards (``generate``), HTTP, storage.

    offers ──► prepare ──► submit ──► order ──► on_ordered
               (uploads)   (pace,     (POST,
                            claim)     record)

Rules kept here: no POST without a committed claim. A grant of the pace is taken before the claim, and kept if the claim
fails, so that no grant is lost to a request another process was quicker to claim. The POST and the record of its answer
are shielded together from cancellation. An ambiguous answer is never sent again.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from banana_pipeline.accounts import Account
from banana_pipeline.core import attempts as states
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.decisions import next_number
from banana_pipeline.core.failures import (
    Ambiguous,
    Created,
    CreateOutcome,
    KeyRefused,
    ReadFailed,
    Refusal,
    Refused,
)
from banana_pipeline.core.timing import CLAIM_S
from banana_pipeline.kie.wire import create_body, task_input
from banana_pipeline.progress import Progress
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, Wanted

_PREPARERS = 4
_NO_ROOM_PAUSE_S = 0.25

Ready = tuple[Wanted, list[str]]
"""A request and the URLs of its reference images."""


@dataclass(kw_only=True)
class Buyer:
    """Buys what is offered, with every account at that account's pace.

    Args:
        orders: task group in which paid POSTs live; it outlives the one that `serve` runs in.
        on_ordered: an order's answer is recorded; the attempt as it stands.
        on_taken: another process is buying this request, or has bought it.
        on_left: the request is not sent in this run, for this reason.
    """

    accounts: Sequence[Account]
    writer: LedgerWriter
    uploader: Uploader
    rules: Rules
    progress: Progress
    orders: TaskGroup
    on_ordered: Callable[[Account, Wanted, Attempt], Awaitable[None]]
    on_taken: Callable[[Wanted], Awaitable[None]]
    on_left: Callable[[Wanted, str], Awaitable[None]]
    _posts: set[anyio.CancelScope] = field(default_factory=set)
    _all_answered: anyio.Event = field(default_factory=anyio.Event)
    _reserved: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._offers, self._offered = anyio.create_memory_object_stream[Wanted](2 * self.rules.max_in_flight)

    async def offer(self, wanted: Wanted) -> None:
        """Queue a request; waits while the queue is full, so that no more is read than can be bought soon."""
        await self._offers.send(wanted)

    async def serve(self, account: Account) -> None:
        """Buy with one account until cancelled."""
        ready_in, ready_out = anyio.create_memory_object_stream[Ready](0)
        async with anyio.create_task_group() as tasks:
            for _ in range(_PREPARERS):
                tasks.start_soon(self._prepare, account, ready_in.clone(), self._offered.clone())
            ready_in.close()
            async for wanted, image_urls in ready_out:
                await self._submit(account, wanted, image_urls)

    async def await_answers(self, *, grace_s: float, urgent: anyio.Event) -> None:
        """Wait for the answers of orders already sent, at most ``grace_s`` and not after ``urgent``; then give up."""
        if self._posts:
            with anyio.move_on_after(grace_s):
                async with anyio.create_task_group() as waiting:
                    for event in (urgent, self._all_answered):
                        waiting.start_soon(_cancel_when, event, waiting.cancel_scope)
        for post in list(self._posts):
            post.cancel()

    def release(self, account: Account, attempt: Attempt) -> None:
        """An order of this run came to its end: put the real price in place of the expected one."""
        if attempt.attempt_id not in self._reserved:
            return
        self._reserved.discard(attempt.attempt_id)
        self.progress.in_flight -= 1
        if attempt.credits is not None:
            account.reserve(attempt.credits - attempt.price_credits)
            self.progress.spent_credits += attempt.credits - attempt.price_credits

    async def _prepare(
        self, account: Account, ready: MemoryObjectSendStream[Ready], offered: MemoryObjectReceiveStream[Wanted]
    ) -> None:
        async with ready, offered:
            async for wanted in offered:
                await account.check()
                if self._has_other(account):
                    await self._offers.send(wanted)
                    return
                try:
                    if self._why_not(account, wanted) is None:
                        urls = await self.uploader.image_urls(account, wanted.prompt_table, wanted.request)
                        await ready.send((wanted, urls))
                        continue
                except KeyRefused as error:
                    account.stop(Refusal.KEY, str(error).rsplit(": ", 1)[-1])
                except ReadFailed as error:
                    await self.on_left(wanted, f"a reference image could not be uploaded: {error}")
                    continue
                await self._leave(account, wanted)

    async def _submit(self, account: Account, wanted: Wanted, image_urls: list[str]) -> None:
        """Take a grant of the pace, claim, and start the order; what stands in the way leaves the request unsent."""
        await account.unpaused(time.monotonic)
        if self._why_not(account, wanted) is not None:
            await self._leave(account, wanted)
            return
        if not account.has_grant:
            await account.pace.acquire()
            account.has_grant = True
        sent = task_input(wanted.request, image_urls)
        # Room is made by other processes as well, which cannot be waited for otherwise.
        while (claim := await self._claim_and_order(account, wanted, sent)) is ledger.Claim.NO_ROOM:  # noqa: ASYNC110
            await anyio.sleep(_NO_ROOM_PAUSE_S)
        if claim is ledger.Claim.TAKEN:
            await self.on_taken(wanted)

    async def _claim_and_order(self, account: Account, wanted: Wanted, sent: dict[str, object]) -> ledger.Claim:
        claim = ledger.Claim.NO_ROOM
        with anyio.CancelScope(shield=True):  # between a committed claim and its POST nothing may come
            attempt = await self._attempt(account, wanted, json.dumps(sent, ensure_ascii=False))
            since = attempt.claimed_at - timedelta(seconds=self.rules.deadline_s)
            limit = self.rules.max_in_flight
            claim = await self.writer.do(ledger.claim, attempt, max_in_flight=limit, in_flight_since=since)
            if claim is ledger.Claim.MADE:
                account.has_grant = False
                self._reserve(account, attempt)
                self.orders.start_soon(self._order, account, wanted, attempt, create_body(wanted.request.model, sent))
        return claim

    async def _attempt(self, account: Account, wanted: Wanted, input_json: str) -> Attempt:
        histories = await self.writer.do(ledger.attempts_of, self.rules.service, [wanted.request_id])
        now = datetime.now(UTC)
        return states.claim(
            attempt_id=uuid.uuid4().hex,
            service=self.rules.service,
            account=account.name,
            request_id=wanted.request_id,
            number=next_number(histories.get(wanted.request_id, [])),
            price_credits=wanted.request.price_credits,
            resolution=wanted.request.resolution,
            prompt_table=wanted.prompt_table,
            row_number=wanted.row_number,
            run_id=self.rules.run_id,
            table_version=wanted.table_version,
            input_json=input_json,
            at=now,
            expires_at=now + timedelta(seconds=CLAIM_S),
        )

    async def _order(self, account: Account, wanted: Wanted, attempt: Attempt, body: dict[str, object]) -> None:
        """The paid POST, and the record of its answer."""
        outcome: CreateOutcome = Ambiguous(reason="stopped while waiting for the answer to the order")
        post = anyio.CancelScope(shield=True)
        self._posts.add(post)
        try:
            with post:
                outcome = await account.client.create_task(body)
        finally:
            with anyio.CancelScope(shield=True):
                attempt = await self._record(attempt, outcome)
            self._posts.discard(post)
            if not self._posts:
                self._all_answered.set()
                self._all_answered = anyio.Event()
        if isinstance(outcome, Refused):
            account.refused(outcome, now_s=time.monotonic(), fraction=random.random())
        elif isinstance(outcome, Created):
            account.accepted()
        await self.on_ordered(account, wanted, attempt)

    async def _record(self, attempt: Attempt, outcome: CreateOutcome) -> Attempt:
        now = datetime.now(UTC)
        if isinstance(outcome, Created):
            self.progress.bought += 1
            return await self.writer.do(ledger.save_created, attempt, task_id=outcome.task_id, at=now)
        if isinstance(outcome, Refused):
            reason = f"{outcome.why}: {outcome.msg}".rstrip(": ")
            after = states.mark_refused(attempt, reason=reason, code=outcome.code, msg=outcome.msg, at=now)
        else:
            after = states.mark_unconfirmed(attempt, reason=outcome.reason, at=now)
        is_saved = await self.writer.do(ledger.save, attempt, after, run_id=self.rules.run_id)
        return after if is_saved else await self.writer.do(ledger.attempt, attempt.attempt_id)

    def _why_not(self, account: Account, wanted: Wanted) -> str | None:
        price = wanted.request.price_credits
        budget = self.rules.max_credits
        if budget is not None and self.progress.spent_credits + price > budget:
            return f"The budget of this run ({budget:g} credits) is used up"
        return account.why_not(price)

    def _has_other(self, account: Account) -> bool:
        """This account has stopped, but another one still buys: leave the request to it."""
        return account.stopped is not None and any(other.stopped is None for other in self.accounts)

    async def _leave(self, account: Account, wanted: Wanted) -> None:
        reason = self._why_not(account, wanted) or "not sent"
        self.progress.notice(f"{reason}.")
        await self.on_left(wanted, reason)

    def _reserve(self, account: Account, attempt: Attempt) -> None:
        self._reserved.add(attempt.attempt_id)
        account.reserve(attempt.price_credits)
        self.progress.spent_credits += attempt.price_credits
        self.progress.in_flight += 1


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
