"""The installed `banana` command as a person runs it: a process of its own, a data folder, an emulator beside it.

Here: starting, interrupting and killing it, and reading what it left: outputs, ledger, files.
Not here: facts; the tests state those.
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from banana_pipeline.emulator import RunningEmulator
from banana_pipeline.emulator.report import books_report, tasks_report

BANANA = Path(sys.executable).with_name("banana")
KEY = "sk-5ec1e7a0b1c2d3e4f5a6978812345678"
_OWN = re.compile(r"^(KIE|BANANA|DAGSTER)_")


@dataclass(kw_only=True)
class Ended:
    """How a command ended, and everything it said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(kw_only=True)
class Office:
    """A data folder, an emulator, and the environment that a person would set for them."""

    folder: Path
    emulator: RunningEmulator
    key: str = KEY

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def books(self) -> dict[str, Any]:
        return books_report(self.emulator.books)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return tasks_report(self.emulator.books)

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the tests' own settings; pace files in a folder of their own."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            **{name: value for name, value in os.environ.items() if not _OWN.match(name)},
            "KIE_API_KEY": self.key,
            "KIE_BASE_URL": self.emulator.base_url,
            "BANANA_DATA_DIR": str(self.data),
            "BANANA_RATE_LIMIT": "30/1s",
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TMPDIR": str(temporary),
            **more,
        }

    def add_table(self, name: str, columns: dict[str, Sequence[Any]] | pa.Table) -> Path:
        """Write a prompt table into the prompts folder."""
        path = self.data / "prompts" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
        return path

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Start the command as the leader of a process group of its own."""
        return self.start_program([str(BANANA), *arguments], **more)

    def start_program(self, program: Sequence[str], **more: str) -> "subprocess.Popen[str]":
        """Start any program as `start` starts the command."""
        return subprocess.Popen(
            program,
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *arguments: str, **more: str) -> Ended:
        return ended(self.start(*arguments, **more))

    def outputs(self, asset: str, table: str) -> pa.Table:
        """All shards of an output, in order."""
        files = sorted((self.data / "warehouse" / asset / f"source={quote(table, safe='')}").glob("*.parquet"))
        return pa.concat_tables(pq.ParquetFile(file).read() for file in files)

    def statuses(self, table: str) -> dict[str, int]:
        return dict(Counter(self.outputs("generations", table)["status"].to_pylist()))

    def states(self) -> dict[str, int]:
        """Attempts by state, straight from the ledger's file."""
        with sqlite3.connect(self.data / "ledger.sqlite") as connection:
            return dict(connection.execute("SELECT state, count(*) FROM attempts GROUP BY state").fetchall())

    def let_claims_run_out(self) -> None:
        """As if a minute and a half had passed since the last process died."""
        with sqlite3.connect(self.data / "ledger.sqlite", timeout=10) as connection:
            connection.execute("UPDATE attempts SET claim_expires_at = claimed_at WHERE state = 'submitting'")

    def files_with_the_key(self) -> list[str]:
        """Every file below the data folder that holds the key: in its bytes or, for Parquet, inside the compression."""
        files = [path for path in self.data.rglob("*") if path.is_file()]
        return [
            str(path) for path in files if self.key.encode() in path.read_bytes() or self.key in _parquet_text(path)
        ]


def _parquet_text(path: Path) -> str:
    return str(pq.ParquetFile(path).read().to_pylist()) if path.suffix == ".parquet" else ""


def ended(process: "subprocess.Popen[str]", timeout_s: float = 90.0) -> Ended:
    """Wait for the end of a command."""
    started_s = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise
    return Ended(code=process.returncode, out=out, err=err, seconds=time.monotonic() - started_s)


def kill_group(process: "subprocess.Popen[str]") -> Ended:
    """kill -9 of the command and everything it started."""
    os.killpg(process.pid, signal.SIGKILL)
    return ended(process)


def wait_until(is_time: Callable[[], bool], process: "subprocess.Popen[str]", timeout_s: float = 60.0) -> None:
    """Wait for something to happen while a command runs."""
    until_s = time.monotonic() + timeout_s
    while not is_time():
        assert process.poll() is None, f"the command ended too early: {process.communicate()}"
        assert time.monotonic() < until_s, "it never happened"
        time.sleep(0.01)
