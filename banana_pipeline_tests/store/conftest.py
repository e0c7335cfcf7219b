"""Ledgers to test on: SQLite in a folder of the test, Postgres in a database of the session that is dropped again."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import metadata

DATABASES = ("sqlite", "postgresql")


def _server_url(database: str) -> sa.URL:
    return sa.URL.create(
        "postgresql+psycopg",
        username=os.environ.get("PGUSER", "postgres"),
        password=os.environ.get("PGPASSWORD"),
        host=os.environ.get("PGHOST", "127.0.0.1"),
        port=int(os.environ.get("PGPORT", "5432")),
        database=database,
    )


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Makes an empty Postgres database and answers its URL; all are dropped at the end."""
    server = sa.create_engine(
        _server_url("postgres"), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3}
    )
    try:
        connection = server.connect()
    except OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Postgres at PGHOST:PGPORT: {str(error.orig).splitlines()[0]}")
    names: list[str] = []

    def make() -> str:
        names.append(f"ledger_test_{uuid.uuid4().hex[:12]}")
        connection.execute(sa.text(f"CREATE DATABASE {names[-1]}"))
        return _server_url(names[-1]).render_as_string(hide_password=False)

    yield make
    for name in names:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    connection.close()


@pytest.fixture(scope="session")
def _kept_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(params=DATABASES)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a ledger that does not exist yet, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/ledger.sqlite"
    return request.getfixturevalue("new_database")()


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty, up-to-date ledger, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    url = request.getfixturevalue("_kept_database")
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))
    engine.dispose()
    return url


@pytest.fixture
def writer(ledger_url: str) -> Iterator[LedgerWriter]:
    with LedgerWriter(ledger_url) as opened:
        yield opened
