"""Hints into the ledger, while the sender waits only a moment.

Here: how long is waited, how many writes may be pending, when the ledger counts as failing. Not here: what is written
(``store.ledger_callbacks``), what the sender is told (app).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from banana_pipeline.callbacks.counts import Counts
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import keep_callback, newest_callback

_ANSWER_WITHIN_S = 0.04
_MOST_PENDING = 64
_STUCK_AFTER_S = 2.0
_SPARED_S = 1.0
_CHECK_KEPT_S = 1.0
_CHECK_WITHIN_S = 1.0


class NotKept(Exception):
    """The hint was not written; its text says why. The sender should try again later."""


class Keeper:
    """Writes hints in the background. All methods belong to one event loop."""

    def __init__(self, writer: LedgerWriter, counts: Counts, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._counts = counts
        self._clock = clock
        self._pending: dict[asyncio.Future[Any], float] = {}
        self._failed_at_s: float | None = None
        self._check: asyncio.Future[Any] | None = None
        self._checked_at_s = 0.0

    @property
    def waiting(self) -> int:
        """Writes that are not committed yet."""
        return len(self._pending)

    async def keep(self, *, attempt_id: str | None, task_id: str) -> None:
        """Have a hint written; returns when it is, or after 40 ms while the commit goes on.

        Raises:
            NotKept: the ledger fails, or too many hints wait for it already.
        """
        self._require_room()
        at = datetime.fromtimestamp(self._clock(), tz=UTC)
        writing = self._submit(keep_callback, attempt_id=attempt_id, task_id=task_id, at=at)
        writing.add_done_callback(self._count)
        # Hazard: a sender that was answered before the commit does not send again if the commit then fails. The hint is
        # lost then, and polling finds the task a little later, as it does without callbacks.
        await asyncio.wait({writing}, timeout=_ANSWER_WITHIN_S)
        if writing.done() and writing.result() is None:
            raise NotKept("the ledger fails")

    async def is_well(self) -> bool:
        """Does the ledger answer? Asked at most once a second, however many want to know."""
        now_s = asyncio.get_running_loop().time()
        if self._check is None or (self._check.done() and now_s - self._checked_at_s > _CHECK_KEPT_S):
            self._check, self._checked_at_s = self._submit(newest_callback), now_s
        await asyncio.wait({self._check}, timeout=_CHECK_WITHIN_S)
        return self._check.done() and self._check.result() is not None

    async def drain(self, seconds: float) -> None:
        """Wait for pending writes, but not longer than this."""
        if self._pending:
            await asyncio.wait(list(self._pending), timeout=seconds)

    def _require_room(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if len(self._pending) >= _MOST_PENDING:
            raise NotKept("too many at once for the ledger")
        # After a failure one callback in a second tries the ledger; the others are sent away without touching it.
        if self._failed_at_s is not None and now_s - self._failed_at_s < _SPARED_S:
            raise NotKept("the ledger fails")
        if self._pending and now_s - next(iter(self._pending.values())) > _STUCK_AFTER_S:
            raise NotKept("the ledger does not answer")

    def _submit(self, operation: Callable[..., Any], **arguments: Any) -> asyncio.Future[Any]:
        """Queue an operation; the future's result is the operation's, or None if the ledger failed."""
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[Any] = loop.create_future()
        self._pending[settled] = loop.time()

        def tell(done: Future[Any]) -> None:
            # Runs in the ledger's thread. At the end of the process the loop may be gone; the commit stands anyway.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._settle, settled, done)

        self._writer.submit(operation, **arguments).add_done_callback(tell)
        return settled

    def _settle(self, settled: asyncio.Future[Any], done: Future[Any]) -> None:
        self._pending.pop(settled, None)
        has_failed = done.exception() is not None
        self._failed_at_s = asyncio.get_running_loop().time() if has_failed else None
        if not settled.done():
            settled.set_result(None if has_failed else done.result())

    def _count(self, writing: asyncio.Future[Any]) -> None:
        outcome = None if writing.cancelled() else writing.result()
        if outcome is None:
            self._counts.lost += 1
        elif outcome:
            self._counts.kept += 1
        else:
            self._counts.nothing_new += 1
