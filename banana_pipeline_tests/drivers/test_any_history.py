"""Any history: runs, deaths, lost answers, callbacks and people in any order, on the real ledger with the real driver.

Here: the rules of what may happen, and what must hold after each of them, by the simulated KIE's own books.
Not here: how a process dies (mortal), what KIE does (simulated_kie). `BANANA_HISTORIES` asks for a longer hunt.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.store import ledger, ledger_callbacks
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_check import check_ledger
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import attempts, metadata
from banana_pipeline.work import Rules
from banana_pipeline_tests.databases import database_or_skip
from banana_pipeline_tests.drivers.ledgers import copy_ledger
from banana_pipeline_tests.drivers.mortal import Process, run_all
from banana_pipeline_tests.drivers.rows import shard
from banana_pipeline_tests.drivers.simulated_kie import PRICE, SERVICE, Fate, Said, SimulatedKie
from banana_pipeline_tests.drivers.world import taught_ledger

HISTORIES = int(os.environ.get("BANANA_HISTORIES", "12"))
PROMPTS = [f"boat {number}" for number in range(5)]
IDS = {GenerationRequest(prompt=prompt).request_id: prompt for prompt in PROMPTS}
IN_DOUBT = {"submitting", "unconfirmed", "abandoned"}

NewLedger = Callable[[], str]

prompts = st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=5, unique=True)
answers = st.lists(st.sampled_from(Said), max_size=6)
fates = st.lists(st.sampled_from(Fate), max_size=6)
deaths = st.none() | st.integers(1, 40)
budgets = st.none() | st.integers(0, 4).map(lambda times: times * PRICE + 1.0)
whiches = st.integers(0, 99)
LAUNCH_BUDGET = 3 * PRICE + 1.0


def chosen(things: Sequence[Any], which: int) -> Any:
    return things[which % len(things)]


class AnyHistory(RuleBasedStateMachine):
    """One ledger and one account at KIE, whatever happens to them."""

    def __init__(self, new_ledger: NewLedger) -> None:
        super().__init__()
        self.url = new_ledger()
        self.folder = Path(tempfile.mkdtemp(prefix="any-history-"))
        self.engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        self.kie = SimulatedKie(has_claim=self.has_claim)
        self.numbers = count(1)
        self.launches: dict[str, set[str]] = {}

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)

    # What may happen

    @rule(wanted=prompts, said=answers, ends=fates, death=deaths, budget=budgets, is_waiting=st.booleans())
    def a_run(
        self,
        wanted: list[str],
        said: list[Said],
        ends: list[Fate],
        death: int | None,
        budget: float | None,
        is_waiting: bool,
    ) -> None:
        self.kie.answers.extend(said)
        self.kie.fates.extend(ends)
        self.live(self.process(wanted, death, max_credits=budget, is_waiting=is_waiting))

    @rule(first=prompts, second=prompts, said=answers, ends=fates, death=deaths)
    def two_runs_of_one_launch(
        self, first: list[str], second: list[str], said: list[Said], ends: list[Fate], death: int | None
    ) -> None:
        self.kie.answers.extend(said)
        self.kie.fates.extend(ends)
        launch = f"launch-{next(self.numbers)}"
        given = {"launch": launch, "max_credits": LAUNCH_BUDGET}
        both = (self.process(first, death, **given), self.process(second, None, **given))
        self.launches[launch] = {one.rules.run_id for one in both}
        self.live(*both)

    @rule(first=prompts, second=prompts, said=answers, ends=fates, death=deaths, budget=budgets, room=st.integers(1, 4))
    def two_runs_at_once(
        self,
        first: list[str],
        second: list[str],
        said: list[Said],
        ends: list[Fate],
        death: int | None,
        budget: float | None,
        room: int,
    ) -> None:
        self.kie.answers.extend(said)
        self.kie.fates.extend(ends)
        self.live(
            self.process(first, death, max_credits=budget, max_in_flight=room),
            self.process(second, None, max_in_flight=room),
        )

    # What is chosen must not depend on how many tasks there are: two runs at once are never twice the same, and what
    # was drawn for a history must fit whichever way it goes. So a number is drawn, and a rule without a task is idle.

    @rule(which=whiches, times=st.integers(1, 2))
    def a_callback_comes(self, which: int, times: int) -> None:
        if not self.kie.tasks:
            return
        task = chosen(sorted(self.kie.tasks.values(), key=lambda one: one.task_id), which)
        for _ in range(times):
            self.in_ledger(self.keep, task.attempt_id, task.task_id)

    @rule(which=whiches, other=whiches, is_made_up=st.booleans())
    def a_callback_is_forged(self, which: int, other: int, is_made_up: bool) -> None:
        if not self.kie.posts:
            return
        attempt_id = chosen(self.kie.posts, which)
        others = [one.task_id for one in self.kie.tasks.values() if one.attempt_id != attempt_id]
        task_id = "task-of-nobody" if is_made_up or not others else chosen(others, other)
        self.in_ledger(self.keep, attempt_id, task_id)

    @rule(fate=st.sampled_from(Fate))
    def running_tasks_end(self, fate: Fate) -> None:
        for task in self.kie.tasks.values():
            if task.fate is Fate.RUNNING:
                task.fate = fate

    @rule(is_given_up=st.booleans())
    def a_person_gives_up_what_is_in_doubt(self, is_given_up: bool) -> None:
        with LedgerWriter(self.url) as writer:
            for row in self.rows():
                if row["state"] == "unconfirmed":
                    before = writer.call(ledger.attempt, row["attempt_id"])
                    now = datetime.now(UTC)
                    after = moves.mark_abandoned(before, reason="by hand", is_given_up=is_given_up, at=now)
                    assert writer.call(ledger.save, before, after, run_id="a person")

    # What must hold

    @invariant()
    def every_post_had_its_order_and_its_budget(self) -> None:
        assert self.kie.faults == []

    @invariant()
    def nothing_is_charged_twice_unless_a_person_gave_up_the_first(self) -> None:
        charged = Counter(task.prompt for task in self.kie.tasks.values() if task.charged)
        given_up = Counter(IDS[row["request_id"]] for row in self.rows() if row["state"] == "abandoned")
        assert [prompt for prompt, times in charged.items() if times > 1 + given_up[prompt]] == []

    @invariant()
    def every_task_is_known_or_its_order_is_in_doubt(self) -> None:
        rows = {row["attempt_id"]: row for row in self.rows()}
        for task in self.kie.tasks.values():
            row = rows[task.attempt_id]
            assert row["task_id"] == task.task_id or (row["task_id"] is None and row["state"] in IN_DOUBT)

    @invariant()
    def no_task_is_taken_for_another(self) -> None:
        known = {row["task_id"]: row["attempt_id"] for row in self.rows() if row["task_id"]}
        assert {task_id: self.kie.tasks[task_id].attempt_id for task_id in known} == known

    @invariant()
    def no_run_has_committed_more_than_its_budget(self) -> None:
        spent: Counter[str] = Counter()
        for row in self.rows():
            spent[row["run_id"]] += row["price_credits"] if row["credits"] is None else row["credits"]
        assert all(spent[run_id] <= budget for run_id, budget in self.kie.budgets.items())
        assert all(self.kie.charged(run_id) <= budget for run_id, budget in self.kie.budgets.items())

    @invariant()
    def no_launch_has_committed_or_paid_more_than_its_budget(self) -> None:
        for runs in self.launches.values():
            own = [row for row in self.rows() if row["run_id"] in runs]
            committed = sum(row["price_credits"] if row["credits"] is None else row["credits"] for row in own)
            assert committed <= LAUNCH_BUDGET
            assert sum(map(self.kie.charged, runs)) <= LAUNCH_BUDGET

    @invariant()
    def the_ledger_is_sound(self) -> None:
        assert [found for found in check_ledger(self.url) if found.is_problem] == []

    # How it is done

    def process(self, wanted: list[str], death: int | None, **given: Any) -> Process:
        run_id = f"run-{next(self.numbers)}"
        if given.get("max_credits") is not None:
            self.kie.budgets[run_id] = given["max_credits"]
        rules = {"max_in_flight": 10, "deadline_s": 0.15, "max_attempts": 3, **given}
        own = Rules(service=SERVICE, run_id=run_id, callback_url="http://here.test/callbacks", **rules)
        return Process(work=shard(*wanted), rules=own, ends_at=death)

    def live(self, *processes: Process) -> None:
        """Let them run; whoever has not died has told about each of its rows, and has left no order unanswered."""
        run_all(processes, self.kie, self.url, self.folder)
        self.kie.answers.clear()
        self.kie.fates.clear()
        alive = {one.rules.run_id for one in processes if one.ends_at is None}
        assert all(len(one.done) == 1 for one in processes if one.rules.run_id in alive)
        assert [row for row in self.rows() if row["run_id"] in alive and row["state"] == "submitting"] == []

    def has_claim(self, attempt_id: str) -> bool:
        return any(row["attempt_id"] == attempt_id and row["state"] in IN_DOUBT for row in self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """The attempts as a stranger's connection sees them: what is committed."""
        with self.engine.connect() as connection:
            query = sa.select(attempts).where(attempts.c.service == SERVICE, attempts.c.run_id != "earlier")
            return [dict(row) for row in connection.execute(query).mappings()]

    def in_ledger(self, operation: Callable[..., Any], *args: Any) -> None:
        with LedgerWriter(self.url) as writer:
            writer.call(operation, *args)

    @staticmethod
    def keep(connection: sa.Connection, attempt_id: str, task_id: str) -> None:
        now = datetime.now(UTC)
        ledger_callbacks.keep_callback(connection, attempt_id=attempt_id, task_id=task_id, at=now)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are constants of the program, made short: a history has many runs."""
    for name, seconds in {
        "core.timing._SHORTEST_POLL_S": 0.01,
        "follow._LEDGER_LOOK_S": 0.02,
        "follow._CALLBACK_LOOK_S": 0.05,
        "hints._LOOK_S": 0.02,
        "claims._NO_ROOM_PAUSE_S": 0.02,
        "core.decisions.RATE_WINDOW_PAUSE_S": 0.02,
        "core.decisions.MAINTENANCE_PAUSE_S": 0.02,
        "core.decisions.NOT_SENT_PAUSE_S": 0.02,
    }.items():
        monkeypatch.setattr(f"banana_pipeline.{name}", seconds)
    monkeypatch.setattr("banana_pipeline.generate.backoff_s", lambda **_: 0.01)


@pytest.fixture(scope="module")
def quick_past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose tasks took 20 ms."""
    return taught_ledger(tmp_path_factory.mktemp("past"), [SERVICE], 0.02)


@pytest.fixture
def sqlite_ledgers(quick_past: Path, tmp_path: Path) -> NewLedger:
    numbers = count(1)

    def new() -> str:
        return f"sqlite:///{shutil.copy(quick_past, tmp_path / f'{next(numbers)}.sqlite')}"

    return new


@pytest.fixture
def postgres_ledgers(quick_past: Path) -> Iterator[NewLedger]:
    """One database, emptied for each history."""
    with database_or_skip() as url:

        def new() -> str:
            engine = open_engine(url)
            with engine.begin() as connection:
                for table in metadata.sorted_tables:
                    connection.execute(sa.delete(table))
            engine.dispose()
            copy_ledger(quick_past, url)
            return url

        yield new


def hunt(new_ledger: NewLedger, examples: int) -> None:
    """Look for a history that breaks a promise; the same ones each time."""
    run_state_machine_as_test(
        lambda: AnyHistory(new_ledger),
        settings=settings(
            max_examples=examples,
            stateful_step_count=10,
            deadline=None,
            derandomize="BANANA_HISTORIES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # a history is too long to be made shorter by trying
        ),
    )


@pytest.mark.timeout(0 if "BANANA_HISTORIES" in os.environ else 180)
def test_no_history_breaks_the_promise(sqlite_ledgers: NewLedger) -> None:
    hunt(sqlite_ledgers, HISTORIES)


@pytest.mark.timeout(0 if "BANANA_HISTORIES" in os.environ else 180)
def test_no_history_breaks_the_promise_with_postgres(postgres_ledgers: NewLedger) -> None:
    hunt(postgres_ledgers, max(3, HISTORIES // 4))
