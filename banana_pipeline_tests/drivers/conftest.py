"""Worlds for the driver: an emulator with quick tasks, a ledger that knows how quick they are, and no idle pauses."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import stamina

from banana_pipeline.core import decisions
from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline_tests.drivers.world import World, taught_ledger

QUICK: dict[str, Any] = {"rate_limit": None, "latency_s": (0.05, 0.15), "is_drawing": False}

NewWorld = Callable[..., World]


@pytest.fixture(scope="session")
def closing() -> Iterator[Callable[[ExitStack], None]]:
    """Closes emulators beside the tests that follow, because a stop takes 0.2 s; waits for all at the end."""
    with ThreadPoolExecutor(8) as pool:
        closed: list[Future[None]] = []
        yield lambda stack: closed.append(pool.submit(stack.close))
        for future in closed:
            future.result()


@pytest.fixture(scope="session")
def experience(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger that every world starts with."""
    return taught_ledger(tmp_path_factory.mktemp("experience"), ["127.0.0.1", "localhost"])


@pytest.fixture
def new_world(closing: Callable[[ExitStack], None], experience: Path, tmp_path: Path) -> Iterator[NewWorld]:
    """Makes a world; its arguments are settings of the emulator, ``world`` holds those of the world."""
    stack = ExitStack()
    shutil.copy(experience, tmp_path / "ledger.sqlite")

    def make(*, world: dict[str, Any] | None = None, **settings: Any) -> World:
        emulator = stack.enter_context(RunningEmulator(EmulatorConfig(**{**QUICK, **settings})))
        return World(emulator=emulator, folder=tmp_path, **(world or {}))

    yield make
    closing(stack)


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world()


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    """stamina's own switch for tests: no waits between the tries of free calls."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses whose length is a formula of `core`, tested there, made short here: constants, no code."""
    monkeypatch.setattr(decisions, "RATE_WINDOW_PAUSE_S", 0.3)
    monkeypatch.setattr(decisions, "MAINTENANCE_PAUSE_S", 0.2)
    monkeypatch.setattr(decisions, "NOT_SENT_PAUSE_S", 0.1)
    monkeypatch.setattr("banana_pipeline.generate.backoff_s", lambda **_: 0.05)
