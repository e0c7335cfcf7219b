"""The scene of a disaster: an office with a ledger of either kind, the service's levers, and the judge.

Here: starting the program, also doomed to die at an exact place; books, outputs and ledger as they are afterwards.
Not here: what must be true of them (the tests), what counts as broken (judge).
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline_tests.e2e.command import KEY, Ended, Office, ended
from banana_pipeline_tests.faults.judge import Row, Verdict, judge

ROOT = Path(__file__).parents[2]
QUICK: dict[str, Any] = {"rate_limit": None, "latency_s": (0.3, 1.0), "is_drawing": False, "keys": (KEY,)}


@dataclass(kw_only=True)
class Scene(Office):
    """An office whose ledger may be anywhere. `ledger_url` "" is the default: SQLite in the data folder."""

    ledger_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        own = {"BANANA_RATE_LIMIT": "60/1s", **self.settings}
        if self.ledger_url:
            own["BANANA_LEDGER_URL"] = self.ledger_url
        return super().environment(**{**own, **more})

    def add_boats(self, name: str, numbers: Sequence[int]) -> None:
        """A table with one prompt for each number; equal numbers ask for the same in every table."""
        self.add_table(name, {"prompt": [f"boat {number}" for number in numbers]})

    def doom(self, place: str, count: int, *arguments: str) -> Ended:
        """Run the program until it kills itself at the `count`-th time it comes to `place` (see doomed)."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        program = [sys.executable, "-m", "banana_pipeline_tests.faults.doomed", place, str(count), *arguments]
        return ended(self.start_program(program, PYTHONPATH=path))

    # The service's levers

    def admin(self, what: str, **fields: object) -> None:
        """`POST /admin/<what>`: clock, faults or accounts."""
        httpx.post(f"{self.emulator.base_url}/admin/{what}", json=fields, trust_env=False).raise_for_status()

    def account(self, **fields: object) -> None:
        """Change the account of this office's key."""
        self.admin("accounts", key=self.key, **fields)

    @property
    def task_count(self) -> int:
        return len(self.emulator.books.tasks)

    def refusals(self, code: int) -> int:
        """How many calls the service has refused with this code."""
        return self.emulator.books.refusals[code]

    # What is left

    def rows(self, *tables: str) -> list[Row]:
        """All rows of `generations`."""
        return [row for table in tables for row in self.outputs("generations", table).to_pylist()]

    def judge(self, *tables: str) -> Verdict:
        """The verdict over these tables, which must be all that was ever bought here; waits for running tasks."""
        wait_for(lambda: not any(task["state"] in ("waiting", "generating") for task in self.tasks))
        books = self.emulator.books
        taken = sum(account.opening_credits - books.balance(account) for account in books.accounts.all())
        return judge(tasks=self.tasks, rows=self.rows(*tables), taken_credits=taken)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows straight from the ledger, whichever it is."""
        engine = sa.create_engine(self.ledger_url or f"sqlite:///{self.data}/ledger.sqlite")
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sa.text(sql))]
        finally:
            engine.dispose()

    def states(self) -> dict[str, int]:
        return dict(self.query("SELECT state, count(*) FROM attempts GROUP BY state"))

    def recovered(self) -> int:
        """How many orders were in doubt, as the ledger tells it, and then found their task."""
        query = "SELECT count(*) FROM transitions WHERE from_state = 'unconfirmed' AND to_state = 'submitted'"
        return self.query(query)[0][0]


def wait_for(is_time: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for something that no single process brings about."""
    until_s = time.monotonic() + timeout_s
    while not is_time():
        assert time.monotonic() < until_s, "it never happened"
        time.sleep(0.02)


def open_scene(
    stack: ExitStack, folder: Path, *, ledger_url: str = "", settings: dict[str, str] | None = None, **emulator: Any
) -> Scene:
    """A new scene in an empty folder; `emulator`: settings of the service."""
    running = stack.enter_context(RunningEmulator(EmulatorConfig(**{**QUICK, **emulator})))
    return Scene(folder=folder, emulator=running, ledger_url=ledger_url, settings=settings or {})
