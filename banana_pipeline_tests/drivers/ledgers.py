"""Worlds whose ledger is somewhere else than in their folder. Here: making them. Not here: facts."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import metadata
from banana_pipeline_tests.databases import database_or_skip
from banana_pipeline_tests.drivers.world import World


@dataclass(kw_only=True)
class ElsewhereWorld(World):
    """A world with a ledger at any URL, which may be changed between two runs."""

    url: str

    @property
    def ledger_url(self) -> str:
        return self.url


@contextlib.contextmanager
def postgres_copy(taught: Path) -> Iterator[str]:
    """A Postgres ledger that knows what a SQLite one knows."""
    with database_or_skip() as url:
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
