"""Runs of the real driver that may die at any moment, several in one event loop.

Here: a process as the outside sees it: a ledger writer and connections to KIE, which both fall silent at death. Nothing
is tidied up: no commit, no POST, no word after it. Not here: facts; which moment, which requests (test_any_history).
"""

import queue
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from banana_pipeline.accounts import Account
from banana_pipeline.generate import Generation
from banana_pipeline.kie.client import KieClient
from banana_pipeline.kie.pace import Pace, parse_rate
from banana_pipeline.progress import Progress
from banana_pipeline.stopping import StopRequest
from banana_pipeline.store.group_commit import LedgerWriter, Operation
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, ShardDone, ShardWork
from banana_pipeline_tests.drivers.rows import KEY
from banana_pipeline_tests.drivers.simulated_kie import BASE_URL, SimulatedKie
from banana_pipeline_tests.drivers.world import no_files


class Died(BaseException):
    """What is left of a process after its death; nothing in the program catches it."""


@dataclass(kw_only=True)
class Life:
    """Ends at the ``ends_at``-th moment: an operation of the ledger asked or answered, a request sent or answered."""

    ends_at: int | None
    moments: int = 0

    def moment(self) -> None:
        self.moments += 1
        if self.is_over:
            raise Died

    @property
    def is_over(self) -> bool:
        return self.ends_at is not None and self.moments >= self.ends_at


class MortalWriter(LedgerWriter):
    """The real writer of a mortal process."""

    def __init__(self, url: str, life: Life) -> None:
        super().__init__(url)
        self._life = life

    async def do(self, operation: Operation, *args: Any, **kwargs: Any) -> Any:
        self._life.moment()
        done = await super().do(operation, *args, **kwargs)
        self._life.moment()
        return done

    def submit(self, operation: Operation, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._life.is_over:
            raise Died
        return super().submit(operation, *args, **kwargs)

    def end(self) -> None:
        """Close, or, after death, let the operating system take back what it gave."""
        if not self._life.is_over:
            self.close()
            return
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(None)
        self._thread.join()
        presence: Any = self.presence
        presence._lock.release() if hasattr(presence, "_lock") else presence.close()
        self._engine.dispose()


class _Wire(httpx.AsyncBaseTransport):
    """A mortal process's way to KIE."""

    def __init__(self, kie: SimulatedKie, life: Life, run_id: str) -> None:
        self._kie, self._life, self._run_id = kie, life, run_id

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._life.moment()
        await anyio.lowlevel.checkpoint()  # let others come first
        response = self._kie.answer(request, self._run_id)
        await anyio.lowlevel.checkpoint()
        self._life.moment()
        return response


@dataclass(frozen=True, kw_only=True)
class Process:
    """One run: what it is asked for, and when it dies."""

    work: ShardWork
    rules: Rules
    ends_at: int | None = None
    done: list[ShardDone] = field(default_factory=list)

    async def live(self, kie: SimulatedKie, ledger_url: str, folder: Path) -> None:
        """Run to the end or to death. Raises what the driver raises, but for death."""
        life = Life(ends_at=self.ends_at)
        with ExitStack() as stack:
            writer = MortalWriter(ledger_url, life)
            stack.callback(writer.end)
            http = httpx.AsyncClient(transport=_Wire(kie, life, self.rules.run_id))
            client = KieClient(api_key=KEY, base_url=BASE_URL, upload_base_url=BASE_URL, http=http)
            paces = [Pace(name=name, limit=parse_rate("1000/1s"), folder=folder) for name in ("create", "query")]
            for pace in paces:
                stack.callback(pace.close)
            generation = Generation(
                accounts=[Account(client=client, pace=paces[0], query_pace=paces[1], patience_s=0.2)],
                writer=writer,
                uploader=Uploader(writer=writer, service=self.rules.service, read_bytes=no_files),
                rules=self.rules,
                progress=Progress(),
                stop=StopRequest(),
                on_shard=self.done.append,
            )
            try:
                await generation.run([self.work])
            except BaseException as error:
                if not life.is_over or not _is_death(error):
                    raise


def run_all(processes: Sequence[Process], kie: SimulatedKie, ledger_url: str, folder: Path) -> None:
    """Let processes live at the same time."""

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for process in processes:
                tasks.start_soon(process.live, kie, ledger_url, folder)

    anyio.run(main)


def _is_death(error: BaseException) -> bool:
    """Is there nothing in it but the death, and what it left half done?"""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_death(one) for one in error.exceptions)
    return isinstance(error, Died)
