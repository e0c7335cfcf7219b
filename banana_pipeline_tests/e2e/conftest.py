"""Offices for the `banana` command, each with an emulator of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline_tests.e2e.command import KEY, Office

NewOffice = Callable[..., Office]


def open_office(stack: ExitStack, folder: Path, **settings: Any) -> Office:
    quick = {"rate_limit": None, "latency_s": (0.1, 0.5), "is_drawing": False, "keys": (KEY,)}
    emulator = stack.enter_context(RunningEmulator(EmulatorConfig(**{**quick, **settings})))
    return Office(folder=folder, emulator=emulator)


@pytest.fixture
def new_office(tmp_path: Path) -> Iterator[NewOffice]:
    """Opens an office; its arguments are settings of the emulator."""
    with ExitStack() as stack:
        yield lambda **settings: open_office(stack, tmp_path, **settings)
