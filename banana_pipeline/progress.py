"""What a run has done so far, in numbers a person can follow.

Lives here: counters, written by the drivers and read by whoever shows them (a log line, a progress bar), and how fast
they move. Does not live here: showing them, and any decision: what a budget has left, only the ledger knows.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from banana_pipeline.core.attempts import IN_FLIGHT_STATES, Attempt, AttemptState
from banana_pipeline.core.requests import usd

_RATE_OVER_S = 60.0
_AT_KIE = IN_FLIGHT_STATES | {AttemptState.OVERDUE}

STOPPED_NOTICE = "Stopped on request. What is paid is recorded; run the same again to go on."


@dataclass(kw_only=True)
class Progress:
    """Counters of one run.

    Every order counts in one place at a time: as in flight at its price, then as spent at its real cost or, where its
    answer was lost, as unconfirmed. The three sums are what the ledger counts for the run.

    Attributes:
        planned: requests of the shards opened so far; settled: those that have their final word for this run.
        in_flight: orders of this run that wait for KIE's answer or are being made; in_flight_credits: their price.
        bought: orders of this run that KIE has made and charged; spent_credits: what they cost.
        unconfirmed: orders of this run without an answer; unconfirmed_credits: what they cost if KIE has made them.
        recovered: unanswered orders whose task a callback has named.
        archived: pictures downloaded in this run.
        notices: sentences a person must read, each once.
        tick: called every few seconds by the driver, through `show`.
    """

    planned: int = 0
    settled: int = 0
    in_flight: int = 0
    in_flight_credits: float = 0.0
    bought: int = 0
    spent_credits: float = 0.0
    unconfirmed: int = 0
    unconfirmed_credits: float = 0.0
    recovered: int = 0
    polls: int = 0
    archived: int = 0
    notices: list[str] = field(default_factory=list)
    tick: Callable[[Progress], None] = field(default=lambda _: None)
    _marks: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    def begin_order(self, attempt: Attempt) -> None:
        """An order is about to be sent."""
        self.in_flight += 1
        self.in_flight_credits += attempt.price_credits

    def end_order(self, attempt: Attempt) -> None:
        """This run has done what it can for one of its orders; what KIE still makes stays in flight."""
        if attempt.state in _AT_KIE:
            self.in_flight_credits += attempt.committed_credits - attempt.price_credits
            return
        self.in_flight -= 1
        self.in_flight_credits -= attempt.price_credits
        if attempt.credits is None:
            self.unconfirmed += 1
            self.unconfirmed_credits += attempt.price_credits
        else:
            self.bought += attempt.credits > 0 or attempt.state is AttemptState.SUCCEEDED
            self.spent_credits += attempt.credits

    def show(self) -> None:
        """Tell whoever listens. A terminal or a log that fails must not end a run that spends money."""
        with contextlib.suppress(Exception):
            self.tick(self)

    def notice(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)

    def line(self, now_s: float | None = None) -> str:
        """One line for a log; the rate and the time left are those of the last minute.

        Args:
            now_s: a monotonic clock in seconds; by default the machine's.
        """
        parts = [
            f"{self.settled} of {self.planned} requests settled",
            f"{self.in_flight} in flight",
            f"{self.bought} bought",
            f"{amount(self.spent_credits)} credits (${usd(self.spent_credits):.2f}) spent",
        ]
        if self.in_flight:
            parts.append(f"{amount(self.in_flight_credits)} credits in flight")
        if self.unconfirmed:
            parts.append(f"{self.unconfirmed} without an answer (perhaps {amount(self.unconfirmed_credits)} credits)")
        if self.archived:
            parts.append(f"{self.archived} archived")
        rate = self._settled_per_s(time.monotonic() if now_s is None else now_s)
        if rate and self.settled < self.planned:
            left_s = (self.planned - self.settled) / rate
            parts += [f"{rate:.3g} per s", f"{_in_words(left_s)} left"]
        return ", ".join(parts)

    def _settled_per_s(self, now_s: float) -> float | None:
        """None where nothing can be said yet."""
        marks = self._marks
        marks.append((now_s, self.settled))
        while len(marks) > 2 and now_s - marks[1][0] >= _RATE_OVER_S:
            marks.popleft()
        since_s, settled = marks[0]
        return (self.settled - settled) / (now_s - since_s) if now_s > since_s else None


def amount(credits_amount: float) -> str:
    """Credits for a person; sums of floats leave dust behind their last digit."""
    return f"{round(credits_amount, 6) + 0.0:,.10g}"


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    if seconds < 6_000:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3_600:.1f} h"
