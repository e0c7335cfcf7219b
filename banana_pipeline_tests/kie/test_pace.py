"""The shared pace: several real processes, one limit."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from bisect import bisect_left
from pathlib import Path

import anyio
import pytest

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.pace import Pace, RateLimit, parse_rate

LIMIT, WINDOW_S, PROCESSES, EACH = 20, 2.0, 4, 13
_TAKE = """
import json, sys, time
import anyio
from pathlib import Path
from banana_pipeline.kie.pace import Pace, RateLimit

async def main():
    pace = Pace(name="shared", limit=RateLimit(count={limit}, window_s={window}), folder=Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    moments = []
    for _ in range(int(sys.argv[2])):
        await pace.acquire()
        moments.append(time.monotonic())
    print(json.dumps(moments), flush=True)

anyio.run(main)
"""


def _process(folder: Path, grants: int) -> subprocess.Popen[str]:
    code = _TAKE.format(limit=LIMIT, window=WINDOW_S)
    command = [sys.executable, "-c", code, str(folder), str(grants)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _granted(folder: Path, processes: int, each: int) -> list[float]:
    """The moments at which processes that start together were granted, over all of them."""
    running = [_process(folder, each) for _ in range(processes)]
    assert [_line(process) for process in running] == ["ready\n"] * processes
    for process in running:
        _go(process)
    moments = sorted(moment for process in running for moment in json.loads(_line(process)))
    assert [process.wait(10) for process in running] == [0] * processes
    return moments


def test_four_processes_share_one_limit_never_break_it_and_use_it_up(tmp_path: Path) -> None:
    moments = _granted(tmp_path, PROCESSES, EACH)
    assert len(moments) == PROCESSES * EACH
    most = max(bisect_left(moments, moment + WINDOW_S) - place for place, moment in enumerate(moments))
    assert most <= LIMIT
    # The best possible is (grants - 1) / rate seconds; a generous bound, because the machine may be busy.
    assert moments[-1] - moments[0] <= (len(moments) - 1) * WINDOW_S / LIMIT * 1.25


def test_a_process_killed_while_it_holds_the_lock_does_not_stop_the_others(tmp_path: Path) -> None:
    code = _TAKE.replace('print("ready"', 'pace._bucket.lock.acquire(); print("ready"')
    holder = subprocess.Popen(
        [sys.executable, "-c", code.format(limit=LIMIT, window=WINDOW_S), str(tmp_path), "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert _line(holder) == "ready\n"
    other = subprocess.Popen(
        [sys.executable, "-c", _TAKE.format(limit=LIMIT, window=WINDOW_S), str(tmp_path), "2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    assert _line(other) == "ready\n"
    _go(other)
    assert len(json.loads(_line(other))) == 2
    assert other.wait(10) == 0


@pytest.mark.anyio
async def test_grants_written_before_a_reboot_do_not_block(tmp_path: Path) -> None:
    limit = RateLimit(count=2, window_s=1000.0)
    before = Pace(name="p", limit=limit, folder=tmp_path)
    before.close()
    with sqlite3.connect(tmp_path / "pace-p.sqlite") as database:
        in_a_year_ms = time.monotonic_ns() // 1_000_000 + 365 * 86_400_000
        database.executemany("INSERT INTO rate_bucket VALUES ('call', ?)", [(in_a_year_ms,)] * 2)
    database.close()
    after = Pace(name="p", limit=limit, folder=tmp_path)
    with anyio.fail_after(5):
        await after.acquire()
    after.close()


@pytest.mark.anyio
async def test_a_second_run_on_the_same_machine_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    limit = RateLimit(count=1, window_s=0.5)
    moments = []
    for _ in range(2):
        pace = Pace(name="p", limit=limit, folder=tmp_path)
        await pace.acquire()
        moments.append(time.monotonic())
        pace.close()
    assert moments[1] - moments[0] >= 0.5


@pytest.mark.anyio
async def test_two_accounts_do_not_slow_each_other(tmp_path: Path) -> None:
    limit = RateLimit(count=1, window_s=1000.0)
    for name in ("https://a/1", "https://a/2"):
        pace = Pace(name=name, limit=limit, folder=tmp_path)
        with anyio.fail_after(5):
            await pace.acquire()
        pace.close()


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_stop_the_next_one(tmp_path: Path) -> None:
    pace = Pace(name="p", limit=RateLimit(count=10, window_s=1.0), folder=tmp_path)
    for _ in range(5):
        with anyio.move_on_after(0.01):
            async with anyio.create_task_group() as waiting:
                for _ in range(3):
                    waiting.start_soon(pace.acquire)
    with anyio.fail_after(5):
        await pace.acquire()
    pace.close()


@pytest.mark.anyio
async def test_callers_waiting_together_never_break_a_fast_limit(tmp_path: Path) -> None:
    pace = Pace(name="p", limit=RateLimit(count=400, window_s=0.4), folder=tmp_path)
    moments: list[float] = []

    async def call() -> None:
        await pace.acquire()
        moments.append(time.monotonic())

    async with anyio.create_task_group() as waiting:
        for _ in range(900):
            waiting.start_soon(call)
    pace.close()
    moments.sort()
    assert max(bisect_left(moments, moment + 0.4) - place for place, moment in enumerate(moments)) <= 400


@pytest.mark.parametrize(("text", "count", "window_s"), [
    ("20/10s", 20, 10.0), ("20/10", 20, 10.0), ("5/1m", 5, 60.0), (" 20 / 10 s ", 20, 10.0), ("1/0.5s", 1, 0.5),
])  # fmt: skip
def test_a_rate_is_calls_per_time(text: str, count: int, window_s: float) -> None:
    assert parse_rate(text) == RateLimit(count=count, window_s=window_s)


@pytest.mark.parametrize(
    "text", ["", "20", "0/10s", "20/0s", "-1/10s", "20/10h", "20 per 10s", "1e3/1s", "20/10s/2", "٢٠/١٠s/"]
)
def test_a_rate_that_cannot_be_kept_is_a_setting_to_fix(text: str) -> None:
    with pytest.raises(SettingsError, match="BANANA_RATE_LIMIT"):
        parse_rate(text)


def test_queries_are_allowed_ten_a_second_beside_twenty_orders_in_ten() -> None:
    assert RateLimit(count=20, window_s=10.0).for_queries().per_second == 10.0
