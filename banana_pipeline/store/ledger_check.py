"""Is the ledger itself sound? Every answer is evidence of damage, or of a fault in this program.

Lives here: the order of the checks, and asking them all of one snapshot, so that they agree and nobody has to wait.
Does not live here: the questions (``store.ledger_questions``, ``store.ledger_history``), what a person should do
(``commands.check``), mending anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger_history, ledger_questions
from banana_pipeline.store.ledger_open import ledger_sentence, open_engine
from banana_pipeline.store.ledger_place import ledger_place
from banana_pipeline.store.ledger_questions import Found


class Check(StrEnum):
    """What is looked at, in this order."""

    FILE = "file"
    SCHEMA = "schema"
    VALUES = "values"
    ONE_LIVE_ATTEMPT = "one_live_attempt"
    TASK_IDS = "task_ids"
    BOUGHT_TWICE = "bought_twice"
    HISTORY = "history"
    SPENDING = "spending"
    MISSING_TASK = "missing_task"
    MISSING_RESULT = "missing_result"
    TIMES = "times"


_QUESTIONS: dict[Check, Callable[[sa.Connection], Found]] = {
    Check.FILE: ledger_questions.damage,
    Check.SCHEMA: ledger_questions.missing_parts,
    Check.VALUES: ledger_questions.wrong_values,
    Check.ONE_LIVE_ATTEMPT: ledger_questions.second_live_attempts,
    Check.TASK_IDS: ledger_questions.repeated_task_ids,
    Check.BOUGHT_TWICE: ledger_questions.bought_twice,
    Check.HISTORY: ledger_history.broken_histories,
    Check.SPENDING: ledger_history.wrong_counters,
    Check.MISSING_TASK: ledger_questions.without_task,
    Check.MISSING_RESULT: ledger_questions.without_result,
    Check.TIMES: ledger_questions.times_out_of_order,
}
# Where one of these fails, the other questions cannot be asked.
_GROUND = {Check.FILE, Check.SCHEMA}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check has found.

    Attributes:
        count: how many things are wrong. examples: the first of them, each in words.
        is_asked: False where an earlier finding makes the question meaningless.
    """

    check: Check
    count: int = 0
    examples: tuple[str, ...] = ()
    is_asked: bool = True

    @property
    def is_problem(self) -> bool:
        """Not where only a clock was set back: that is worth knowing, but nothing is broken."""
        return self.count > 0 and self.check is not Check.TIMES


def check_ledger(url: str) -> list[Finding]:
    """One finding for each check, in their order.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    open_engine(url).dispose()  # brings an older ledger up to date, and refuses a newer one
    findings: list[Finding] = []
    try:
        with snapshot(url) as connection:
            for check, question in _QUESTIONS.items():
                if any(found.is_problem for found in findings if found.check in _GROUND):
                    findings.append(Finding(check=check, is_asked=False))
                else:
                    count, examples = question(connection)
                    findings.append(Finding(check=check, count=count, examples=tuple(examples)))
    except (DBAPIError, OSError) as error:
        raise LedgerError(ledger_sentence(url, error)) from error
    return findings


@contextmanager
def snapshot(url: str) -> Iterator[sa.Connection]:
    """The ledger as it is at one moment. Not `open_engine`: its transactions make everybody else wait."""
    engine = sa.create_engine(ledger_place(url), poolclass=sa.NullPool)
    try:
        if engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with engine.connect().execution_options(**options) as connection:
                yield connection
        else:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA query_only = ON")
                connection.exec_driver_sql("BEGIN")
                yield connection
    finally:
        engine.dispose()
