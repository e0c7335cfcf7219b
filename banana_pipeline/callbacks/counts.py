"""What the receiver has seen: numbers only, never a body, a header or an address.

Here: counting, and one line about what was refused since the last one. Not here: refusing (app, server).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

_EVERY_S = 1.0


class Counts:
    """Callbacks by what became of them. ``nothing_new``: about no attempt of ours, or heard before."""

    def __init__(self) -> None:
        self.received = 0
        self.kept = 0
        self.nothing_new = 0
        self.lost = 0
        self.refused: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()

    def refuse(self, reason: str) -> None:
        self.refused[reason] += 1
        self._untold[reason] += 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "kept": self.kept,
            "unknown_or_repeated": self.nothing_new,
            "lost_in_ledger": self.lost,
            "refused": dict(self.refused),
        }

    def take_line(self) -> str | None:
        """One line about what was refused since the last line; None if nothing was."""
        if not self._untold:
            return None
        parts = ", ".join(f"{number} {reason}" for reason, number in self._untold.most_common())
        self._untold = Counter()
        return f"Refused: {parts}."


async def tell(counts: Counts, say: Callable[[str], None]) -> None:
    """Say what was refused, at most once a second: a flood must not fill the log."""
    while True:
        await asyncio.sleep(_EVERY_S)
        if (line := counts.take_line()) is not None:
            say(line)


def say_aloud(line: str) -> None:
    """Print to standard error; whoever read it may be gone."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
