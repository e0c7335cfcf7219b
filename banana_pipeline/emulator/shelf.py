"""The books' file: one SQLite table of JSON documents, so that a restarted emulator knows what it sold.

Here: put and read back. Not here: what the documents mean (tasks), when they are written (books).
A document survives the death of the process, not of the machine: an emulator needs no more.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Shelf:
    """Documents by kind and id in the file `path`; None keeps nothing. One thread at a time."""

    def __init__(self, path: Path | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )

    def put(self, kind: str, name: str, values: dict[str, Any]) -> None:
        """Write or overwrite one document."""
        if self._connection is not None:
            row = (kind, name, json.dumps(values))
            self._connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", row)

    def each(self, kind: str) -> Iterator[dict[str, Any]]:
        """All documents of one kind."""
        if self._connection is not None:
            for (body,) in self._connection.execute("SELECT body FROM documents WHERE kind = ?", (kind,)):
                yield json.loads(body)

    def close(self) -> None:
        """Close the file; nothing can be put or read afterwards."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
