"""Worlds for Dagster: one emulator for all tests, an account, a folder and an instance for each."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline_tests.defs.world import World
from banana_pipeline_tests.drivers.world import taught_ledger

NewWorld = Callable[..., World]

_numbers = count(1)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person's own settings reaches a test."""
    for name in list(os.environ):
        if name.startswith(("KIE_", "BANANA_", "DAGSTER_HOME")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BANANA_DATA_DIR", str(tmp_path / "unused"))


@pytest.fixture(scope="session", autouse=True)
def own_pace_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files in which processes share their pace."""
    before = tempfile.tempdir
    tempfile.tempdir = str(tmp_path_factory.mktemp("pace"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def emulator() -> Iterator[RunningEmulator]:
    with RunningEmulator(EmulatorConfig(rate_limit=None, latency_s=(0.02, 0.1), is_drawing=False)) as running:
        yield running


@pytest.fixture(scope="session")
def experience(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that knows how quick the emulator is, so that nothing waits for KIE's usual times."""
    return taught_ledger(tmp_path_factory.mktemp("experience"), ["127.0.0.1"])


@pytest.fixture
def new_world(emulator: RunningEmulator, experience: Path, tmp_path: Path) -> Iterator[NewWorld]:
    """Makes a world; its arguments replace the world's own."""
    shutil.copy(experience, tmp_path / "ledger.sqlite")
    with dg.DagsterInstance.ephemeral() as instance:
        key = f"sk-defs-{os.getpid()}-{next(_numbers):04}-not-to-be-seen"
        own: dict[str, Any] = {"emulator": emulator, "folder": tmp_path, "instance": instance, "key": key}
        yield lambda **given: World(**{**own, **given})


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world()
