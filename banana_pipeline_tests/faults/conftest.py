"""Scenes for the tests, on both kinds of ledger."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from banana_pipeline_tests.faults.databases import LEDGERS, new_database
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
    with ExitStack() as stack:
        yield "" if request.param == "sqlite" else _database(stack)


def _database(stack: ExitStack) -> str:
    try:
        return stack.enter_context(new_database())
    except OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Postgres at PGHOST:PGPORT: {str(error.orig).splitlines()[0]}")


@pytest.fixture
def new_ledger_scene(new_scene: NewScene, ledger_url: str) -> NewScene:
    """As `new_scene`, once with each kind of ledger."""
    return lambda **settings: new_scene(ledger_url=ledger_url, **settings)
