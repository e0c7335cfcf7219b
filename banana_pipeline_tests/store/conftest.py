"""Ledgers to test on: SQLite in a folder of the test, Postgres in databases that are dropped again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import metadata
from banana_pipeline_tests.databases import LEDGERS, database_or_skip


@pytest.fixture(scope="session")
def _kept_database() -> Iterator[str]:
    with database_or_skip() as url:
        yield url


@pytest.fixture
def postgres_url(_kept_database: str) -> str:
    """URL of an empty, up-to-date ledger in the session's own database."""
    engine = open_engine(_kept_database)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))
    engine.dispose()
    return _kept_database


@pytest.fixture(params=LEDGERS)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a ledger that does not exist yet, on each kind of database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/ledger.sqlite"
        return
    with database_or_skip() as url:
        yield url


@pytest.fixture(params=LEDGERS)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty, up-to-date ledger, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def writer(ledger_url: str) -> Iterator[LedgerWriter]:
    with LedgerWriter(ledger_url) as opened:
        yield opened
