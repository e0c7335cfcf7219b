"""The ledger fails in the middle of a run: nothing is sent without it, nothing is bought twice, and a run on the mended
ledger goes on.

Here: the driver. Not here: single operations (store/test_ledger_faults), killed processes (faults).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import stamina
from click.testing import CliRunner

from banana_pipeline.cli import main
from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger_open
from banana_pipeline.store.ledger_check import check_ledger
from banana_pipeline_tests.databases import become_read_only, become_writable, end_connections
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.ledgers import ElsewhereWorld, postgres_copy
from banana_pipeline_tests.drivers.rows import KEY, PRICE, boats, shard
from banana_pipeline_tests.drivers.world import World
from banana_pipeline_tests.store.proxy import Cut, open_door

ROWS = 16


@pytest.fixture(autouse=True)
def many_tries() -> Iterator[None]:
    """As many tries as a database that is often away needs, without waits."""
    with stamina.set_testing(True, attempts=30):
        yield


@pytest.fixture
def postgres_world(new_world: NewWorld, experience: Path) -> Iterator[ElsewhereWorld]:
    with postgres_copy(experience) as url:
        world = new_world()
        yield ElsewhereWorld(emulator=world.emulator, folder=world.folder, url=url)


def assert_kept(world: World, *, url: str | None = None) -> None:
    """Nothing was bought twice, every task is known, and the ledger's own sums are right."""
    assert world.books["paid_twice"]["extra_tasks"] == 0
    known = {attempt.task_id for attempt in world.attempts(shard(*boats(ROWS)))}
    assert {task["task_id"] for task in world.tasks} <= known
    assert [found for found in check_ledger(url or world.ledger_url) if found.is_problem] == []


def failed(world: World, **rules: object) -> str:
    """What a run said that the ledger ended."""
    with pytest.raises(ExceptionGroup) as raised:
        world.run(shard(*boats(ROWS)), **rules)  # pyright: ignore[reportArgumentType]
    errors = list(leaves(raised.value))
    assert errors
    assert all(isinstance(error, LedgerError) for error in errors)
    return str(errors[0])


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


# Postgres connections


@pytest.mark.parametrize("cuts", [(Cut.AFTER,), (Cut.BEFORE,), (Cut.AFTER, Cut.NOT, Cut.BEFORE, Cut.NOT)])
def test_a_run_whose_commits_lose_their_connection_buys_each_row_once(
    postgres_world: ElsewhereWorld, cuts: tuple[Cut, ...]
) -> None:
    real = postgres_world.url
    with open_door(real) as (door, url):
        # A ledger is opened in one try: the first cut comes after that.
        door.on_commit = lambda number: Cut.NOT if number % 3 or number < 9 else cuts[number // 3 % len(cuts)]
        postgres_world.url = url
        run = postgres_world.run(shard(*boats(ROWS)), max_credits=ROWS * PRICE, max_in_flight=5)
        assert door.cuts > 3
    postgres_world.url = real
    assert run.statuses == {"succeeded": ROWS}
    assert postgres_world.books["tasks"] == ROWS
    assert run.credits == ROWS * PRICE
    assert_kept(postgres_world)


def test_a_run_whose_connections_are_ended_again_and_again_buys_each_row_once(postgres_world: ElsewhereWorld) -> None:
    with ending_connections(postgres_world.url) as ended:
        run = postgres_world.run(shard(*boats(ROWS)), max_in_flight=4)
    assert len(ended) > 3
    assert run.statuses == {"succeeded": ROWS}
    assert postgres_world.books["tasks"] == ROWS
    assert_kept(postgres_world)


def test_a_database_that_becomes_read_only_ends_the_run_and_the_next_one_goes_on(
    postgres_world: ElsewhereWorld,
) -> None:
    def switch() -> None:
        become_read_only(postgres_world.url)
        end_connections(postgres_world.url)

    with postgres_world.when(lambda: postgres_world.books["tasks"] >= 4, switch):
        told = failed(postgres_world, max_in_flight=4)
    assert "read-only transaction" in told
    become_writable(postgres_world.url)
    goes_on(postgres_world)


# SQLite files


@pytest.mark.parametrize("disaster", ["moved", "replaced"])
def test_a_ledger_that_vanishes_ends_the_run_and_put_back_it_goes_on(world: World, disaster: str) -> None:
    path, away = world.folder / "ledger.sqlite", world.folder / "away.sqlite"

    def vanish() -> None:
        path.rename(away)
        if disaster == "replaced":
            path.touch()

    with world.when(lambda: world.books["tasks"] >= 4, vanish):
        told = failed(world, max_in_flight=4)
    assert told.endswith("put it back where it was, then run again.")
    away.rename(path)
    goes_on(world)


def test_a_disk_that_fills_up_ends_the_run_and_with_room_the_next_one_goes_on(world: World) -> None:
    with closing(sqlite3.connect(world.folder / "ledger.sqlite")) as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
    with pages_limited_to(pages + 1):
        told = failed(world, max_in_flight=4)
    assert "full" in told
    assert 0 < world.books["tasks"] < ROWS
    goes_on(world)


def test_a_ledger_locked_in_the_middle_ends_the_run_and_unlocked_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_open, "_LOCK_WAIT_S", 0.3)
    other = sqlite3.connect(world.folder / "ledger.sqlite", isolation_level=None, check_same_thread=False, timeout=10)
    with closing(other):
        with world.when(lambda: world.books["tasks"] >= 4, lambda: other.execute("BEGIN IMMEDIATE")):
            told = failed(world, max_in_flight=4)
        other.execute("ROLLBACK")
    assert "locked" in told
    goes_on(world)


@pytest.mark.parametrize("obstacle", ["a folder", "locked", "no database"])
def test_a_ledger_that_cannot_be_opened_is_told_in_one_sentence_before_anything_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    path = world.folder / "data" / "ledger.sqlite"
    path.parent.mkdir()
    other = closing(
        sqlite3.connect(path, isolation_level=None) if obstacle == "locked" else sqlite3.connect(":memory:")
    )
    with other as database:
        if obstacle == "a folder":
            path.mkdir()
        elif obstacle == "locked":
            monkeypatch.setattr(ledger_open, "_LOCK_WAIT_S", 0.2)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("BEGIN EXCLUSIVE")
        else:
            path.write_bytes(b"these are my holiday notes " * 100)
        told = banana_run(world, monkeypatch)
    refused = f"banana: BANANA_LEDGER_URL is a folder; write sqlite:///{path}/ledger.sqlite"
    assert told.startswith(
        refused if obstacle == "a folder" else f"banana: The ledger sqlite:///{path} cannot be used ("
    )
    assert told.count("\n") == 1
    assert world.books["tasks"] == 0


# How it is done


def goes_on(world: World) -> None:
    """A later run on the mended ledger buys what is left, and nothing again. An answer that could not be recorded
    leaves its order unconfirmed: that row a person has to look at."""
    before = world.books["tasks"]
    unsure = world.run(shard(*boats(ROWS))).statuses.get("unconfirmed", 0)
    assert unsure <= before
    assert world.books["paid_twice"]["extra_tasks"] == 0
    assert {post["input"]["prompt"] for post in world.tasks} == set(boats(ROWS))
    known = {attempt.task_id for attempt in world.attempts(shard(*boats(ROWS)))}
    assert len({task["task_id"] for task in world.tasks} - known) == unsure
    assert [found for found in check_ledger(world.ledger_url) if found.is_problem] == []


@contextmanager
def ending_connections(url: str) -> Iterator[list[int]]:
    """While the block runs, end all other connections to the database, time and again."""
    is_over, ended = threading.Event(), []

    def end() -> None:
        while not is_over.wait(0.07):
            end_connections(url)
            ended.append(1)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield ended
    finally:
        is_over.set()
        thread.join()


@contextmanager
def pages_limited_to(pages: int) -> Iterator[None]:
    """SQLite databases opened in the block cannot grow further, as on a disk without room."""

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.pool.Pool, "connect", limit)
    try:
        yield
    finally:
        sa.event.remove(sa.pool.Pool, "connect", limit)


def banana_run(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `banana run` says on the way out with exit code 2."""
    prompts = world.folder / "data" / "prompts"
    prompts.mkdir()
    write_prompts(prompts / "boats.parquet")
    for name, value in {
        "KIE_API_KEY": KEY,
        "KIE_BASE_URL": world.base_url,
        "BANANA_DATA_DIR": str(world.folder / "data"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BANANA_LEDGER_URL", raising=False)
    told = CliRunner().invoke(main, ["run", "boats"], catch_exceptions=False)
    assert told.exit_code == 2
    return told.stderr


def write_prompts(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"prompt": boats(2)}), path)
