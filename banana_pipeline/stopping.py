"""Being asked to stop: Ctrl-C, SIGTERM, "Terminate" in the Dagster UI (which sends SIGINT).

Lives here: turning signals into a request that the drivers look at, instead of an exception thrown into the middle of
a paid order. Does not live here: what stopping means (``generate``).
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import AsyncIterator

import anyio


class StopRequest:
    """``requested`` is set by the first signal (end orderly), ``is_urgent`` by the second (end at once)."""

    def __init__(self) -> None:
        self.requested = anyio.Event()
        self.urgent = anyio.Event()

    @property
    def is_requested(self) -> bool:
        return self.requested.is_set()

    def ask(self) -> None:
        """Ask once, or again for more urgency."""
        (self.urgent if self.is_requested else self.requested).set()


@contextlib.asynccontextmanager
async def stop_on_signals() -> AsyncIterator[StopRequest]:
    """A `StopRequest` fed by SIGINT and SIGTERM while the block runs; earlier handlers are put back afterwards.

    Outside the main thread, where Python allows no handlers, nothing is caught.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, stop)
            yield stop
            tasks.cancel_scope.cancel()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _listen(stop: StopRequest) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop.ask()
