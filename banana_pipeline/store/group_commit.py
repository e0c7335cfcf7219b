"""Many ledger operations, one transaction, one fsync.

Lives here: a worker thread that owns the ledger's connection, collects what has been asked meanwhile, runs it in one
transaction and answers after the commit. Does not live here: what the operations do (``store.ledger``).

An operation's answer reaches the caller only after its transaction is committed: what the caller then does (send a
POST) rests on durable ground. A lost connection is no reason to give up: the group is run again when the database is
back, which every operation must bear (its first commit may have been done).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import stamina
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store.ledger_open import ledger_sentence, open_engine
from banana_pipeline.store.presence import open_presence

Operation = Callable[..., Any]

_LARGEST_GROUP = 256
_POSTGRES_FULL = "53100"
AWAY_S = 120.0
"""How long a Postgres ledger may be away, as in a restart, before a run gives up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """An operation in the queue; ``future`` answers whoever has asked for it."""

    operation: Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Future[Any]


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
        try:
            self.presence = open_presence(self._engine)
        except (DBAPIError, OSError) as error:
            raise self._told(error) from error
        self._file = _file_of(self._engine)
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._is_closed = False
        self._has_waited = False
        self._is_hurried = False
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
        self._queue.put(_Asked(operation=operation, args=args, kwargs=kwargs, future=future))
        return future

    def call(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        """As `submit`, waiting for the result."""
        return self.submit(operation, *args, **kwargs).result()

    async def do(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        """As `submit`, awaited."""
        return await asyncio.wrap_future(self.submit(operation, *args, **kwargs))

    def hurry(self) -> None:
        """Wait no longer for a database that is away: the process is to end."""
        self._is_hurried = True

    def close(self) -> None:
        """Finish what is queued and close the connection."""
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()
        self.presence.close()
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
            self._serve([one for one in group if one.future.set_running_or_notify_cancel()])
            if is_last:
                return

    def _serve(self, group: list[_Asked]) -> None:
        try:
            self._run(group)
        except BaseException as error:  # a fault of this module; without an answer every caller would wait for ever
            for one in group:
                if not one.future.done():
                    one.future.set_exception(error)

    def _run(self, group: list[_Asked]) -> None:
        if not group:
            return
        try:
            results = self._committed(group)
        except Exception as error:
            if len(group) > 1 and not self._is_out_of_reach(error):
                # Nothing of the group was committed; alone, each shows whether the fault is its own.
                for one in group:
                    self._run([one])
                return
            self._has_waited = self._is_away(error)
            told = self._told(error)
            for one in group:
                one.future.set_exception(told)
            return
        for one, result in zip(group, results, strict=True):
            one.future.set_result(result)

    def _committed(self, group: list[_Asked]) -> list[Any]:
        # Whoever asks after the ledger was given up does not wait for it once more.
        most = 1 if self._has_waited else None
        policy = stamina.retry_context(on=self._is_away, attempts=most, timeout=AWAY_S, wait_initial=0.2, wait_max=3.0)
        for attempt in policy:
            with attempt:
                self.presence.renew()
                with self._engine.begin() as connection:
                    results = [one.operation(connection, *one.args, **one.kwargs) for one in group]
                self._must_be_in_its_place()
                self._has_waited = False
                return results
        raise AssertionError("the policy either returns or raises")

    def _must_be_in_its_place(self) -> None:
        """SQLite goes on writing to a file that was deleted: what is committed there, nobody will ever read."""
        if self._file is not None and _file_of(self._engine) != self._file:
            raise LedgerError(
                f"The ledger {self._engine.url.database} was moved, deleted or replaced while it was in use; "
                "put it back where it was, then run again."
            )

    def _is_out_of_reach(self, error: Exception) -> bool:
        """Would each operation of the group wait as long as the group has waited, and fail like it?"""
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        return self._is_away(error) or (code is not None and code & 0xFF == sqlite3.SQLITE_BUSY)

    def _is_away(self, error: Exception) -> bool:
        """Is this the loss of a database server, which may come back? A file does not go away by itself."""
        if self._is_hurried or self._engine.dialect.name != "postgresql":
            return False
        if not isinstance(error, OperationalError | InterfaceError):
            return False
        return getattr(error.orig, "sqlstate", None) != _POSTGRES_FULL

    def _told(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError | OSError | PoolTimeoutError):
            told = LedgerError(ledger_sentence(self._url, error))
            told.__cause__ = error
            return told
        return error


def _file_of(engine: sa.Engine) -> tuple[int, int] | None:
    """Which file a SQLite ledger is, whatever its name; None where there is none."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        found = Path(engine.url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
