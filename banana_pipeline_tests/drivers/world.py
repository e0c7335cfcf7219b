"""A small world to run the driver in: an emulator, a ledger file, rows to buy, and the emulator's books to judge by.

Here: running the real `Generation` once, reading its rows and the books afterwards.
Not here: building and reading rows (rows), facts; the tests state those.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import anyio
import httpx

from banana_pipeline.accounts import Account
from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import ReadFailed
from banana_pipeline.core.requests import GenerationRequest, ReferenceImage
from banana_pipeline.emulator import RunningEmulator
from banana_pipeline.emulator.report import books_report, tasks_report
from banana_pipeline.generate import Generation
from banana_pipeline.kie.client import open_client
from banana_pipeline.kie.pace import Pace, parse_rate
from banana_pipeline.settings import service_of
from banana_pipeline.stopping import StopRequest
from banana_pipeline.store import ledger, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, ShardDone, ShardWork, Wanted
from banana_pipeline_tests.drivers.rows import KEY, Run, claimed, rows_of, shard

_numbers = count(1)


def no_files(prompt_table: str, image: ReferenceImage) -> bytes:
    raise ReadFailed(f"{image.source} was not expected to be read")


@dataclass(kw_only=True)
class World:
    """One ledger and one emulator, over as many runs as a test needs."""

    emulator: RunningEmulator
    folder: Path
    keys: Sequence[str] = (KEY,)
    read_bytes: Callable[[str, ReferenceImage], bytes] = no_files
    upload_base_url: str = ""
    is_named_localhost: bool = False
    other_url: str = ""

    @property
    def base_url(self) -> str:
        """The emulator's address, by number or by name: to the ledger two services. Or that of another server."""
        url = self.other_url or self.emulator.base_url
        return url.replace("127.0.0.1", "localhost") if self.is_named_localhost else url

    @property
    def service(self) -> str:
        return service_of(self.base_url)

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder}/ledger.sqlite"

    @property
    def books(self) -> dict[str, Any]:
        return books_report(self.emulator.books)

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return tasks_report(self.emulator.books)

    @property
    def prompts_sold(self) -> list[str]:
        return sorted(task["input"]["prompt"] for task in self.tasks)

    def admin(self, door: str, **fields: Any) -> None:
        """Change the emulator while it runs: its clock, faults or accounts."""
        httpx.post(f"{self.emulator.base_url}/admin/{door}", json=fields, trust_env=False).raise_for_status()

    def run(
        self,
        *shards: ShardWork,
        rate: str = "1000/1s",
        stop_when: Callable[[], bool] | None = None,
        run: Run | None = None,
        **rules: Any,
    ) -> Run:
        """One whole run of the driver, in an event loop of its own, asked to stop as soon as ``stop_when`` says so."""
        run = Run() if run is None else run
        by_key = {work.key: work for work in shards}
        number = next(_numbers)
        given = Rules(
            service=self.service,
            run_id=f"run-{number}",
            **{"max_in_flight": 100, "deadline_s": 60.0, "max_attempts": 3, **rules},
        )

        def remember(done: ShardDone) -> None:
            run.shards.append(done.key)
            run.rows += rows_of(by_key[done.key], done)

        async def main() -> None:
            async with AsyncExitStack() as stack:
                accounts = [await self._account(stack, key, rate) for key in self.keys]
                writer = stack.enter_context(LedgerWriter(self.ledger_url))
                stop = StopRequest()
                if stop_when is not None:
                    tasks = await stack.enter_async_context(anyio.create_task_group())
                    tasks.start_soon(_ask, stop, stop_when)
                uploader = Uploader(writer=writer, service=self.service, read_bytes=self.read_bytes)
                await Generation(
                    accounts=accounts,
                    writer=writer,
                    uploader=uploader,
                    rules=given,
                    progress=run.progress,
                    stop=stop,
                    on_shard=remember,
                ).run(shards)

        anyio.run(main)
        run.rows.sort(key=lambda row: (row["prompt_table"], row["row_number"]))
        return run

    def run_together(self, *jobs: Mapping[str, Any]) -> list[Run]:
        """Several runs at once, each with its own connection to the ledger; a job has ``shards`` and rules."""

        def work(job: Mapping[str, Any]) -> Run:
            return self.run(*job["shards"], **{name: value for name, value in job.items() if name != "shards"})

        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(work, jobs))

    @contextmanager
    def when(self, is_time: Callable[[], bool], then: Callable[[], object]) -> Iterator[None]:
        """While the block runs, do ``then`` once, as soon as ``is_time`` says so."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_time():
                if is_over.wait(0.005):
                    return
            then()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def in_ledger(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with LedgerWriter(self.ledger_url) as writer:
            return writer.call(operation, *args, **kwargs)

    def attempts(self, work: ShardWork) -> list[Attempt]:
        """All attempts of a shard's requests, in row order."""
        ids = [wanted.request_id for wanted in work.wanted]
        found = self.in_ledger(ledger.attempts_of, self.service, ids)
        return [attempt for request_id in dict.fromkeys(ids) for attempt in found.get(request_id, [])]

    def claim(self, wanted: Wanted, *, age_s: float, run_id: str = "a dead run", owner: int | None = None) -> Attempt:
        """A claim that another process wrote ``age_s`` ago and that runs out 90 s after that."""
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        attempt = replace(claimed(self.service, wanted, at=at, run_id=run_id), owner=owner)
        self.in_ledger(ledger_claims.claim, attempt)
        return attempt

    async def _account(self, stack: AsyncExitStack, key: str, rate: str) -> Account:
        url = self.base_url
        client = await stack.enter_async_context(
            open_client(api_key=key, base_url=url, upload_base_url=self.upload_base_url or url)
        )
        limit = parse_rate(rate)
        # Limits of different size must not share a file: a test may run one process slowly and another quickly.
        folder = self.folder / f"pace-{limit.count}-{limit.window_s:g}"
        folder.mkdir(exist_ok=True)
        pace = Pace(name=f"{client.account}-create", limit=limit, folder=folder)
        queries = Pace(name=f"{client.account}-query", limit=parse_rate("1000/1s"), folder=folder)
        stack.callback(pace.close)
        stack.callback(queries.close)
        return Account(client=client, pace=pace, query_pace=queries, patience_s=5.0)


async def _ask(stop: StopRequest, is_time: Callable[[], bool]) -> None:
    while not is_time():  # noqa: ASYNC110 - what is waited for happens in the emulator's thread
        await anyio.sleep(0.005)
    stop.ask()


def taught_ledger(folder: Path, services: Sequence[str], seconds: float = 0.1) -> Path:
    """A ledger that knows five generations per size and service, so that polls come as soon as results do."""
    path = folder / "ledger.sqlite"
    with LedgerWriter(f"sqlite:///{path}") as writer:
        for number, (service, resolution) in enumerate(product(services, ("1K", "4K") * 5)):
            earlier = GenerationRequest(prompt=f"earlier {number}", resolution=resolution)
            at = datetime.now(UTC)
            before = claimed(service, shard(earlier, table="earlier").wanted[0], at=at, run_id="earlier")
            writer.call(ledger_claims.claim, before)
            after = writer.call(ledger.save_created, before, task_id=f"earlier-{number}", at=at)
            done = moves.mark_succeeded(
                after,
                result_urls=("https://host.example/earlier.png",),
                credits_consumed=0.0,
                generation_s=seconds,
                completed_at=at + timedelta(seconds=seconds),
                at=at + timedelta(seconds=seconds),
            )
            writer.call(ledger.save, after, done, run_id="earlier")
    return path
