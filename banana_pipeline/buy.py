"""Buying: from an offered request to an order.

Lives here: reference images, the money of the run, pace; which account takes what. Does not live here: which requests
are offered (``generate``), the claim (``claims``), the paid POST itself (``orders``), HTTP, storage.

    offer ──► prepare ──► submit ──► order
              (uploads)   (money,
                           pace,
                           claim)

Rules kept here: no order without a committed claim. A grant of the pace is taken before the claim, and given back if
the claim fails, so that no grant is lost to a request another process was quicker to claim. Budgets are kept by the
claim, in the ledger, and nowhere else: a price that did not fit is not asked for again until money has come back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from banana_pipeline.accounts import Account
from banana_pipeline.claims import Claims
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import KeyRefused, ReadFailed, Refusal
from banana_pipeline.kie.callback_address import callback_address
from banana_pipeline.kie.wire import create_body, task_input
from banana_pipeline.orders import Orders
from banana_pipeline.progress import Progress
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim
from banana_pipeline.store.ledger_money import Reading, note_balance
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, Wanted

_PREPARERS = 4
# At a slow pace one submitter: a grant that one request gives back goes to the next at once, and none is lost. At a
# quick pace several, whose claims share one commit.
_SLOW_PER_S = 20.0
_SUBMITTERS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A request to buy. ``image_urls``: addresses of its reference images, once they are known."""

    wanted: Wanted
    image_urls: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Buyer:
    """Buys what is offered, with every account at that account's pace.

    Args:
        on_taken: this request is being bought, or was bought, elsewhere.
        on_left: the request is not sent in this run, for this reason.
    """

    accounts: Sequence[Account]
    writer: LedgerWriter
    uploader: Uploader
    rules: Rules
    progress: Progress
    orders: Orders
    claims: Claims
    on_taken: Callable[[Wanted], Awaitable[None]]
    on_left: Callable[[Wanted, str], Awaitable[None]]
    _under_way: set[str] = field(default_factory=set)
    _too_dear_credits: float | None = None  # the least price that did not fit into the budget of the launch

    def __post_init__(self) -> None:
        self._offers, self._offered = anyio.create_memory_object_stream[Offer](2 * self.rules.max_in_flight)

    async def offer(self, wanted: Wanted) -> None:
        """Queue a request; waits while the queue is full, so that no more is read than can be bought soon."""
        await self._offers.send(Offer(wanted=wanted))

    async def serve(self, account: Account) -> None:
        """Buy with one account until cancelled."""
        ready_in, ready_out = anyio.create_memory_object_stream[Offer](0)
        async with anyio.create_task_group() as tasks:
            for _ in range(_PREPARERS):
                tasks.start_soon(self._prepare_all, account, ready_in.clone(), self._offered.clone())
            for _ in range(1 if account.pace.limit.per_second <= _SLOW_PER_S else _SUBMITTERS):
                tasks.start_soon(self._submit_all, account, ready_out.clone())
            ready_in.close()
            ready_out.close()

    def release(self, account: Account, attempt: Attempt) -> None:
        """An order of this run came to its end: put the real price in place of the expected one."""
        if attempt.attempt_id not in self._under_way:
            return
        self._under_way.discard(attempt.attempt_id)
        self.progress.end_order(attempt)
        if attempt.credits is not None:
            account.reserve(attempt.credits - attempt.price_credits)
            if attempt.credits < attempt.price_credits:
                self._too_dear_credits = None

    # Preparing

    async def _prepare_all(
        self, account: Account, ready: MemoryObjectSendStream[Offer], offered: MemoryObjectReceiveStream[Offer]
    ) -> None:
        async with ready, offered:
            async for offer in offered:
                await account.check(partial(self._keep_balance, account))
                if account.has_left or self._why_not(account, offer.wanted) is not None:
                    await self._decline(account, offer)
                    if account.has_left:
                        return
                else:
                    await self._prepare(account, offer, ready)

    async def _prepare(self, account: Account, offer: Offer, ready: MemoryObjectSendStream[Offer]) -> None:
        wanted = offer.wanted
        try:
            urls = await self.uploader.image_urls(account, wanted.prompt_table, wanted.request)
        except KeyRefused as error:
            account.stop(Refusal.KEY, str(error).rsplit(": ", 1)[-1])
            await self._decline(account, offer)
        except ReadFailed as error:
            await self.on_left(wanted, f"a reference image could not be uploaded: {error}")
        else:
            await ready.send(replace(offer, image_urls=tuple(urls)))

    async def _decline(self, account: Account, offer: Offer) -> None:
        """This account cannot buy it: leave it to another one, or tell why it is not sent."""
        price = offer.wanted.request.price_credits
        others = [one for one in self.accounts if one is not account and not one.has_left]
        if account.has_left or (self._over_budget(price) is None and any(one.why_not(price) is None for one in others)):
            # For good: an offer that went to and fro between two accounts would never come to an end.
            account.has_left = True
            await self._offers.send(Offer(wanted=offer.wanted))
            return
        reason = self._why_not(account, offer.wanted) or "not sent"
        self.progress.notice(f"{reason}.")
        await self.on_left(offer.wanted, reason)

    # Submitting

    async def _submit_all(self, account: Account, ready: MemoryObjectReceiveStream[Offer]) -> None:
        async with ready:
            async for offer in ready:
                if self._why_not(account, offer.wanted) is not None:
                    await self._decline(account, offer)
                    continue
                # Held before the claim: several orders at once must not count on the same credits.
                price_credits, is_ordered = offer.wanted.request.price_credits, False
                account.reserve(price_credits)
                try:
                    is_ordered = await self._submit(account, offer)
                finally:
                    if not is_ordered:
                        account.reserve(-price_credits)

    async def _submit(self, account: Account, offer: Offer) -> bool:
        """Take a grant of the pace, claim, and start the order; False if it was not to be, which is told."""
        while True:
            given_s = await account.grant()
            if account.stopped is not None:
                account.give_back(given_s)
                await self._decline(account, offer)
                return False
            claim = await self._claim_and_order(account, offer)
            if claim is Claim.MADE:
                return True
            account.give_back(given_s)
            if claim is not Claim.NO_ROOM:
                await self._not_claimed(account, offer, claim)
                return False
            await self.claims.await_room(account)

    async def _not_claimed(self, account: Account, offer: Offer, claim: Claim) -> None:
        if claim is Claim.TAKEN:
            return await self.on_taken(offer.wanted)
        if claim is Claim.OVER_RUN_BUDGET:
            price = offer.wanted.request.price_credits
            self._too_dear_credits = price if self._too_dear_credits is None else min(price, self._too_dear_credits)
        else:
            account.end_of_day_budget(self.rules.max_credits_per_day)
        return await self._decline(account, offer)

    async def _claim_and_order(self, account: Account, offer: Offer) -> Claim:
        sent = task_input(offer.wanted.request, offer.image_urls)
        claim = Claim.NO_ROOM
        with anyio.CancelScope(shield=True):  # between a committed claim and its order nothing may come
            claim, attempt = await self.claims.claim(account, offer.wanted, sent)
            if claim is Claim.MADE:
                self._under_way.add(attempt.attempt_id)
                self.progress.begin_order(attempt)
                address = callback_address(self.rules.callback_url, attempt.attempt_id)
                body = create_body(offer.wanted.request.model, sent, address)
                self.orders.start(account, offer.wanted, attempt, body)
        return claim

    # Money

    async def _keep_balance(self, account: Account, balance_credits: float) -> None:
        """Evidence for what may become of orders without an answer."""
        reading = Reading(at=datetime.now(UTC), credits=balance_credits, run_id=self.rules.run_id)
        await self.writer.do(note_balance, self.rules.service, account.name, reading)

    def _why_not(self, account: Account, wanted: Wanted) -> str | None:
        price = wanted.request.price_credits
        return self._over_budget(price) or account.why_not(price)

    def _over_budget(self, price_credits: float) -> str | None:
        if self._too_dear_credits is None or price_credits < self._too_dear_credits:
            return None
        return f"The budget of this run ({self.rules.max_credits or 0:,.10g} credits) is used up"
