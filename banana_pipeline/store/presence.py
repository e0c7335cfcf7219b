"""Is the process that sends an order still there?

Lives here: a lock that a process holds on its own number for as long as it lives, and the question whether a number is
held. The operating system, or Postgres, lets go of it however the process dies, so nobody has to wait for a claim to
run out. Does not live here: what follows from the answer (``store.claims``).

A wrong "gone" costs no money: the order becomes ``unconfirmed``, which nobody sends again, and its answer still counts.
"""

from __future__ import annotations

import secrets
import selectors
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError


class Presence(Protocol):
    """One process's own number, and the way to ask after others."""

    owner: int

    def is_there(self, connection: sa.Connection, owner: int) -> bool:
        """Does the process with this number still live?"""
        ...

    def renew(self) -> None:
        """Take the lock again where it was lost; costs nothing where it was not."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def open_presence(engine: sa.Engine) -> Presence:
    """The presence that fits the ledger: files beside SQLite (whose users share a machine), else advisory locks."""
    if engine.dialect.name == "postgresql":
        return _SessionPresence(engine)
    return _FilePresence(Path(f"{engine.url.database}-owners"))


def _new_owner() -> int:
    return secrets.randbits(62) + 1


class _FilePresence:
    """A locked file for each process, in a folder beside the ledger."""

    def __init__(self, folder: Path) -> None:
        self.owner = _new_owner()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._file(self.owner))
        self._lock.acquire(timeout=0)

    def is_there(self, connection: sa.Connection, owner: int) -> bool:
        file = self._file(owner)
        if owner == self.owner:
            return True
        if not file.exists():
            return False
        try:
            with FileLock(file, timeout=0):
                file.unlink(missing_ok=True)  # left behind by a process that was killed
        except Timeout:
            return True
        return False

    def renew(self) -> None:
        """A file lock is not lost."""

    def close(self) -> None:
        self._file(self.owner).unlink(missing_ok=True)
        self._lock.release()

    def _file(self, owner: int) -> Path:
        return self._folder / f"{owner:x}"


class _SessionPresence:
    """An advisory lock of a connection that is kept for nothing else."""

    def __init__(self, engine: sa.Engine) -> None:
        self.owner = _new_owner()
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._is_held = False
        self.renew()

    def is_there(self, connection: sa.Connection, owner: int) -> bool:
        if owner == self.owner:
            return True
        is_free = connection.execute(sa.text("SELECT pg_try_advisory_xact_lock(:owner)"), {"owner": owner}).scalar_one()
        return not is_free

    def renew(self) -> None:
        if self._is_lost():
            self._let_go()
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._is_held = False
        if not self._is_held and self._connection is not None:
            # Not held at once where the server has not yet noticed the end of the last connection, or somebody asks.
            answer = self._connection.execute(sa.text("SELECT pg_try_advisory_lock(:owner)"), {"owner": self.owner})
            self._is_held = answer.scalar_one()

    def _is_lost(self) -> bool:
        """Has the server said anything? To a connection that asks nothing, that is the end."""
        driver = None if self._connection is None else self._connection.connection.driver_connection
        if driver is None or driver.closed:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(driver.fileno(), selectors.EVENT_READ)
            return bool(selector.select(timeout=0))

    def close(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is None:
            return
        try:
            # Not back into the pool: the lock lives as long as the connection.
            self._connection.invalidate()
            self._connection.close()
        except DBAPIError:
            pass  # it was gone already
        self._connection = None
