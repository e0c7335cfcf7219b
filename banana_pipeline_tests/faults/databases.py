"""Postgres databases for scenes. Here: making one that nobody else uses, and dropping it. Not here: SQLite, tables."""

import contextlib
import os
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

LEDGERS = ("sqlite", "postgresql")


def server_url(database: str = "postgres") -> sa.URL:
    return sa.URL.create(
        "postgresql+psycopg",
        username=os.environ.get("PGUSER", "postgres"),
        password=os.environ.get("PGPASSWORD"),
        host=os.environ.get("PGHOST", "127.0.0.1"),
        port=int(os.environ.get("PGPORT", "5432")),
        database=database,
    )


@contextlib.contextmanager
def new_database() -> Iterator[str]:
    """The URL of an empty database, dropped afterwards. Raises OperationalError where no server answers."""
    name = f"faults_test_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(server_url(), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            yield server_url(name).render_as_string(hide_password=False)
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()
