"""The driver: brings a stream of requests as far as one run can.

Lives here: what the ledger says about each request and which way it goes from there, retries, and the end of a shard.
Does not live here: buying (``buy``), polling one task (``follow``), storage, Dagster (``defs``).

    shards ──► route ─┬─► buy ──► follow ─┬─► settle ──► shard done
             (ledger) ├────────► follow ──┤
                      └───────────────────┘
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from banana_pipeline import recover
from banana_pipeline.accounts import Account
from banana_pipeline.buy import Buyer
from banana_pipeline.claims import Claims
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.decisions import live_attempt, may_attempt, refusal_of
from banana_pipeline.core.timing import backoff_s, jittered
from banana_pipeline.follow import Follower
from banana_pipeline.hints import Hints
from banana_pipeline.orders import Orders
from banana_pipeline.progress import STOPPED_NOTICE, Progress
from banana_pipeline.stopping import StopRequest
from banana_pipeline.store import ledger, ledger_money
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, ShardDone, ShardWork, Wanted

STOP_GRACE_S = 5.0  # of the 10 s that a stop may take; the rest is for outputs and the end of the process
_TICK_S = 5.0
_STOPPED = "the run was stopped before this was sent"
_FOLLOWED = frozenset({AttemptState.SUBMITTED, AttemptState.UNCONFIRMED})


@dataclass(kw_only=True)
class _OpenShard:
    work: ShardWork
    left: set[str]


@dataclass(kw_only=True)
class Generation:
    """One run over a stream of shards. Use `run` once.

    Args:
        on_shard: called in the event loop's thread as soon as a shard's last request is settled.
    """

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
    _is_fed: bool = False

    async def run(self, shards: Iterable[ShardWork]) -> None:
        """Bring every request of every shard as far as this run can, calling ``on_shard`` as each shard ends.

        Raises:
            ExceptionGroup: with a LedgerError if the ledger failed, or with what ``on_shard`` raised. Orders under way
                were still awaited and, as far as the ledger allowed, recorded.
        """
        if self.rules.launch is not None:
            await self.writer.do(ledger_money.join_launch, self.rules.run_id, self.rules.launch)
        await recover.end_dead_orders(self.writer, self.rules.service, self.rules.run_id)
        async with anyio.create_task_group() as orders:
            self._hints = Hints(writer=self.writer, is_on=self.rules.callback_url is not None)
            self._follower = self._make_follower()
            self._orders = self._make_orders(orders)
            self._buyer = self._make_buyer()
            async with anyio.create_task_group() as work:
                self._work = work
                work.start_soon(self._watch_stop)
                work.start_soon(self._tick)
                work.start_soon(self._hints.listen)
                for account in self.accounts:
                    work.start_soon(self._buyer.serve, account)
                await self._feed(shards)
            await self._orders.await_answers(grace_s=STOP_GRACE_S, urgent=self.stop.urgent)
            if self.stop.is_requested:
                self.writer.hurry()
        for shard in list(self._open):
            await self._finish(shard)

    def _make_follower(self) -> Follower:
        return Follower(
            accounts={account.name: account for account in self.accounts},
            writer=self.writer,
            hints=self._hints,
            service=self.rules.service,
            run_id=self.rules.run_id,
            deadline_s=self.rules.deadline_s,
            progress=self.progress,
        )

    def _make_orders(self, tasks: TaskGroup) -> Orders:
        return Orders(
            tasks=tasks,
            writer=self.writer,
            progress=self.progress,
            run_id=self.rules.run_id,
            on_ordered=self._ordered,
        )

    def _make_buyer(self) -> Buyer:
        return Buyer(
            accounts=self.accounts,
            writer=self.writer,
            uploader=self.uploader,
            rules=self.rules,
            progress=self.progress,
            orders=self._orders,
            claims=Claims(writer=self.writer, rules=self.rules),
            on_taken=self._taken,
            on_left=self._left,
        )

    # Routing

    async def _feed(self, shards: Iterable[ShardWork]) -> None:
        shard_iterator = iter(shards)
        while (work := await anyio.to_thread.run_sync(next, shard_iterator, None)) is not None:
            shard = _OpenShard(work=work, left={wanted.request_id for wanted in work.wanted})
            self._open.append(shard)
            self.progress.planned += len(shard.left)
            await self._route_shard(shard)
        self._is_fed = True
        self._end_if_idle()

    async def _route_shard(self, shard: _OpenShard) -> None:
        histories = await self._histories(shard.left)
        first_rows = {wanted.request_id: wanted for wanted in reversed(shard.work.wanted)}
        for request_id, wanted in reversed(first_rows.items()):
            if request_id in self._active:
                self._active[request_id].append(shard)
                continue
            self._active[request_id] = [shard]
            await self._route(wanted, histories.get(request_id, []))
        if not shard.work.wanted:
            await self._finish(shard)

    async def _route(self, wanted: Wanted, history: Sequence[Attempt]) -> None:
        live = live_attempt(history)
        if live is None and may_attempt(history, max_attempts=self.rules.max_attempts):
            if (reason := self.rules.why_left(history)) is not None:
                await self._settle(wanted.request_id, reason)
            else:
                await self._buyer.offer(wanted)
        elif live is None or live.state is AttemptState.SUCCEEDED:
            await self._settle(wanted.request_id)
        else:
            self._work.start_soon(self._follow, wanted, live)

    async def _histories(self, request_ids: Iterable[str]) -> dict[str, list[Attempt]]:
        return await self.writer.do(ledger.attempts_of, self.rules.service, list(request_ids))

    # What became of an offered request

    async def _ordered(self, account: Account, wanted: Wanted, attempt: Attempt) -> None:
        if self._work.cancel_scope.cancel_called:
            self._buyer.release(account, attempt)
        elif attempt.state in _FOLLOWED and self.rules.is_waiting:
            self._work.start_soon(self._follow, wanted, attempt)
        else:
            await self._conclude(account, wanted, attempt)

    async def _taken(self, wanted: Wanted) -> None:
        async def look_again() -> None:
            histories = await self._histories([wanted.request_id])
            await self._route(wanted, histories.get(wanted.request_id, []))

        self._work.start_soon(look_again)

    async def _left(self, wanted: Wanted, reason: str) -> None:
        await self._settle(wanted.request_id, reason)

    async def _follow(self, wanted: Wanted, attempt: Attempt) -> None:
        attempt = await self._follower.follow(attempt, is_waiting=self.rules.is_waiting)
        account = next((one for one in self.accounts if one.name == attempt.account), self.accounts[0])
        await self._conclude(account, wanted, attempt)

    async def _conclude(self, account: Account, wanted: Wanted, attempt: Attempt) -> None:
        """An attempt has come as far as it can now: try again, or settle the request."""
        self._buyer.release(account, attempt)
        # What concerns the whole account is not tried again in this run: the account has stopped.
        is_over = attempt.state is AttemptState.REFUSED and refusal_of(attempt).is_account_wide
        if attempt.is_live or is_over:
            await self._settle(wanted.request_id)
            return
        history = (await self._histories([wanted.request_id])).get(wanted.request_id, [])
        if not may_attempt(history, max_attempts=self.rules.max_attempts):
            await self._settle(wanted.request_id)
            return
        if (reason := self.rules.why_left(history)) is not None:
            await self._settle(wanted.request_id, reason)
            return
        if attempt.state is AttemptState.FAILED:
            await anyio.sleep(jittered(backoff_s(tries=attempt.number, first_s=2.0), random.random()))
        self._work.start_soon(self._buyer.offer, wanted)

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
        # Shielded: the last request of another shard may end the run meanwhile.
        with anyio.CancelScope(shield=True):
            histories = await self._histories(ids)
            left = dict.fromkeys(shard.left, _STOPPED)
            reasons = {request_id: self._reasons[request_id] for request_id in ids if request_id in self._reasons}
            self.on_shard(ShardDone(key=shard.work.key, histories=histories, reasons={**left, **reasons}))

    def _end_if_idle(self) -> None:
        if self._is_fed and not self._active:
            self._work.cancel_scope.cancel()

    async def _watch_stop(self) -> None:
        await self.stop.requested.wait()
        self.progress.notice(STOPPED_NOTICE)
        self._work.cancel_scope.cancel()

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(_TICK_S)
            self.progress.show()
