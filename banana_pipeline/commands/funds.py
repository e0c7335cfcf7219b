"""What there is to spend: the accounts' balances, and what is left of the day's budget.

Lives here: asking for it, within a few seconds or not at all, and saying it. Does not live here: what something would
cost (``commands.estimate``), keeping to a budget (``store.ledger_claims``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from banana_pipeline.accounts import accounts_of
from banana_pipeline.core.failures import KieError
from banana_pipeline.settings import Settings
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_money import day_of, spent_on_day
from banana_pipeline.store.ledger_open import ledger_exists

_ASK_WITHIN_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Funds:
    """One account's means. ``balance_credits``: None where KIE did not tell; ``left_today_credits``: None: no limit."""

    account: str
    balance_credits: float | None
    left_today_credits: float | None

    @property
    def spendable_credits(self) -> float | None:
        """What may be spent now; None if nothing is known to limit it."""
        known = [amount for amount in (self.balance_credits, self.left_today_credits) if amount is not None]
        return min(known) if known else None


def read_funds(settings: Settings) -> list[Funds]:
    """Every account's means; empty without a key.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return anyio.run(_read, settings) if settings.api_keys else []


async def _read(settings: Settings) -> list[Funds]:
    found: list[Funds] = []
    async with accounts_of(settings) as accounts:
        for account in accounts:
            balance: float | None = None
            with anyio.move_on_after(_ASK_WITHIN_S), contextlib.suppress(KieError):
                balance = await account.client.credits()
            left = _left_today(settings, account.name)
            found.append(Funds(account=account.name, balance_credits=balance, left_today_credits=left))
    return found


def _left_today(settings: Settings, account: str) -> float | None:
    budget = settings.max_credits_per_day
    if budget is None or not ledger_exists(settings.ledger_url):
        return budget
    with LedgerWriter(settings.ledger_url) as writer:
        spent = writer.call(spent_on_day, settings.service, account, day_of(datetime.now(UTC)))
    return max(0.0, budget - spent)


def funds_sentences(funds: Sequence[Funds], *, price_credits: float) -> list[str]:
    """Is there enough for ``price_credits``? One sentence for each account, one for the answer."""
    lines = []
    for one in funds:
        balance = "did not tell its balance" if one.balance_credits is None else f"has {_said(one.balance_credits)}"
        today = "" if one.left_today_credits is None else f"; its budget leaves {_said(one.left_today_credits)} today"
        lines.append(f"Account {one.account} {balance}{today}.")
    spendable = [one.spendable_credits for one in funds]
    known = [amount for amount in spendable if amount is not None]
    if known and len(known) == len(spendable):
        short = price_credits - sum(known)
        lines.append(f"That is {_said(short)} too few: the rest would stay not_submitted." if short > 0 else "Enough.")
    return lines


def _said(amount: float) -> str:
    return f"{amount:,.10g} credits"
