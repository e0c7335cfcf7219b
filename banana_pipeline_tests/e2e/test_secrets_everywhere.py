"""The key: sent to KIE's own calls, and found nowhere else, however loudly everything logs.

Here: the command with every logger at debug level and every traceback with its local variables, once well and once
breaking down; then a search through all it said and left. Not here: Dagster in this process (defs/test_secrets), the
client by itself (kie/test_client_reads).
"""

import base64
import sqlite3
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from banana_pipeline.emulator import server
from banana_pipeline_tests.e2e.command import Ended, Office, ended
from banana_pipeline_tests.e2e.conftest import open_office

pytestmark = pytest.mark.slow

# With characters that look different in a URL.
SECRET = "sk-5ec1e7+a0/b1c2=d3e4f5a6978812345678"

LOUD = """\
import logging, os, sys, traceback

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
for name in ("httpx", "httpcore", "sqlalchemy", "sqlalchemy.engine", "asyncio", "dagster", "alembic", "PIL"):
    logging.getLogger(name).setLevel(logging.DEBUG)

plain = traceback.TracebackException.__init__

def with_locals(self, *given, **named):
    plain(self, *given, **{**named, "capture_locals": True})

traceback.TracebackException.__init__ = with_locals

def break_down(*_):
    stack = traceback.StackSummary.extract(traceback.walk_stack(None), capture_locals=True)
    print("something nobody thought of", *stack.format(), file=sys.stderr)
    raise RuntimeError("something nobody thought of")

if os.environ.get("TEST_BREAKS_DOWN"):
    import banana_pipeline.defs.generations
    banana_pipeline.defs.generations.outcome_records = break_down

from banana_pipeline.cli import main
main()
"""


@dataclass(kw_only=True)
class Seen:
    """What reached the emulator: method, path and headers of every request."""

    requests: list[tuple[str, str, dict[bytes, bytes]]] = field(default_factory=list)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                path = f"{scope['path']}?{scope['query_string'].decode()}"
                self.requests.append((scope["method"], path, dict(scope["headers"])))
            await app(scope, receive, send)

        return watched


@dataclass(frozen=True, kw_only=True)
class Loud:
    """Two runs: one that ends as far as it can, one that breaks down."""

    office: Office
    seen: Seen
    well: Ended
    broken: Ended


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loud]:
    seen = Seen()
    folder = tmp_path_factory.mktemp("loud")
    real = server.create_app

    def watched_app(*given: object) -> Starlette:
        app = real(*given)  # pyright: ignore[reportArgumentType]
        app.build_middleware_stack = lambda build=app.build_middleware_stack: seen.wrap(build())
        return app

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "create_app", watched_app)
        office = open_office(stack, folder, keys=(SECRET,), result_url_kept_s=0.0)
        office.key = SECRET
        _add_tables(office)
        (folder / "loud.py").write_text(LOUD)
        program = [sys.executable, str(folder / "loud.py"), "run"]
        well = ended(office.start_program([*program, "boats"]))
        broken = ended(office.start_program([*program, "broken"], TEST_BREAKS_DOWN="yes"))
        yield Loud(office=office, seen=seen, well=well, broken=broken)


def _add_tables(office: Office) -> None:
    prompts = ["boat", "boat [fail:policy]", "boat [fault:lost_answer]", "boat with a reference"]
    images = [[], [], [], ["harbour.png"]]
    office.add_table("boats", {"prompt": prompts, "image_input": images})
    Image.new("RGB", (512, 512)).save(office.data / "prompts" / "harbour.png")
    office.add_table("broken", {"prompt": ["a boat that breaks down"]})


def _forms(secret: str) -> list[bytes]:
    """The key as it is, in a URL, in hex, and in base64 at any place of a longer text."""
    raw = secret.encode()
    packed = [base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4] for shift in range(3)]
    urlsafe = [text.replace(b"+", b"-").replace(b"/", b"_") for text in packed]
    return [raw, quote(secret, safe="").encode(), quote(secret).encode(), raw.hex().encode(), *packed, *urlsafe]


def _holds_the_key(data: bytes) -> bool:
    return any(form in data for form in _forms(SECRET))


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed inside them."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        yield f"{file.read().to_pylist()} {file.schema_arrow.metadata} {file.schema_arrow} {file.metadata}".encode()
    if path.read_bytes().startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            yield from _cells(connection)


def _cells(connection: sqlite3.Connection) -> Iterator[bytes]:
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            yield repr(row).encode()
            yield from (_unpacked(cell) for cell in row if isinstance(cell, bytes))


def _unpacked(cell: bytes) -> bytes:
    try:
        return zlib.decompress(cell)  # Dagster's snapshots
    except zlib.error:
        return cell


def test_the_forms_of_the_key_would_be_found() -> None:
    for place in range(4):
        assert _holds_the_key(base64.b64encode(b"Bearer"[:place] + SECRET.encode() + b"\n"))
    assert _holds_the_key(f"?key={quote(SECRET, safe='')}".encode())


def test_the_runs_were_as_loud_as_can_be(loud: Loud) -> None:
    assert "DEBUG:httpcore.http11:send_request_headers" in loud.well.err, loud.well.said
    assert "INFO:httpx:HTTP Request: POST" in loud.well.err
    assert "sqlalchemy" in loud.well.err
    assert loud.office.statuses("boats") == {"succeeded": 2, "failed": 1, "unconfirmed": 1}
    assert loud.broken.code == 1
    assert "something nobody thought of" in loud.broken.said


def test_nothing_that_was_said_holds_the_key(loud: Loud) -> None:
    assert not _holds_the_key(loud.well.said.encode())
    assert not _holds_the_key(loud.broken.said.encode())


def test_no_file_that_was_left_holds_the_key(loud: Loud) -> None:
    """Ledger, outputs with their footers, pictures, Dagster's storages, captured logs, pace files, temporary files."""
    files = [path for path in loud.office.folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files} | {path.name for path in files}
    assert kinds >= {"ledger.sqlite", ".parquet", ".db", ".png", ".webp", ".err", "runs.db"}
    assert any((loud.office.folder / "tmp").rglob("*-create*"))
    assert [str(path) for path in files if any(map(_holds_the_key, _contents(path)))] == []


def test_the_broken_runs_traceback_is_among_what_was_searched(loud: Loud) -> None:
    files = (loud.office.data / "dagster_home").rglob("*.db")
    found = b"".join(cell for path in files for cell in _contents(path))
    assert b"RuntimeError: something nobody thought of" in found
    assert b"step_key" in found, "local variables belong to the tracebacks that are searched"


def test_the_key_went_to_kies_calls_in_one_header_and_nowhere_else(loud: Loud) -> None:
    with_key = [(path, headers) for _, path, headers in loud.seen.requests if _holds_the_key(repr(headers).encode())]
    assert {path.split("?")[0] for path, _ in with_key} >= {
        "/api/v1/jobs/createTask",
        "/api/v1/jobs/recordInfo",
        "/api/v1/chat/credit",
        "/api/v1/common/download-url",
        "/api/file-stream-upload",
    }
    assert all(path.startswith("/api/") for path, _ in with_key)
    assert all(headers.pop(b"authorization") == f"Bearer {SECRET}".encode() for _, headers in with_key)
    assert not any(_holds_the_key(repr(one).encode()) for one in loud.seen.requests)


def test_pictures_were_fetched_without_any_authorization(loud: Loud) -> None:
    """By their first address, which has expired, and by the fresh link that was asked for with the key."""
    media = [(path, headers) for _, path, headers in loud.seen.requests if path.startswith("/h/")]
    assert {"signature=" in path for path, _ in media} == {True, False}
    assert not any(name in headers for _, headers in media for name in (b"authorization", b"cookie", b"x-api-key"))
