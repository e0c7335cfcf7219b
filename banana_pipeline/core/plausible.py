"""Figures that a stranger tells: which of them can be true.

Lives here: the ranges of what a task cost, of a balance and of times. Does not live here: reading JSON (``kie``), what
is recorded instead of a figure that cannot be true (``judge``).

A figure outside its range counts as not told. What an image really costs may change without notice, so its range is
wide; what is kept out is what would turn a budget or a sum into nonsense.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MOST_TIMES_THE_PRICE = 10
"""A task costs nothing at the least, and so many times its expected price at the most."""

MOST_BALANCE_CREDITS = 1e9
"""Five million dollars. Below zero a balance is a debt, which services do allow: it is true, and nothing is bought."""

FIRST_MOMENT, LAST_MOMENT = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

CLOCKS_DIFFER = timedelta(days=1)
"""KIE's clock may show another time zone's hour, but not another day."""


def plausible_cost(told_credits: float | None, *, price_credits: float) -> float | None:
    """What a task of an expected price can have cost; None where nothing or nonsense is told."""
    if told_credits is None or not 0.0 <= told_credits <= MOST_TIMES_THE_PRICE * price_credits:
        return None
    return told_credits


def plausible_balance(told_credits: float | None) -> float | None:
    """A balance in credits, debts included; None where nothing or nonsense is told."""
    if told_credits is None or not abs(told_credits) <= MOST_BALANCE_CREDITS:
        return None
    return told_credits


def plausible_moment(epoch_ms: float | None) -> datetime | None:
    """A moment within this century's plausible part; None where nothing or nonsense is told."""
    first_ms, last_ms = FIRST_MOMENT.timestamp() * 1000, LAST_MOMENT.timestamp() * 1000
    if epoch_ms is None or not first_ms <= epoch_ms < last_ms:
        return None
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def plausible_end(told_at: datetime | None, *, claimed_at: datetime, seen_at: datetime) -> datetime | None:
    """When a task can have ended that was ordered and seen finished at these moments of our clock."""
    if told_at is None or not claimed_at - CLOCKS_DIFFER <= told_at <= seen_at + CLOCKS_DIFFER:
        return None
    return told_at


def plausible_duration_s(told_s: float | None, *, claimed_at: datetime, seen_at: datetime) -> float | None:
    """Seconds that a task can have taken which was ordered and seen finished at these moments of our clock."""
    most_s = (seen_at - claimed_at + CLOCKS_DIFFER).total_seconds()
    return told_s if told_s is not None and 0.0 <= told_s <= most_s else None
