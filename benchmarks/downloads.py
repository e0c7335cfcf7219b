"""Pictures per second of the archive, with and without writing them, beside the bare loop a user would write (httpx).

All three fetch the same finished pictures from an emulator in a process of its own. Each measured run is a process of
its own, so that its CPU time is its own. Medians of 3. "Without writing" is our checked way of downloading alone.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
import httpx

from benchmarks.drive import _cpu_s as cpu_s

PICTURES = 1_000
AT_ONCE = 16
_SERVICE = (
    "from banana_pipeline.emulator import EmulatorConfig, serve\n"
    "serve(EmulatorConfig(rate_limit=None, latency_s=(0.0, 0.0), opening_credits=1e9, is_drawing=False))"
)


async def bare_loop(base_url: str, urls: list[str]) -> None:
    """One httpx client; the bytes are thrown away."""
    limit = anyio.CapacityLimiter(AT_ONCE)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=AT_ONCE), timeout=60) as http:

        async def one(url: str) -> None:
            async with limit:
                (await http.get(url)).raise_for_status()

        async with anyio.create_task_group() as tasks:
            for url in urls:
                tasks.start_soon(one, url)


async def without_writing(base_url: str, urls: list[str]) -> None:
    """Our downloads with their checks of addresses; the bytes are thrown away."""
    from banana_pipeline.kie.downloads import download, open_downloads

    queue = iter(urls)
    async with open_downloads(base_url=base_url) as http:

        async def work() -> None:
            for url in queue:
                await download(http, url)

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)


async def our_archive(base_url: str, urls: list[str]) -> None:
    """Everything: checked, decoded, hashed, thumbnailed, written and synced to the disk."""
    from upath import UPath

    from banana_pipeline.archive import Archiver, Result
    from banana_pipeline.kie.downloads import open_downloads
    from banana_pipeline.progress import Progress
    from banana_pipeline.store.images import ImageArchive

    results = [Result(attempt_id=f"{n:032x}", index=0, url=url, account="bench") for n, url in enumerate(urls)]
    with tempfile.TemporaryDirectory() as folder:
        async with open_downloads(base_url=base_url) as http:
            archiver = Archiver(archive=ImageArchive(UPath(folder)), http=http, clients={}, progress=Progress())
            found = await archiver.fetch_all(results)
    if any(one.error for one in found):
        raise RuntimeError(next(one.error for one in found if one.error))


CONTESTANTS = {"bare httpx loop": bare_loop, "ours, not written": without_writing, "ours, archived": our_archive}


async def finished_pictures(base_url: str) -> list[str]:
    """Buy pictures from the emulator; the addresses of their results."""
    urls: list[str] = []
    limit = anyio.CapacityLimiter(AT_ONCE)
    headers = {"Authorization": "Bearer bench-downloads"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as http:

        async def one(number: int) -> None:
            async with limit:
                body = {"model": "nano-banana-pro", "input": {"prompt": f"picture {number}"}}
                task_id = (await http.post("/api/v1/jobs/createTask", json=body)).json()["data"]["taskId"]
                record: dict = {"state": ""}
                while record["state"] != "success":
                    answer = await http.get("/api/v1/jobs/recordInfo", params={"taskId": task_id})
                    record = answer.json()["data"]
                urls.extend(json.loads(record["resultJson"])["resultUrls"])

        async with anyio.create_task_group() as tasks:
            for number in range(PICTURES):
                tasks.start_soon(one, number)
    return urls


def measure_here(name: str, base_url: str, urls_file: str) -> None:
    """Run one contestant in this process and print its figures as JSON."""
    urls = json.loads(Path(urls_file).read_text())
    started_s, cpu_before_s = time.monotonic(), cpu_s()
    anyio.run(CONTESTANTS[name], base_url, urls)
    elapsed_s = time.monotonic() - started_s
    print(json.dumps({"per_s": len(urls) / elapsed_s, "cpu_s": (cpu_s() - cpu_before_s) / len(urls) * 1_000}))


def main() -> None:
    """Measure all contestants in turn, three times, and print medians and the ratio."""
    service = subprocess.Popen([sys.executable, "-u", "-c", _SERVICE], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        try:
            base_url = next(word for word in service.stdout.readline().split() if word.startswith("http://"))
            json.dump(anyio.run(finished_pictures, base_url), file)
            file.flush()
            rounds = [{name: _measure(name, base_url, file.name) for name in CONTESTANTS} for _ in range(3)]
        finally:
            service.terminate()
    base = statistics.median(it["bare httpx loop"]["per_s"] for it in rounds)
    print(f"{'':20} {'pictures/s':>10} {'CPU s per 1,000':>16} {'against bare':>13}")
    for name in CONTESTANTS:
        per_s = statistics.median(it[name]["per_s"] for it in rounds)
        cpu = statistics.median(it[name]["cpu_s"] for it in rounds)
        print(f"{name:20} {per_s:10.0f} {cpu:16.2f} {per_s / base:13.2f}")


def _measure(name: str, base_url: str, urls_file: str) -> dict[str, float]:
    code = f"from benchmarks.downloads import measure_here; measure_here({name!r}, {base_url!r}, {urls_file!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
