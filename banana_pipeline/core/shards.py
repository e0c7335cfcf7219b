"""Names of shards: which slice of which table a Dagster partition is.

Lives here: the key ``<table>.<0000>`` and its arithmetic. Does not live here: registering partitions (``defs``) and
reading rows (``store.tables``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

_KEY = re.compile(r"^(?P<table>(?:[A-Za-z0-9_\-]|%[0-9A-F]{2})+)\.(?P<index>\d{4,})$")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Shard:
    """A fixed-size slice of a table's rows.

    Attributes:
        table: the table's own name, not encoded.
        index: position of the slice, from 0.
    """

    table: str
    index: int

    @property
    def key(self) -> str:
        """Partition key, e.g. ``holiday%20cards.0003``."""
        return f"{safe_name(self.table)}.{self.index:04d}"

    def rows(self, shard_rows: int) -> range:
        """Row numbers of the slice; the table may end before its last one."""
        return range(self.index * shard_rows, (self.index + 1) * shard_rows)


def safe_name(table: str) -> str:
    """A table's name made safe for keys and folders: letters, digits, ``_`` and ``-``; the rest percent-encoded."""
    return quote(table, safe="").replace(".", "%2E").replace("~", "%7E")


def parse_key(key: str) -> Shard:
    """The shard behind a partition key.

    Raises:
        ValueError: the key does not have the form ``<table>.<0000>``.
    """
    match = _KEY.match(key)
    shard = match and Shard(table=unquote(match["table"]), index=int(match["index"]))
    if not shard or shard.key != key:  # two spellings of one shard would be two partitions
        raise ValueError(f"{key!r} is not a shard key; shard keys look like 'my_table.0000'")
    return shard


def shards_of(table: str, *, row_count: int, shard_rows: int) -> list[Shard]:
    """All shards of a table with ``row_count`` rows."""
    return [Shard(table=table, index=index) for index in range(-(-row_count // shard_rows))]
