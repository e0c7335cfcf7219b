"""Opening a ledger: engine settings for SQLite and Postgres, and bringing its schema up to date.

Lives here: durability settings, migrations, and a plain sentence for each way opening can fail. Does not live here:
which URLs are a ledger (``ledger_place``), reading and writing attempts (``store.ledger``).
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import alembic.command
import sqlalchemy as sa
import stamina
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store.ledger_place import BAD_URL, ledger_place

_LOCK_WAIT_S = 30
_TURN_LOCK = 0x62616E61  # any constant: names the advisory lock on Postgres


def open_engine(url: str) -> sa.Engine:
    """An engine on an up-to-date ledger.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg://...``.

    Raises:
        LedgerError: it cannot be opened or written, or a newer program wrote it.
    """
    engine = _engine(url)
    try:
        # A connection that a server or a proxy ends meanwhile is made anew; one that cannot be made is told at once.
        for attempt in stamina.retry_context(on=_is_ended, attempts=5, wait_initial=0.1, wait_max=1.0):
            with attempt, engine.begin() as connection:
                _upgrade(connection)
    except (DBAPIError, OSError) as error:
        raise LedgerError(ledger_sentence(url, error)) from error
    return engine


def _is_ended(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def ledger_exists(url: str) -> bool:
    """Is there a ledger to look into? Where there is none yet, nothing was ever bought, and looking must not make one.

    Raises:
        LedgerError: the URL cannot be understood.
    """
    place = ledger_place(url)
    return place.get_backend_name() != "sqlite" or Path(place.database or "").exists()


def ledger_sentence(url: str, error: BaseException) -> str:
    """One sentence for a person, without the password that a URL may hold."""
    shown = sa.make_url(url).set(query={}).render_as_string(hide_password=True)
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return f"The ledger {shown} cannot be used ({text}); check that it is there, writable and not full."


def _engine(url: str) -> sa.Engine:
    place = ledger_place(url)
    if place.get_backend_name() == "sqlite":
        return _sqlite_engine(place)
    try:
        return _postgres_engine(place)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise LedgerError(BAD_URL) from error


def _postgres_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # One at a time, as SQLite has it: what was counted (room, money) is still true when it is committed.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN_LOCK})")

    return engine


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    try:
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(ledger_sentence(str(url), error)) from error
    engine = sa.create_engine(url, connect_args={"timeout": _LOCK_WAIT_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _settings(connection, _record) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads first and writes later can fail half way; this one waits at the door.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two processes that do it to a new file at once do not wait for each other by themselves."""
    give_up_at_s = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at_s:
                raise
            time.sleep(0.02)


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise LedgerError(
            f"The ledger has schema {current}, which a newer banana_pipeline wrote; upgrade this installation."
        )
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
