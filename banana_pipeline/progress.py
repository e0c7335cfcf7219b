"""What a run has done so far, in numbers a person can follow.

Lives here: counters, written by the drivers and read by whoever shows them (a log line, a progress bar). Does not live
here: showing them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from banana_pipeline.core.requests import usd

STOPPED_NOTICE = "Stopped on request. What is paid is recorded; run the same again to go on."


@dataclass(kw_only=True)
class Progress:
    """Counters of one run.

    Attributes:
        planned: requests of the shards opened so far; settled: those that have their final word for this run.
        bought: orders that KIE accepted in this run; in_flight: of these, how many are still being made.
        spent_credits: known or expected price of what this run bought, refunds taken off.
        archived: pictures downloaded in this run.
        notices: sentences a person must read, each once.
        tick: called every few seconds by the driver.
    """

    planned: int = 0
    settled: int = 0
    bought: int = 0
    in_flight: int = 0
    spent_credits: float = 0.0
    polls: int = 0
    archived: int = 0
    notices: list[str] = field(default_factory=list)
    tick: Callable[[Progress], None] = field(default=lambda _: None)

    def notice(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)

    def line(self) -> str:
        """One line for a log."""
        return (
            f"{self.settled} of {self.planned} requests settled, {self.in_flight} in flight, "
            f"{self.bought} bought, {self.spent_credits:g} credits (${usd(self.spent_credits):.2f}) spent"
        )
