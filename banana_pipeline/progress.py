"""What a run has done so far, in numbers a person can follow.

Lives here: counters, written by the drivers and read by whoever shows them (a log line, a progress bar), and how fast
they move. Does not live here: showing them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from banana_pipeline.core.requests import usd

_RATE_OVER_S = 60.0

STOPPED_NOTICE = "Stopped on request. What is paid is recorded; run the same again to go on."


@dataclass(kw_only=True)
class Progress:
    """Counters of one run.

    Attributes:
        planned: requests of the shards opened so far; settled: those that have their final word for this run.
        bought: orders that KIE accepted in this run; in_flight: of these, how many are still being made.
        recovered: unanswered orders whose task a callback has named.
        spent_credits: known or expected price of what this run bought, refunds taken off.
        unconfirmed_credits: what of it belongs to orders without an answer.
        archived: pictures downloaded in this run.
        notices: sentences a person must read, each once.
        tick: called every few seconds by the driver.
    """

    planned: int = 0
    settled: int = 0
    bought: int = 0
    in_flight: int = 0
    recovered: int = 0
    spent_credits: float = 0.0
    unconfirmed_credits: float = 0.0
    polls: int = 0
    archived: int = 0
    notices: list[str] = field(default_factory=list)
    tick: Callable[[Progress], None] = field(default=lambda _: None)
    _marks: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

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
            f"{self.spent_credits:,.10g} credits (${usd(self.spent_credits):.2f}) spent",
        ]
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


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    if seconds < 6_000:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3_600:.1f} h"
