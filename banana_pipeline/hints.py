"""Callbacks as a run hears of them: through the ledger, where the receiver (another process) has written them.

Lives here: listening, and waking whoever waits for an attempt. Does not live here: receiving (``callbacks``), believing
(``recover``). Without callbacks nothing is ever heard and every wait simply lasts its full time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from banana_pipeline.store import ledger_callbacks
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

_LOOK_S = 0.5
_LATELY = timedelta(minutes=10)
_SURE_AFTER = 5  # finished tasks without one callback: nobody receives them


@dataclass(kw_only=True)
class Hints:
    """What has been heard in this run.

    Attributes:
        is_on: KIE was asked to call back.
        has_come: a callback was heard in this run or shortly before, so the receiver works.
        finished: tasks of this run that came to their end.
    """

    writer: LedgerWriter
    is_on: bool
    has_come: bool = False
    finished: int = 0
    _events: defaultdict[str, anyio.Event] = field(default_factory=lambda: defaultdict(anyio.Event))

    @property
    def are_expected(self) -> bool:
        """Is a callback likely to come for a task that ends now?"""
        return self.is_on and (self.has_come or self.finished < _SURE_AFTER)

    async def listen(self) -> None:
        """Hear of callbacks until cancelled; returns at once where none can come."""
        if not self.is_on:
            return
        last_id, last_at = await self.writer.do(ledger_callbacks.newest_callback)
        self.has_come = last_at is not None and datetime.now(UTC) - last_at < _LATELY
        while True:
            await anyio.sleep(_LOOK_S)
            for hint in await self.writer.do(ledger_callbacks.callbacks_after, last_id):
                last_id, self.has_come = hint.id, True
                self._events[hint.attempt_id].set()

    async def wait(self, attempt_id: str, seconds: float) -> bool:
        """Sleep, but not past the next callback about this attempt; True if one has come."""
        if not self.is_on:
            await anyio.sleep(seconds)
            return False
        with anyio.move_on_after(seconds):
            await self._events[attempt_id].wait()
        # Heard once: a hint that proved nothing must not keep its attempt awake.
        event = self._events.pop(attempt_id, None)
        return event is not None and event.is_set()

    async def open_about(self, attempt_id: str) -> list[Hint]:
        """Hints about an attempt that are not settled yet, from this run or an earlier one."""
        found = await self.writer.do(ledger_callbacks.callbacks_of, [attempt_id])
        return [hint for hint in found if hint.is_open]
