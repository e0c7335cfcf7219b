"""Many ledger operations, one transaction, one fsync.

Lives here: a worker thread that owns the ledger's connection, collects what has been asked meanwhile, runs it in one
transaction and answers after the commit. Does not live here: what the operations do (``store.ledger``).

An operation's answer reaches the caller only after its transaction is committed: what the caller then does (send a
POST) rests on durable ground.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store.ledger_open import ledger_sentence, open_engine

Operation = Callable[..., Any]

_LARGEST_GROUP = 256


class LedgerWriter:
    """Runs ledger operations in groups. Use as a context manager; safe to call from any thread.

    Args:
        url: the ledger's URL.

    Raises:
        LedgerError: as `open_engine`, and from each operation when the database fails.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = open_engine(url)
        self._queue: queue.SimpleQueue[tuple[Operation, tuple[Any, ...], dict[str, Any], Future[Any]] | None]
        self._queue = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, operation: Operation, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue ``operation(connection, *args, **kwargs)``; the future is done after the commit."""
        if self._is_closed:
            raise RuntimeError("the ledger was closed; nobody would answer")
        future: Future[Any] = Future()
        self._queue.put((operation, args, kwargs, future))
        return future

    def call(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        """As `submit`, waiting for the result."""
        return self.submit(operation, *args, **kwargs).result()

    async def do(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        """As `submit`, awaited."""
        return await asyncio.wrap_future(self.submit(operation, *args, **kwargs))

    def close(self) -> None:
        """Finish what is queued and close the connection."""
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()
        self._engine.dispose()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            group, is_last = [first], False
            while len(group) < _LARGEST_GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    is_last = True
                    break
                group.append(following)
            # A caller that has given up is not served; one that is being served can no longer give up.
            self._run([one for one in group if one[3].set_running_or_notify_cancel()])
            if is_last:
                return

    def _run(self, group: list[tuple[Operation, tuple[Any, ...], dict[str, Any], Future[Any]]]) -> None:
        if not group:
            return
        try:
            with self._engine.begin() as connection:
                results = [operation(connection, *args, **kwargs) for operation, args, kwargs, _ in group]
        except Exception as error:
            if len(group) > 1:
                # Nothing of the group was committed; alone, each shows whether the fault is its own.
                for one in group:
                    self._run([one])
                return
            group[0][3].set_exception(self._told(error))
            return
        for (_, _, _, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _told(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError | OSError | PoolTimeoutError):
            told = LedgerError(ledger_sentence(self._url, error))
            told.__cause__ = error
            return told
        return error
