"""Scenes for the tests, on both kinds of ledger."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from banana_pipeline_tests.databases import LEDGERS, database_or_skip
from banana_pipeline_tests.faults.scene import Scene, open_scene

NewScene = Callable[..., Scene]


@pytest.fixture
def new_scene(tmp_path: Path) -> Iterator[NewScene]:
    """Opens a scene with SQLite; its arguments are settings of the emulator."""
    with ExitStack() as stack:
        yield lambda **settings: open_scene(stack, tmp_path, **settings)


@pytest.fixture(params=LEDGERS)
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty ledger of each kind; "" stands for SQLite in the data folder."""
    with nullcontext("") if request.param == "sqlite" else database_or_skip() as url:
        yield url


@pytest.fixture
def new_ledger_scene(new_scene: NewScene, ledger_url: str) -> NewScene:
    """As `new_scene`, once with each kind of ledger."""
    return lambda **settings: new_scene(ledger_url=ledger_url, **settings)
