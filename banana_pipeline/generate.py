"""The driver: claims, submits, follows and records a stream of requests.

Lives here: the order in which things happen to a request, and the spending rules. Does not live here: HTTP (``kie``),
storage (``store``), polling one task (``follow``), Dagster (``defs``).

    shards ──► route ──► offer ──► prepare ──► submit ──► order ──► follow ──► settle ──► shard done
               (ledger)            (uploads)   (pace,     (POST)    (polls)
                                                claim)

Rules kept here: no POST without a committed claim. A grant of the pace is taken before the claim, and kept if the claim
fails, so that no grant is lost to a request another process was quicker to claim. The POST and the record of its answer
are shielded together from cancellation. An ambiguous answer is never sent again.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from banana_pipeline.accounts import Account
from banana_pipeline.core import attempts as states
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.decisions import live_attempt, may_attempt, next_number, refusal_of
from banana_pipeline.core.failures import (
    Ambiguous,
    Created,
    CreateOutcome,
    KeyRefused,
    ReadFailed,
    Refusal,
    Refused,
)
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.core.timing import CLAIM_S, backoff_s, jittered
from banana_pipeline.follow import Follower
from banana_pipeline.kie.wire import create_body, task_input
from banana_pipeline.progress import Progress
from banana_pipeline.stopping import StopRequest
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.uploads import Uploader

STOP_GRACE_S = 8.0
_PREPARERS = 4
_TICK_S = 5.0
_NO_ROOM_PAUSE_S = 0.25
_STOPPED = "the run was stopped before this was sent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One request as a row asks for it."""

    request: GenerationRequest
    request_id: str
    prompt_table: str
    row_number: int
    table_version: str


@dataclass(frozen=True, kw_only=True)
class ShardWork:
    """The requests of one shard, in row order; the same request may stand in several rows."""

    key: str
    wanted: Sequence[Wanted]


@dataclass(frozen=True, kw_only=True)
class ShardDone:
    """Where the requests of a shard stand: attempts by request_id, and why a request was not sent."""

    key: str
    histories: Mapping[str, Sequence[Attempt]]
    reasons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a run may do. ``max_credits``: budget of this run; ``is_waiting``: False submits and does not wait."""

    service: str
    run_id: str
    max_in_flight: int
    deadline_s: float
    max_attempts: int
    max_credits: float | None = None
    is_waiting: bool = True


@dataclass(kw_only=True)
class _OpenShard:
    work: ShardWork
    left: set[str]


@dataclass(kw_only=True)
class Generation:
    """One run over a stream of shards. Use `run` once."""

    accounts: Sequence[Account]
    writer: LedgerWriter
    uploader: Uploader
    rules: Rules
    progress: Progress
    stop: StopRequest
    on_shard: Callable[[ShardDone], None]
    _active: dict[str, list[_OpenShard]] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _open: list[_OpenShard] = field(default_factory=list)
    _post_scopes: set[anyio.CancelScope] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)
    _is_fed: bool = False

    async def run(self, shards: Iterable[ShardWork]) -> None:
        """Bring every request of every shard as far as this run can, calling ``on_shard`` as each shard ends.

        Raises:
            LedgerError: the ledger failed; orders under way were still awaited.
        """
        self._offers, self._offered = anyio.create_memory_object_stream[Wanted](2 * self.rules.max_in_flight)
        self._follower = Follower(
            accounts={account.name: account for account in self.accounts},
            writer=self.writer,
            service=self.rules.service,
            run_id=self.rules.run_id,
            deadline_s=self.rules.deadline_s,
            progress=self.progress,
        )
        async with anyio.create_task_group() as orders:
            self._orders = orders
            async with anyio.create_task_group() as work:
                self._work = work
                work.start_soon(self._watch_stop, work)
                work.start_soon(self._tick)
                for account in self.accounts:
                    work.start_soon(self._serve, account)
                await self._feed(shards)
            await self._await_orders(orders)
        for shard in list(self._open):
            await self._finish(shard)

    # Routing: what does the ledger say about each request?

    async def _feed(self, shards: Iterable[ShardWork]) -> None:
        shard_iterator = iter(shards)
        while (work := await anyio.to_thread.run_sync(next, shard_iterator, None)) is not None:
            shard = _OpenShard(work=work, left={wanted.request_id for wanted in work.wanted})
            self._open.append(shard)
            self.progress.planned += len(shard.left)
            histories = await self._histories(shard.left)
            first_rows = {wanted.request_id: wanted for wanted in reversed(work.wanted)}
            for request_id, wanted in reversed(first_rows.items()):
                if request_id in self._active:
                    self._active[request_id].append(shard)
                    continue
                self._active[request_id] = [shard]
                await self._route(wanted, histories.get(request_id, []))
            if not shard.left and shard in self._open:
                await self._finish(shard)
        self._is_fed = True
        self._end_if_idle()

    async def _route(self, wanted: Wanted, history: Sequence[Attempt]) -> None:
        live = live_attempt(history)
        if live is None and may_attempt(history, max_attempts=self.rules.max_attempts):
            await self._offers.send(wanted)
        elif live is not None and live.state not in {AttemptState.SUCCEEDED, AttemptState.UNCONFIRMED}:
            self._work.start_soon(self._follow, wanted, live)
        else:
            await self._settle(wanted.request_id)

    async def _route_again(self, wanted: Wanted) -> None:
        histories = await self._histories([wanted.request_id])
        await self._route(wanted, histories.get(wanted.request_id, []))

    async def _histories(self, request_ids: Iterable[str]) -> dict[str, list[Attempt]]:
        return await self.writer.do(ledger.attempts_of, self.rules.service, list(request_ids))

    # Buying

    async def _serve(self, account: Account) -> None:
        ready_in, ready_out = anyio.create_memory_object_stream[tuple[Wanted, list[str]]](0)
        async with anyio.create_task_group() as tasks:
            for _ in range(_PREPARERS):
                tasks.start_soon(self._prepare, account, ready_in.clone())
            ready_in.close()
            async for wanted, image_urls in ready_out:
                await self._submit(account, wanted, image_urls)

    async def _prepare(self, account: Account, ready: MemoryObjectSendStream[tuple[Wanted, list[str]]]) -> None:
        async with ready:
            async for wanted in self._offered.clone():
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
                    await self._settle(wanted.request_id, f"a reference image could not be uploaded: {error}")
                    continue
                await self._leave(account, wanted)

    async def _submit(self, account: Account, wanted: Wanted, image_urls: list[str]) -> None:
        """Take a grant of the pace, claim, and start the order; all that is not possible leaves the request unsent."""
        sent = task_input(wanted.request, image_urls)
        await account.unpaused(time.monotonic)
        if self._why_not(account, wanted) is not None:
            await self._leave(account, wanted)
            return
        if not account.has_grant:
            await account.pace.acquire()
            account.has_grant = True
        while True:
            with anyio.CancelScope(shield=True):
                attempt, claim = await self._claim(account, wanted, json.dumps(sent, ensure_ascii=False))
                if claim is ledger.Claim.MADE:
                    account.has_grant = False
                    self._take(account, attempt)
                    self._orders.start_soon(
                        self._order, account, wanted, attempt, create_body(wanted.request.model, sent)
                    )
            if claim is not ledger.Claim.NO_ROOM:
                break
            await anyio.sleep(_NO_ROOM_PAUSE_S)
        if claim is ledger.Claim.TAKEN:
            self._work.start_soon(self._route_again, wanted)

    async def _claim(self, account: Account, wanted: Wanted, input_json: str) -> tuple[Attempt, ledger.Claim]:
        now = _now()
        history = (await self._histories([wanted.request_id])).get(wanted.request_id, [])
        attempt = states.claim(
            attempt_id=uuid.uuid4().hex,
            service=self.rules.service,
            account=account.name,
            request_id=wanted.request_id,
            number=next_number(history),
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
        since = now - timedelta(seconds=self.rules.deadline_s)
        limit = self.rules.max_in_flight
        claim = await self.writer.do(ledger.claim, attempt, max_in_flight=limit, in_flight_since=since)
        return attempt, claim

    async def _order(self, account: Account, wanted: Wanted, attempt: Attempt, body: dict[str, object]) -> None:
        """The paid POST. From here to the recorded answer nothing may come between."""
        outcome: CreateOutcome = Ambiguous(reason="stopped while waiting for the answer to the order")
        scope = anyio.CancelScope(shield=True)
        self._post_scopes.add(scope)
        try:
            with scope:
                outcome = await account.client.create_task(body)
        finally:
            self._post_scopes.discard(scope)
            with anyio.CancelScope(shield=True):
                attempt = await self._record(attempt, outcome)
        if isinstance(outcome, Refused):
            account.refused(outcome, now_s=time.monotonic(), fraction=random.random())
        elif isinstance(outcome, Created):
            account.accepted()
        if self.stop.is_requested:
            return
        if attempt.state is AttemptState.SUBMITTED and self.rules.is_waiting:
            self._work.start_soon(self._follow, wanted, attempt)
        else:
            await self._conclude(account, wanted, attempt)

    async def _record(self, attempt: Attempt, outcome: CreateOutcome) -> Attempt:
        if isinstance(outcome, Created):
            self.progress.bought += 1
            return await self.writer.do(ledger.save_created, attempt, task_id=outcome.task_id, at=_now())
        if isinstance(outcome, Refused):
            reason = f"{outcome.why}: {outcome.msg}".rstrip(": ")
            after = states.mark_refused(attempt, reason=reason, code=outcome.code, msg=outcome.msg, at=_now())
        else:
            after = states.mark_unconfirmed(attempt, reason=outcome.reason, at=_now())
        is_saved = await self.writer.do(ledger.save, attempt, after, run_id=self.rules.run_id)
        return after if is_saved else await self.writer.do(ledger.attempt, attempt.attempt_id)

    # After the order

    async def _follow(self, wanted: Wanted, attempt: Attempt) -> None:
        attempt = await self._follower.follow(attempt, is_waiting=self.rules.is_waiting)
        account = next((one for one in self.accounts if one.name == attempt.account), self.accounts[0])
        await self._conclude(account, wanted, attempt)

    async def _conclude(self, account: Account, wanted: Wanted, attempt: Attempt) -> None:
        """An attempt has come as far as it can now: try again, or settle the request."""
        self._give_back(account, attempt)
        if attempt.is_live:
            await self._settle(wanted.request_id)
            return
        history = (await self._histories([wanted.request_id])).get(wanted.request_id, [])
        if not self._may_retry_now(attempt) or not may_attempt(history, max_attempts=self.rules.max_attempts):
            await self._settle(wanted.request_id)
            return
        if attempt.state is AttemptState.FAILED:
            await anyio.sleep(jittered(backoff_s(tries=len(history), first_s=2.0), random.random()))
        self._work.start_soon(self._offers.send, wanted)

    def _may_retry_now(self, attempt: Attempt) -> bool:
        """What stops the whole account is not tried again in this run; the account's own stop says so."""
        if attempt.state is not AttemptState.REFUSED:
            return True
        return not refusal_of(attempt).is_account_wide

    def _why_not(self, account: Account, wanted: Wanted) -> str | None:
        price = wanted.request.price_credits
        budget = self.rules.max_credits
        if budget is not None and self.progress.spent_credits + price > budget:
            return f"the budget of this run ({budget:g} credits) is used up"
        return account.why_not(price)

    def _has_other(self, account: Account) -> bool:
        """This account has stopped, but another one still buys: leave the request to it."""
        return account.stopped is not None and any(other.stopped is None for other in self.accounts)

    async def _leave(self, account: Account, wanted: Wanted) -> None:
        reason = self._why_not(account, wanted) or "not sent"
        self.progress.notice(reason[0].upper() + reason[1:] + ".")
        await self._settle(wanted.request_id, reason)

    def _take(self, account: Account, attempt: Attempt) -> None:
        self._taken.add(attempt.attempt_id)
        account.reserve(attempt.price_credits)
        self.progress.spent_credits += attempt.price_credits
        self.progress.in_flight += 1

    def _give_back(self, account: Account, attempt: Attempt) -> None:
        """An order of this run ended: put the real price in place of the expected one."""
        if attempt.attempt_id not in self._taken:
            return
        self._taken.discard(attempt.attempt_id)
        self.progress.in_flight -= 1
        if attempt.credits is not None:
            account.reserve(attempt.credits - attempt.price_credits)
            self.progress.spent_credits += attempt.credits - attempt.price_credits

    # Settling and ending

    async def _settle(self, request_id: str, reason: str | None = None) -> None:
        """The request has its final word for this run."""
        if reason is not None:
            self._reasons[request_id] = reason
        for shard in self._active.pop(request_id, []):
            self.progress.settled += 1
            shard.left.discard(request_id)
            if not shard.left:
                await self._finish(shard)
        self._end_if_idle()

    async def _finish(self, shard: _OpenShard) -> None:
        self._open.remove(shard)
        ids = {wanted.request_id for wanted in shard.work.wanted}
        with anyio.CancelScope(shield=True):  # the last request of another shard may end the run meanwhile
            histories = await self._histories(ids)
        left = dict.fromkeys(shard.left, _STOPPED)
        reasons = {request_id: self._reasons[request_id] for request_id in ids if request_id in self._reasons}
        self.on_shard(ShardDone(key=shard.work.key, histories=histories, reasons={**left, **reasons}))

    def _end_if_idle(self) -> None:
        if self._is_fed and not self._active:
            self._work.cancel_scope.cancel()

    async def _watch_stop(self, work: TaskGroup) -> None:
        await self.stop.requested.wait()
        self.progress.notice("Stopped on request. What is paid is recorded; run the same again to go on.")
        work.cancel_scope.cancel()

    async def _await_orders(self, orders: TaskGroup) -> None:
        """After a stop: wait for answers to orders already sent, but neither for ever nor after a second request."""
        if not self._post_scopes:
            return
        with anyio.move_on_after(STOP_GRACE_S):
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._cancel_when, self.stop.urgent, waiting)
                while self._post_scopes:
                    await anyio.sleep(0.05)
                waiting.cancel_scope.cancel()
        for scope in list(self._post_scopes):
            scope.cancel()

    @staticmethod
    async def _cancel_when(event: anyio.Event, tasks: TaskGroup) -> None:
        await event.wait()
        tasks.cancel_scope.cancel()

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(_TICK_S)
            self.progress.tick(self.progress)


def _now() -> datetime:
    return datetime.now(UTC)
