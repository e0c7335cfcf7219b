"""One account as the driver sees it: its client, its pace, and why it may have stopped buying.

Lives here: the pre-flight check, pausing and stopping an account, the balance that is left. Does not live here: the
order itself (``generate``) and polling (``follow``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from banana_pipeline.core.decisions import pause_after_refusal_s
from banana_pipeline.core.failures import Ambiguous, KeyRefused, LockedOut, ReadFailed, Refusal, Refused, Unreachable
from banana_pipeline.core.timing import LONGEST_PAUSE_S
from banana_pipeline.kie.client import KieClient, open_client
from banana_pipeline.kie.errors_of_http import host_of
from banana_pipeline.kie.pace import Pace, RateLimit
from banana_pipeline.settings import Settings

# An older grant is let go: used late, it would be one order too many in a window that has moved on.
_GRANT_LIFE_S = 0.1
# KIE's own answers take a second (protocol reference, section 1).
_FIRST_ANSWER_S = 3.0
# Bad luck loses some answers in a row, an outage all: what it touches waits for a person.
_MOST_DOUBTS = 25

_STOP_SENTENCES = {
    Refusal.KEY: "KIE does not accept the key ({said}); check KIE_API_KEY, then run again",
    Refusal.CREDITS: "The account has too few credits ({said}); top it up, then run again",
    Refusal.KEY_CAP: "The key has used up its own limit ({said}); wait until it resets or raise it, then run again",
    Refusal.DISABLED: "KIE has switched this feature off ({said}); run again when it is back",
    Refusal.MAINTENANCE: "KIE is in maintenance ({said}); run again later",
    Refusal.NOT_KIE: "{said}; check KIE_BASE_URL and any proxy or login page on the way, then run again",
    Refusal.NOT_SENT: "KIE at {said}; check the network and KIE_BASE_URL, then run again",
}


@dataclass(kw_only=True)
class Account:
    """State of one account during one run.

    Attributes:
        pace: limit on orders; query_pace: limit on queries. Both are shared with other processes.
        patience_s: how long passing refusals may go on before the account stops for this run.
        stopped: one sentence saying why nothing is bought any more; None while buying goes on.
        has_left: it buys nothing more and leaves what is offered to other accounts.
        stopped_reading: the key is no longer accepted for queries either.
        balance_credits: what was there at the pre-flight check, less what this run has ordered; None if not known.
    """

    client: KieClient
    pace: Pace
    query_pace: Pace
    patience_s: float
    stopped: str | None = None
    balance_credits: float | None = None
    has_left: bool = False
    stopped_reading: bool = False
    _spare_grants: list[float] = field(default_factory=list)
    _paused_until_s: float = 0.0
    _refused_since_s: float | None = None
    _refusals: int = 0
    _first_grant_s: float | None = None
    _is_answered: bool = False
    _doubts: int = 0
    _is_checked: bool = False
    _checking: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def name(self) -> str:
        return self.client.account

    async def check(self, keep_balance: Callable[[float], Awaitable[None]]) -> None:
        """Pre-flight, once a run: is the service there, is the key good, how many credits are there?

        Args:
            keep_balance: called with the balance, where KIE tells it, before anything is bought.
        """
        async with self._checking:
            if self._is_checked:
                return
            self._is_checked = True
            try:
                self.balance_credits = await self.client.credits()
                await keep_balance(self.balance_credits)
            except LockedOut as error:
                self.stop(Refusal.NOT_KIE, str(error))
            except KeyRefused as error:
                self.stop(Refusal.KEY, str(error).rsplit(": ", 1)[-1])
            except Unreachable as error:
                self.stop(Refusal.NOT_SENT, str(error))
            except ReadFailed as error:
                if await self.client.answers_as_kie():
                    self.balance_credits = None  # not worth stopping for: KIE itself refuses what is not covered
                else:  # before the first order, which might be in doubt for ever
                    self.stop(Refusal.NOT_KIE, str(error))

    async def grant(self) -> float:
        """Permission for one order, now: a fresh one that was given back, or a new one; the moment it was given.

        Waits for the pace and for the end of a pause. A stop ends the wait at once: look at ``stopped`` afterwards.
        """
        while True:
            await self._unpaused()
            await self._first_answered()
            while self._spare_grants:
                given_s = self._spare_grants.pop()
                if time.monotonic() - given_s < _GRANT_LIFE_S:
                    return given_s
            await self.pace.acquire()
            given_s = time.monotonic()
            if self._paused_until_s <= given_s or self.stopped is not None:
                return given_s

    def give_back(self, given_s: float) -> None:
        """A grant was not used after all; the next order may have it."""
        self._spare_grants.append(given_s)
        self._first_grant_s = None  # if it was the first, another one has to be the first

    def why_not(self, price_credits: float) -> str | None:
        """Why an order of this price must not go out now; None if it may."""
        if self.stopped is None and self.balance_credits is not None and price_credits > self.balance_credits:
            return (
                f"The account has {self.balance_credits:,.10g} credits left, the next image costs "
                f"{price_credits:,.10g}; top it up, then run again"
            )
        return self.stopped

    def reserve(self, credits_amount: float) -> None:
        """Take from (or, negative, give back to) the balance that is left."""
        if self.balance_credits is not None:
            self.balance_credits -= credits_amount

    def stop(self, why: Refusal, said: str) -> None:
        """Buy nothing more in this run; what is paid is still polled and archived."""
        if self.stopped is None:
            self.stopped = _STOP_SENTENCES[why].format(said=said)

    def end_of_day_budget(self, budget_credits: float | None) -> None:
        """The account's budget for this day is used up: buy nothing more in this run."""
        if self.stopped is None:
            self.stopped = (
                f"The budget of this day ({budget_credits or 0:,.10g} credits, BANANA_MAX_CREDITS_PER_DAY) is used up; "
                "run again after midnight UTC"
            )

    def accepted(self) -> None:
        """KIE took an order: earlier refusals are over."""
        self._is_answered, self._doubts = True, 0
        self._refused_since_s, self._refusals = None, 0

    def refused(self, refused: Refused, *, fraction: float) -> str | None:
        """Pause or stop as the refusal demands; what a person should know of it.

        ``fraction`` is random in [0, 1): processes must not wake together.
        """
        self._is_answered, self._doubts = True, 0
        if refused.why is Refusal.NOT_KIE:
            self._stop_at_stranger(f"{refused.code or ''} {refused.msg}".strip())
        elif refused.why.is_account_wide:
            self.stop(refused.why, refused.msg or str(refused.code))
        if not refused.why.is_passing:
            return self._why_stopped()
        now_s = time.monotonic()
        self._refusals += 1
        self._refused_since_s = now_s if self._refused_since_s is None else self._refused_since_s
        if refused.why is not Refusal.RATE and now_s - self._refused_since_s > self.patience_s:
            self.stop(refused.why, refused.msg)
        pause_s = pause_after_refusal_s(refused, times=self._refusals) * (1.0 + 0.2 * fraction)
        self._paused_until_s = max(self._paused_until_s, now_s + min(pause_s, LONGEST_PAUSE_S))
        return _longer_wait(refused) or self._why_stopped()

    def in_doubt(self, order: Ambiguous) -> str | None:
        """Nobody knows whether KIE took an order. Stop if what answered is not KIE, or if no order gets a clear answer
        any more; what a person should know."""
        self._is_answered, self._doubts = True, self._doubts + 1
        if order.is_not_kie:
            self._stop_at_stranger(order.reason)
        elif self._doubts >= _MOST_DOUBTS and self.stopped is None:
            self.stopped = (
                f"{self._doubts} orders in a row got no clear answer ({order.reason}); run again when KIE is well"
            )
        return self._why_stopped()

    def _stop_at_stranger(self, told: str) -> None:
        self.stop(Refusal.NOT_KIE, f"{host_of(self.client.base_url)} does not answer as KIE does ({told})")

    def _why_stopped(self) -> str | None:
        return None if self.stopped is None else f"{self.stopped}."

    async def _first_answered(self) -> None:
        """One order goes ahead of all others, for a moment: where a stranger answers it, only one is in doubt."""
        while self._is_first_order_out():  # noqa: ASYNC110  two may be waiting, and either may be the next first
            await anyio.sleep(0.01)
        self._first_grant_s = self._first_grant_s or time.monotonic()

    def _is_first_order_out(self) -> bool:
        if self._is_answered or self.stopped is not None or self._first_grant_s is None:
            return False
        return time.monotonic() - self._first_grant_s < _FIRST_ANSWER_S

    async def _unpaused(self) -> None:
        # In short steps, because the pause may grow, and the account stop, while we wait.
        while self.stopped is None and (left_s := self._paused_until_s - time.monotonic()) > 0:  # noqa: ASYNC110
            await anyio.sleep(min(left_s, 1.0))


def _longer_wait(refused: Refused) -> str | None:
    asked_s = refused.retry_after_s or 0.0
    if refused.why is not Refusal.RATE or asked_s <= LONGEST_PAUSE_S:
        return None
    return f"KIE asks to wait {asked_s:,.0f} s; waiting {LONGEST_PAUSE_S / 60:g} min, then asking again."


@contextlib.asynccontextmanager
async def open_accounts(
    *, keys: Sequence[str], base_url: str, upload_base_url: str, limit: RateLimit, patience_s: float
) -> AsyncIterator[list[Account]]:
    """One account for each key, with a client and paces that are shared with other processes."""
    host = base_url.split("//", 1)[-1].rstrip("/")
    async with contextlib.AsyncExitStack() as stack:
        accounts: list[Account] = []
        for key in dict.fromkeys(keys):
            opening = open_client(api_key=key, base_url=base_url, upload_base_url=upload_base_url)
            client = await stack.enter_async_context(opening)
            pace = Pace(name=f"{host}-{client.account}-create", limit=limit)
            query_pace = Pace(name=f"{host}-{client.account}-query", limit=limit.for_queries())
            stack.callback(pace.close)
            stack.callback(query_pace.close)
            accounts.append(Account(client=client, pace=pace, query_pace=query_pace, patience_s=patience_s))
        yield accounts


def accounts_of(settings: Settings) -> contextlib.AbstractAsyncContextManager[list[Account]]:
    """The accounts of the settings' keys, opened as `open_accounts` does; an empty list without a key."""
    return open_accounts(
        keys=settings.api_keys,
        base_url=settings.base_url,
        upload_base_url=settings.upload_base_url,
        limit=settings.rate_limit,
        patience_s=settings.deadline_s,
    )
