"""What must never be found in a ledger: questions about its file, its tables and single attempts.

Lives here: SQL that counts what is wrong and names the first few, so that a million attempts need no memory. Does not
live here: histories and sums (``store.ledger_history``), which question is asked when (``store.ledger_check``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from banana_pipeline.core.attempts import LIVE_STATES, AttemptState
from banana_pipeline.store import ledger_reports
from banana_pipeline.store.ledger_schema import attempts, metadata

MOST_EXAMPLES = 20

Found = tuple[int, list[str]]
"""How many there are, and the first `MOST_EXAMPLES` of them in words."""

_HAS_TASK = (AttemptState.SUBMITTED, AttemptState.SUCCEEDED, AttemptState.OVERDUE, AttemptState.FAILED)


def found(connection: sa.Connection, wrong: sa.Select[*tuple[Any, ...]], words: str) -> Found:
    """Ask for what is wrong; ``words`` is filled from the columns of each row."""
    query = sa.select(wrong.subquery(), sa.func.count().over().label("in_all")).limit(MOST_EXAMPLES)
    rows = connection.execute(query).mappings().all()
    return (int(rows[0]["in_all"]) if rows else 0, [words.format_map(row) for row in rows])


def named(lines: Iterable[str]) -> Found:
    """The same for a short list."""
    every = list(lines)
    return len(every), every[:MOST_EXAMPLES]


def damage(connection: sa.Connection) -> Found:
    """What SQLite finds broken in its file. Postgres keeps its own, and fails aloud when it cannot read them."""
    if connection.dialect.name != "sqlite":
        return 0, []
    try:
        answers = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
    except DBAPIError as error:
        answers = [str(error.orig)]
    return named(line for answer in answers if answer != "ok" for line in str(answer).splitlines())


def missing_parts(connection: sa.Connection) -> Found:
    """Tables, columns and indexes that this schema has and the ledger has not."""
    look = sa.inspect(connection)
    there, missing = set(look.get_table_names()), []
    for table in metadata.sorted_tables:
        if table.name not in there:
            missing.append(f"the table {table.name}")
            continue
        columns = {column["name"] for column in look.get_columns(table.name)}
        missing += [f"the column {column}" for column in table.columns if column.name not in columns]
        indexes = {(index["name"], bool(index["unique"])) for index in look.get_indexes(table.name)}
        wanted = {(str(index.name), bool(index.unique)) for index in table.indexes}
        missing += [f"the index {name} of {table.name}" for name, _ in sorted(wanted - indexes)]
    return named(missing)


def wrong_values(connection: sa.Connection) -> Found:
    """Attempts with values that no attempt can have."""
    wrong = sa.select(attempts.c.attempt_id).where(
        sa.or_(
            attempts.c.state.not_in([str(state) for state in AttemptState]),
            attempts.c.number < 1,
            attempts.c.price_credits < 0,
            attempts.c.credits < 0,
            attempts.c.result_urls.not_like("[%]"),
        )
    )
    return found(connection, wrong, "attempt {attempt_id}")


def second_live_attempts(connection: sa.Connection) -> Found:
    """Requests with more than one live attempt."""
    live = attempts.c.state.in_([str(state) for state in LIVE_STATES])
    key = (attempts.c.service, attempts.c.request_id)
    wrong = sa.select(*key, sa.func.count().label("times")).where(live).group_by(*key).having(sa.func.count() > 1)
    return found(connection, wrong, "request {request_id} at {service}: {times} live attempts")


def repeated_task_ids(connection: sa.Connection) -> Found:
    """Task ids that stand in more than one attempt."""
    key = (attempts.c.service, attempts.c.task_id)
    known = sa.select(*key, sa.func.count().label("times")).where(attempts.c.task_id.is_not(None))
    wrong = known.group_by(*key).having(sa.func.count() > 1)
    return found(connection, wrong, "task {task_id} at {service}: {times} attempts")


def bought_twice(connection: sa.Connection) -> Found:
    """Requests that were charged more than once."""
    return named(f"request {request_id}" for request_id in ledger_reports.requests_bought_twice(connection))


def without_task(connection: sa.Connection) -> Found:
    """Attempts whose state says that KIE made a task, and which do not know its id."""
    wrong = sa.select(attempts.c.attempt_id, attempts.c.state).where(
        attempts.c.state.in_([str(state) for state in _HAS_TASK]), attempts.c.task_id.is_(None)
    )
    return found(connection, wrong, "attempt {attempt_id}: {state} without a task id")


def without_result(connection: sa.Connection) -> Found:
    """Successes without a picture."""
    wrong = sa.select(attempts.c.attempt_id, attempts.c.task_id).where(
        attempts.c.state == str(AttemptState.SUCCEEDED), attempts.c.result_urls == "[]"
    )
    return found(connection, wrong, "attempt {attempt_id}, task {task_id}")


def times_out_of_order(connection: sa.Connection) -> Found:
    """Attempts whose times run backwards."""
    wrong = sa.select(attempts.c.attempt_id).where(
        sa.or_(
            attempts.c.claim_expires_at < attempts.c.claimed_at,
            attempts.c.submitted_at < attempts.c.claimed_at,
            attempts.c.updated_at < sa.func.coalesce(attempts.c.submitted_at, attempts.c.claimed_at),
        )
    )
    return found(connection, wrong, "attempt {attempt_id}")
