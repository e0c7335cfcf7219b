"""Where a ledger is: the one URL for it, or a sentence.

Lives here: which URLs name a ledger that every process finds again, wherever it was started. Does not live here:
opening it (``ledger_open``).

A ledger that another folder, a second spelling or the end of the process makes a different one is a second memory of
what was bought: everything would be bought again.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from banana_pipeline.core.failures import LedgerError

BAD_URL = (
    "BANANA_LEDGER_URL cannot be used; write sqlite:///path/to/ledger.sqlite (absolute: four slashes) or "
    "postgresql+psycopg://user@host/database"
)
_POSTGRES = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgres+psycopg": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg2",
}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_PATH_ALONE = re.compile(r"(?:file|sqlite|sqlite\+pysqlite):(/{1,3}(?!/).*)|(/.*|~.*|[A-Za-z]:[\\/].*)")


def ledger_place(url: str) -> sa.URL:
    """The ledger that ``url`` means: Postgres with its driver, or a SQLite file by its absolute path without links.

    Raises:
        LedgerError: it means none that can be found again; the sentence holds no password.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise LedgerError(_advice_for_path(url) or BAD_URL) from error
    name = parsed.drivername.lower()
    if name in _POSTGRES:
        return parsed.set(drivername=_POSTGRES[name])
    if name in _SQLITE:
        return sa.URL.create("sqlite", database=_sqlite_file(parsed))
    raise LedgerError(_advice_for_path(url) or BAD_URL)


def sqlite_url(path: str | Path) -> str:
    """The URL of a ledger in a file."""
    return f"sqlite:///{quote(str(path), safe='/: @+,=~()!')}"


def _sqlite_file(url: sa.URL) -> str:
    path = url.database or ""
    if url.host is not None:
        return _refuse("names a machine, because it has two slashes", f"/{url.host}/{path}")
    if not path or ":memory:" in path or "memory" in url.query.get("mode", ""):
        raise LedgerError(
            "BANANA_LEDGER_URL is a database in memory, which forgets what was bought; "
            "write sqlite:////folder/ledger.sqlite"
        )
    if path.startswith("file:"):
        return _refuse("is a file: URI inside a URL", "/" + path.removeprefix("file:").lstrip("/"))
    if path.lstrip("/").startswith("~"):
        return _refuse("begins with ~, which is no folder here", _expanded(path.lstrip("/")))
    if not Path(path).is_absolute():
        here = Path(path).absolute()
        if here.exists():
            return _refuse("depends on the folder a program is started in", str(here))
        return _refuse("depends on the folder a program is started in", f"/{path}", str(here))
    if url.query:
        return _refuse("has options behind a ?", path)
    if _is_folder(path):
        return _refuse("is a folder", f"{path.rstrip('/')}/ledger.sqlite")
    return os.path.realpath(path)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # not ours to look at: opening it will say so
        return False


def _refuse(what: str, *paths: str) -> str:
    urls = " or ".join(sqlite_url(path) for path in paths)
    raise LedgerError(f"BANANA_LEDGER_URL {what}; write {urls}")


def _advice_for_path(url: str) -> str | None:
    """A path where a URL is wanted."""
    match = _PATH_ALONE.fullmatch(url)
    if match is None:
        return None
    path = "/" + match[1].lstrip("/") if match[1] else _expanded(match[2])
    return f"BANANA_LEDGER_URL is a path, not a URL; write {sqlite_url(path)}"


def _expanded(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 - Path's own raises where there is no such user
