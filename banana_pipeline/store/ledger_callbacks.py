"""Hints as the ledger keeps them: which task an attempt may have, and that it may be over.

Lives here: keeping and reading hints, from callbacks and from answers that name a task in an unusual way. Does not live
here: receiving (``callbacks``), believing (``recover``). A hint is a stranger's word: it never changes an attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from banana_pipeline.store.ledger_schema import attempts, callbacks

MOST_PER_ATTEMPT = 8
"""Different task ids kept for one attempt; KIE sends one, and whoever guesses an attempt's id gets no further."""

_KEEP = {
    "sqlite": sqlite.insert(callbacks).on_conflict_do_nothing().returning(callbacks.c.id),
    "postgresql": postgresql.insert(callbacks).on_conflict_do_nothing().returning(callbacks.c.id),
}
_COLUMNS = (
    callbacks.c.id,
    callbacks.c.attempt_id,
    callbacks.c.task_id,
    callbacks.c.received_at,
    callbacks.c.verdict,
)
_BY_ANSWER = "named by the answer to the order"
IS_OPEN = sa.or_(callbacks.c.verdict.is_(None), callbacks.c.verdict == _BY_ANSWER)
"""The hints that are still to be looked into, for queries."""

# The hints that a callback has brought; the others say nothing about whether callbacks arrive.
_CAME = sa.or_(callbacks.c.verdict.is_(None), callbacks.c.verdict != _BY_ANSWER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """``verdict``: what the looks at the task have shown for good; None as long as they have not."""

    id: int
    attempt_id: str
    task_id: str
    received_at: datetime
    verdict: str | None

    @property
    def is_open(self) -> bool:
        """Is it still to be looked into?"""
        return self.verdict is None or self.is_by_answer

    @property
    def is_by_answer(self) -> bool:
        """Was the task named by KIE's own answer to this very order?"""
        return self.verdict == _BY_ANSWER


def keep_callback(connection: sa.Connection, *, attempt_id: str | None, task_id: str, at: datetime) -> bool:
    """Keep a hint; True if it is new and about an attempt of ours.

    Args:
        attempt_id: from the callback's address; None where it has none: then the task must be known already.
    """
    known = sa.select(attempts.c.attempt_id)
    known = known.where(attempts.c.task_id == task_id if attempt_id is None else attempts.c.attempt_id == attempt_id)
    found = connection.execute(known).scalars().first()
    if found is None:
        return False
    count = sa.select(sa.func.count()).where(callbacks.c.attempt_id == found)
    if connection.execute(count).scalar_one() >= MOST_PER_ATTEMPT:
        return False
    values = {"attempt_id": found, "task_id": task_id, "received_at": at, "verdict": None}
    return connection.execute(_KEEP[connection.dialect.name], values).first() is not None


def keep_answer(connection: sa.Connection, *, attempt_id: str, task_id: str, at: datetime) -> None:
    """Keep the task that KIE's own answer to an order seems to name."""
    values = {"attempt_id": attempt_id, "task_id": task_id, "received_at": at, "verdict": _BY_ANSWER}
    if connection.execute(_KEEP[connection.dialect.name], values).first() is not None:
        return
    known = (callbacks.c.attempt_id == attempt_id, callbacks.c.task_id == task_id, callbacks.c.verdict.is_(None))
    connection.execute(sa.update(callbacks).where(*known).values(verdict=_BY_ANSWER))


def newest_callback(connection: sa.Connection) -> tuple[int, datetime | None]:
    """Number and arrival of the newest hint; 0 and None without any."""
    query = sa.select(callbacks.c.id, callbacks.c.received_at).where(_CAME).order_by(callbacks.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return (0, None) if row is None else (row.id, row.received_at)


def callbacks_after(connection: sa.Connection, last_id: int) -> list[Hint]:
    """Hints that came after a number, oldest first."""
    query = sa.select(*_COLUMNS).where(callbacks.c.id > last_id, _CAME).order_by(callbacks.c.id)
    return [Hint(**row) for row in connection.execute(query).mappings()]


def callbacks_of(connection: sa.Connection, attempt_ids: Iterable[str]) -> list[Hint]:
    """Every hint about these attempts, oldest first."""
    query = sa.select(*_COLUMNS).where(callbacks.c.attempt_id.in_(list(attempt_ids))).order_by(callbacks.c.id)
    return [Hint(**row) for row in connection.execute(query).mappings()]


def judge_callback(connection: sa.Connection, hint_id: int, verdict: str) -> None:
    """Remember what a look at the hint's task has shown, so that nobody looks again."""
    connection.execute(sa.update(callbacks).where(callbacks.c.id == hint_id).values(verdict=verdict))
