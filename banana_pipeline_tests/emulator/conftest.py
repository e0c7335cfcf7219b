"""A caller of the emulator over a real socket, and emulators to call. Time moves when a test moves it."""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator

START_S = 1_770_000_000.0
_keys = itertools.count()

anyone = httpx.Client(verify=False, timeout=20)
"""A caller without a key."""


class Caller:
    """One API key's owner: short names for the calls the tests make."""

    def __init__(self, emulator: RunningEmulator, key: str | None = None) -> None:
        self.emulator = emulator
        self.key = f"key-{next(_keys)}" if key is None else key
        headers = {"authorization": f"Bearer {self.key}"}
        self.http = httpx.Client(base_url=emulator.base_url, headers=headers, timeout=20, verify=False)

    def post(self, body: Any) -> httpx.Response:
        return self.http.post("/api/v1/jobs/createTask", json=body)

    def create(self, prompt: str = "a red boat", call_back_url: str | None = None, **given: Any) -> dict[str, Any]:
        """The whole decoded answer of createTask."""
        extra = {"callBackUrl": call_back_url} if call_back_url else {}
        return self.post({"model": "nano-banana-pro", **extra, "input": {"prompt": prompt, **given}}).json()

    def task_id(self, prompt: str = "a red boat", **given: Any) -> str:
        return self.create(prompt, **given)["data"]["taskId"]

    def record(self, task_id: str) -> dict[str, Any]:
        """The whole decoded answer of recordInfo."""
        return self.http.get("/api/v1/jobs/recordInfo", params={"taskId": task_id}).json()

    def state(self, task_id: str) -> str:
        return self.record(task_id)["data"]["state"]

    def picture_url(self, prompt: str = "a red boat", **given: Any) -> str:
        """The result URL of a new task, once it is finished."""
        task_id = self.task_id(prompt, **given)
        self.emulator.advance(10)
        return json.loads(self.record(task_id)["data"]["resultJson"])["resultUrls"][0]

    def credits(self) -> float:
        return self.http.get("/api/v1/chat/credit").json()["data"]

    def books(self) -> dict[str, Any]:
        return self.http.get("/admin/books.json").json()


Start = Callable[..., Caller]


@pytest.fixture(scope="session")
def closing() -> Iterator[Callable[[ExitStack], None]]:
    """Closes emulators beside the tests that follow, because a stop takes 0.2 s; waits for all at the end."""
    with ThreadPoolExecutor(8) as pool:
        closed: list[Future[None]] = []
        yield lambda stack: closed.append(pool.submit(stack.close))
        for future in closed:
            future.result()


@pytest.fixture
def start(closing: Callable[[ExitStack], None]) -> Iterator[Start]:
    """Starts an emulator with these settings and a frozen clock; answers a caller with a key of its own."""
    stack = ExitStack()

    def _start(**settings: Any) -> Caller:
        config = EmulatorConfig(**{"rate_limit": None, **settings})
        emulator = stack.enter_context(RunningEmulator(config, clock=lambda: START_S))
        caller = Caller(emulator)
        stack.callback(caller.http.close)
        return caller

    yield _start
    closing(stack)


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[RunningEmulator]:
    """One emulator with default settings, without a rate limit, for tests that need no other."""
    with RunningEmulator(EmulatorConfig(rate_limit=None), clock=lambda: START_S) as emulator:
        yield emulator


@pytest.fixture
def caller(shared_emulator: RunningEmulator) -> Iterator[Caller]:
    """A new account at the shared emulator."""
    caller = Caller(shared_emulator)
    yield caller
    caller.http.close()
