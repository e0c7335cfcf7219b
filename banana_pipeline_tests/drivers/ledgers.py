"""Worlds whose ledger is somewhere else than in their folder. Here: making them. Not here: facts."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import metadata
from banana_pipeline_tests.drivers.world import World
from banana_pipeline_tests.faults.databases import new_database


@dataclass(kw_only=True)
class ElsewhereWorld(World):
    """A world with a ledger at any URL, which may be changed between two runs."""

    url: str

    @property
    def ledger_url(self) -> str:
        return self.url


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """An empty database; skips the test where no server answers."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(new_database())
        except OperationalError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no Postgres at PGHOST:PGPORT: {str(error.orig).splitlines()[0]}")
        yield url


@contextlib.contextmanager
def postgres_copy(taught: Path) -> Iterator[str]:
    """A Postgres ledger that knows what a SQLite one knows."""
    with postgres_database() as url:
        copy_ledger(taught, url)
        yield url


def copy_ledger(source_path: Path, target_url: str) -> None:
    """Put every row of a SQLite ledger into an empty one."""
    source, target = open_engine(f"sqlite:///{source_path}"), open_engine(target_url)
    with source.connect() as reading, target.begin() as writing:
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
            for row in rows:
                row.pop("id", None)  # counted anew by the database
            if rows:
                writing.execute(sa.insert(table), rows)
    source.dispose()
    target.dispose()
