"""A ledger that the first version wrote is opened by this one: nothing is lost, and the money is counted."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import AttemptState
from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger, ledger_claims, ledger_money, ledger_schema
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline_tests.core.histories import START, new_attempt
from banana_pipeline_tests.store.at_once import open_at_once
from banana_pipeline_tests.store.old_ledger import DUMP, load_old_ledger, migrate

OLD_TABLES = ("attempts", "transitions", "uploads", "regenerations")

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def old_url(new_url: str) -> str:
    """URL of a ledger as the first version left it, on each kind of database."""
    load_old_ledger(new_url)
    return new_url


def contents(url: str) -> Rows:
    """Every row of every table, as plainly as the database tells it."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = sorted(sa.inspect(connection).get_table_names())
        rows = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).mappings().all() for name in names}
    engine.dispose()
    return {name: sorted((dict(row) for row in found), key=repr) for name, found in rows.items()}


def test_the_stored_ledger_has_attempts_in_every_state(old_url: str) -> None:
    assert {row["state"] for row in contents(old_url)["attempts"]} == {str(state) for state in AttemptState}


def test_the_stored_tables_are_those_of_the_first_migration(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/first.sqlite"
    migrate(url, "0001")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        made = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")).scalars().all()
    engine.dispose()
    stored = re.findall(r"^CREATE .*?(?=;\n)", DUMP.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert sorted(" ".join(sql.split()) for sql in stored) == sorted(" ".join(sql.split()) for sql in made)


def test_an_upgrade_keeps_every_row_and_every_column(old_url: str) -> None:
    before = contents(old_url)
    open_engine(old_url).dispose()
    after = contents(old_url)
    for row in after["attempts"]:
        assert row.pop("owner") is None
    assert {name: sorted(after[name], key=repr) for name in OLD_TABLES} == {name: before[name] for name in OLD_TABLES}


def test_an_upgrade_counts_what_runs_and_days_have_committed(old_url: str) -> None:
    wanted: defaultdict[tuple[str, str, str, str], float] = defaultdict(float)
    with LedgerWriter(old_url) as writer:
        stored = writer.call(_all_attempts)
        counted = writer.call(_counters)
    for attempt in stored:
        day = ledger_money.day_of(attempt.claimed_at)
        for scope, name in (("run", attempt.run_id), ("day", day)):
            wanted[scope, name, attempt.service, attempt.account] += attempt.committed_credits
    assert counted == pytest.approx(dict(wanted))
    assert len({name for scope, name, *_ in counted if scope == "day"}) == 3


def test_the_upgraded_ledger_has_the_schema_of_a_new_one(old_url: str) -> None:
    engine = open_engine(old_url)
    look = sa.inspect(engine)
    for table in ledger_schema.metadata.sorted_tables:
        assert {column["name"] for column in look.get_columns(table.name)} == {column.name for column in table.columns}
        assert {str(index["name"]) for index in look.get_indexes(table.name)} >= {
            str(index.name) for index in table.indexes
        }
    engine.dispose()


def test_opening_the_upgraded_ledger_again_changes_nothing(old_url: str) -> None:
    open_engine(old_url).dispose()
    before = contents(old_url)
    open_engine(old_url).dispose()
    assert contents(old_url) == before


def test_the_upgraded_ledger_goes_on(old_url: str) -> None:
    with LedgerWriter(old_url) as writer:
        mine = new_attempt(request_id="new", attempt_id="f" * 32)
        assert writer.call(ledger_claims.claim, mine) is Claim.MADE
        assert writer.call(ledger.save_created, mine, task_id="new-task", at=START).state is AttemptState.SUBMITTED
        taken = new_attempt(request_id=f"{1:032x}", attempt_id="e" * 32)
        assert writer.call(ledger_claims.claim, taken) is Claim.TAKEN


def test_orders_that_the_first_version_left_behind_become_unconfirmed(old_url: str) -> None:
    with LedgerWriter(old_url) as writer:
        left = [one for one in writer.call(_all_attempts) if one.state is AttemptState.SUBMITTING]
        late = max(one.claim_expires_at for one in left) + (left[0].claim_expires_at - left[0].claimed_at)
        ended = writer.call(
            ledger_claims.end_dead_claims, "api.kie.ai", at=late, run_id="now", is_there=writer.presence.is_there
        )
        assert ended == sum(one.service == "api.kie.ai" for one in left) > 0


def test_two_processes_that_upgrade_at_once_both_succeed_and_count_once(old_url: str) -> None:
    assert open_at_once(old_url, 2) == ["opened\n"] * 2
    spent = sum(row["credits"] for row in contents(old_url)["spending"] if row["scope"] == "run")
    with LedgerWriter(old_url) as writer:
        assert spent == pytest.approx(sum(one.committed_credits for one in writer.call(_all_attempts)))


def test_a_ledger_of_a_later_version_is_refused_and_left_as_it_is(old_url: str) -> None:
    engine = sa.create_engine(old_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0003-of-tomorrow'"))
    engine.dispose()
    before = contents(old_url)
    with pytest.raises(LedgerError, match=r"^The ledger has schema 0003-of-tomorrow, .*; upgrade this installation\.$"):
        open_engine(old_url)
    assert contents(old_url) == before


def _all_attempts(connection: sa.Connection) -> list[moves.Attempt]:
    rows = connection.execute(sa.select(ledger_schema.attempts)).mappings()
    return [ledger_schema.to_attempt(dict(row)) for row in rows]


def _counters(connection: sa.Connection) -> dict[tuple[str, str, str, str], float]:
    table = ledger_schema.spending
    columns = (table.c.scope, table.c.name, table.c.service, table.c.account, table.c.credits)
    return {(scope, name, service, account): amount for scope, name, service, account, amount in
            connection.execute(sa.select(*columns))}  # fmt: skip
