"""The installed `banana callbacks` as a process of its own.

Here: starting it, reading what it says, how much memory it took. Not here: facts; the tests state those.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

BANANA = Path(sys.executable).with_name("banana")


@dataclass(kw_only=True)
class Process:
    """A running receiver. ``greeting``: the lines before it listens."""

    popen: "subprocess.Popen[str]"
    greeting: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def health(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/healthz", trust_env=False, timeout=20).json()

    def most_memory_mb(self) -> float:
        """The most that was ever resident."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def end(self, signal_number: int) -> tuple[int, str]:
        """Send a signal; exit code, and everything said since the greeting."""
        self.popen.send_signal(signal_number)
        out, err = self.popen.communicate(timeout=20)
        return self.popen.returncode, out + err


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not re.match(r"(KIE|BANANA|DAGSTER)_", name)}
    return {**kept, "BANANA_DATA_DIR": str(folder), **more}


def ledger_url(folder: Path) -> str:
    return f"sqlite:///{folder}/ledger.sqlite"


def run(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    command = [str(BANANA), "callbacks", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(folder: Path, *arguments: str, **more: str) -> Iterator[Process]:
    """The command on a free port, until the block ends."""
    popen = subprocess.Popen(
        [str(BANANA), "callbacks", "--port", "0", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert popen.stdout is not None
    try:
        lines = [popen.stdout.readline() for _ in range(3)]
        found = re.search(r":(\d+)/ ", lines[0])
        assert found is not None, (lines, popen.stderr and popen.stderr.read())
        yield Process(popen=popen, greeting="".join(lines), port=int(found[1]))
    finally:
        popen.kill()
        popen.communicate()
