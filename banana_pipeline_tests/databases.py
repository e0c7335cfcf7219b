"""Postgres databases of our own, on the server that PGHOST, PGPORT, PGUSER and PGPASSWORD lead to.

Here: making, disturbing and dropping them. Not here: SQLite; facts, which the tests state.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

LEDGERS = ("sqlite", "postgresql")


@contextlib.contextmanager
def new_database() -> Iterator[str]:
    """The URL of an empty database, dropped afterwards. Raises OperationalError where no server answers."""
    server, name = _url("postgres"), f"banana_test_{uuid.uuid4().hex[:12]}"
    as_owner(server, f"CREATE DATABASE {name}")
    try:
        yield _url(name)
    finally:
        as_owner(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def database_or_skip() -> Iterator[str]:
    """As `new_database`; skips the test where no server answers, but not in CI."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(new_database())
        except OperationalError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no Postgres at PGHOST:PGPORT: {str(error.orig).splitlines()[0]}")
        yield url


def as_owner(url: str, *statements: str) -> None:
    """Run statements on one connection, outside transactions."""
    engine = sa.create_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args={"connect_timeout": 3}
    )
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def end_connections(url: str) -> None:
    """As an administrator, or a restart, ends everybody's connections to a database."""
    as_owner(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def become_read_only(url: str) -> None:
    """Later connections to a database can only read."""
    as_owner(url, f"ALTER DATABASE {_name(url)} SET default_transaction_read_only = on")


def become_writable(url: str) -> None:
    as_owner(url, "SET default_transaction_read_only = off", f"ALTER DATABASE {_name(url)} RESET ALL")


def _name(url: str) -> str | None:
    return sa.make_url(url).database


def _url(database: str) -> str:
    url = sa.URL.create(
        "postgresql+psycopg",
        username=os.environ.get("PGUSER", "postgres"),
        password=os.environ.get("PGPASSWORD"),
        host=os.environ.get("PGHOST", "127.0.0.1"),
        port=int(os.environ.get("PGPORT", "5432")),
        database=database,
    )
    return url.render_as_string(hide_password=False)
