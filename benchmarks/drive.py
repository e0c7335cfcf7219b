"""Rows per second and CPU of the driver, ledger on, beside the bare loop a user would write (asyncio + httpx).

Both buy the same number of requests, 100 in flight, from an emulator in a process of its own whose tasks take 0.2 s:
the ceiling is 500 rows/s. Each measured run is a process of its own, so that its CPU time is its own. Medians of 3.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx

from banana_pipeline.accounts import Account
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.generate import Generation
from banana_pipeline.kie.client import open_client
from banana_pipeline.kie.pace import Pace, RateLimit
from banana_pipeline.progress import Progress
from banana_pipeline.stopping import StopRequest
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, ShardWork, Wanted

ROWS = 2_000
IN_FLIGHT = 100
LATENCY_S = 0.2


async def bare_loop(base_url: str) -> None:
    """No ledger, no pace, one httpx client: what is forgotten here is paid for again after a crash."""
    limit = anyio.CapacityLimiter(IN_FLIGHT)
    headers = {"Authorization": "Bearer bench-bare"}
    limits = httpx.Limits(max_connections=IN_FLIGHT)
    async with httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits, timeout=60) as http:

        async def one(number: int) -> None:
            async with limit:
                body = {"model": "nano-banana-pro", "input": {"prompt": f"bare {number}"}}
                made = await http.post("/api/v1/jobs/createTask", json=body)
                task_id = made.json()["data"]["taskId"]
                state = ""
                while state != "success":
                    await anyio.sleep(LATENCY_S)
                    record = await http.get("/api/v1/jobs/recordInfo", params={"taskId": task_id})
                    state = record.json()["data"]["state"]

        async with anyio.create_task_group() as tasks:
            for number in range(ROWS):
                tasks.start_soon(one, number)


async def our_driver(base_url: str) -> None:
    """The driver as a run uses it: a durable ledger, the shared pace (wide open), one shard."""
    with tempfile.TemporaryDirectory() as folder:
        await driver_run(
            base_url=base_url,
            ledger_url=f"sqlite:///{folder}/ledger.sqlite",
            folder=Path(folder),
            prompts=[f"ours {number}" for number in range(ROWS)],
            run_id="1",
            per_second=10_000,
        )


async def driver_run(
    *, base_url: str, ledger_url: str, folder: Path, prompts: Sequence[str], run_id: str, per_second: int
) -> None:
    """One run over one shard of ``prompts``; ``folder``: where the pace is kept."""
    requests = [GenerationRequest(prompt=prompt) for prompt in prompts]
    wanted = [
        Wanted(request=it, request_id=it.request_id, prompt_table="bench", row_number=number, table_version="1")
        for number, it in enumerate(requests)
    ]
    limit = RateLimit(count=10 * per_second, window_s=10)
    pace = Pace(name="create", limit=limit, folder=folder)
    query_pace = Pace(name="query", limit=RateLimit(count=100_000, window_s=10), folder=folder)
    with LedgerWriter(ledger_url) as writer:
        async with open_client(api_key="bench-ours", base_url=base_url, upload_base_url=base_url) as client:
            account = Account(client=client, pace=pace, query_pace=query_pace, patience_s=60)
            generation = Generation(
                accounts=[account],
                writer=writer,
                uploader=Uploader(writer=writer, service="bench", read_bytes=lambda table, image: b""),
                rules=Rules(service="bench", run_id=run_id, max_in_flight=IN_FLIGHT, deadline_s=900, max_attempts=3),
                progress=Progress(),
                stop=StopRequest(),
                on_shard=lambda done: None,
            )
            await generation.run([ShardWork(key="bench.0000", wanted=wanted)])


CONTESTANTS = {"bare httpx loop": bare_loop, "banana_pipeline": our_driver}


def measure_here(name: str, base_url: str) -> None:
    """Run one contestant in this process and print its figures as JSON."""
    started_s = time.monotonic()
    cpu_before_s = _cpu_s()
    anyio.run(CONTESTANTS[name], base_url)
    figures = {"rows_per_s": ROWS / (time.monotonic() - started_s), "cpu_s": (_cpu_s() - cpu_before_s) / ROWS * 1_000}
    print(json.dumps(figures))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure all contestants in turn, three times, and print medians and the ratio."""
    emulator = (
        "from banana_pipeline.emulator import EmulatorConfig, serve\n"
        f"serve(EmulatorConfig(rate_limit=None, latency_s=({LATENCY_S}, {LATENCY_S}), opening_credits=1e9))"
    )
    service = subprocess.Popen([sys.executable, "-u", "-c", emulator], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    try:
        base_url = next(word for word in service.stdout.readline().split() if word.startswith("http://"))
        found = {name: [_measure(name, base_url) for _ in range(3)] for name in CONTESTANTS}
    finally:
        service.terminate()
    base = statistics.median(run["rows_per_s"] for run in found["bare httpx loop"])
    print(f"{'':20} {'rows/s':>8} {'CPU s per 1,000 rows':>22} {'rows/s against bare':>20}")
    for name, runs in found.items():
        rows_per_s = statistics.median(run["rows_per_s"] for run in runs)
        cpu_s = statistics.median(run["cpu_s"] for run in runs)
        print(f"{name:20} {rows_per_s:8.0f} {cpu_s:22.2f} {rows_per_s / base:20.2f}")


def _measure(name: str, base_url: str) -> dict[str, float]:
    code = f"from benchmarks.drive import measure_here; measure_here({name!r}, {base_url!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
