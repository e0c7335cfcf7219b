"""Money in the ledger: what launches and days have committed, and balances seen.

Lives here: the counters behind the budgets, which runs share one, and readings of the account's balance. Does not live
here: what an attempt commits (``core.attempts``), refusing an order (``store.ledger_claims``).

The counters move in the same transaction as the attempt, so that two runs at once cannot both see the last credits.
They are counted by run; a launch of several runs is the sum of theirs, and so are its refunds, whoever learns of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from banana_pipeline.core.attempts import Attempt
from banana_pipeline.store.ledger_schema import balances, launches, spending

RUN, DAY = "run", "day"
_KEY = ("scope", "name", "service", "account")
# Sums of prices such as 18.5 are exact enough, but not to the last bit.
_ROUNDING = 1e-6


def _adding(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    total = spending.c.credits + insert.excluded.credits
    return insert.on_conflict_do_update(index_elements=list(_KEY), set_={"credits": total})


_ADD = {"sqlite": _adding(sqlite.insert(spending)), "postgresql": _adding(postgresql.insert(spending))}
_SPENT = sa.select(sa.func.coalesce(sa.func.sum(spending.c.credits), 0.0)).where(
    spending.c.scope == sa.bindparam("key_scope"), spending.c.name == sa.bindparam("key_name")
)
_OWN, _ITS = launches.alias("own"), launches.alias("its")
_RUN_ITSELF = sa.select(sa.bindparam("key_run", type_=sa.Text))
_RUNS_BESIDE_IT = (
    sa.select(_ITS.c.run_id).join(_OWN, _OWN.c.launch == _ITS.c.launch).where(_OWN.c.run_id == sa.bindparam("key_run"))
)
_SPENT_BY_LAUNCH = sa.select(sa.func.coalesce(sa.func.sum(spending.c.credits), 0.0)).where(
    spending.c.scope == RUN, spending.c.name.in_(sa.union(_RUN_ITSELF, _RUNS_BESIDE_IT))
)
_JOIN = {
    "sqlite": sqlite.insert(launches).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(launches).on_conflict_do_nothing(),
}
_SPENT_BY_ACCOUNT = _SPENT.where(
    spending.c.service == sa.bindparam("key_service"), spending.c.account == sa.bindparam("key_account")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """An account's balance as KIE told it at a moment."""

    at: datetime
    credits: float
    run_id: str


def day_of(at: datetime) -> str:
    """The UTC date that an order is counted on."""
    return at.astimezone(UTC).date().isoformat()


def commit_credits(connection: sa.Connection, attempt: Attempt, credits_amount: float) -> None:
    """Count credits for an attempt's run and day; a negative amount gives back."""
    if not credits_amount:
        return
    key = {"service": attempt.service, "account": attempt.account, "credits": credits_amount}
    rows = [{"scope": RUN, "name": attempt.run_id, **key}, {"scope": DAY, "name": day_of(attempt.claimed_at), **key}]
    connection.execute(_ADD[connection.dialect.name], rows)


def join_launch(connection: sa.Connection, run_id: str, launch: str) -> None:
    """From now on the run shares the budget of every run of ``launch``. A run never changes its launch."""
    connection.execute(_JOIN[connection.dialect.name], {"run_id": run_id, "launch": launch})


def runs_of_launch(connection: sa.Connection, launch: str) -> list[str]:
    """The runs that have joined a launch."""
    found = connection.execute(sa.select(launches.c.run_id).where(launches.c.launch == launch))
    return [str(run_id) for run_id in found.scalars()]


def spent_by_launch(connection: sa.Connection, run_id: str) -> float:
    """Credits that the launch of a run has committed, over all its runs and accounts; a run alone is its own launch."""
    return float(connection.execute(_SPENT_BY_LAUNCH, {"key_run": run_id}).scalar_one())


def spent_on_day(connection: sa.Connection, service: str, account: str, day: str) -> float:
    """Credits that an account has committed on a UTC date."""
    key = {"key_scope": DAY, "key_name": day, "key_service": service, "key_account": account}
    return float(connection.execute(_SPENT_BY_ACCOUNT, key).scalar_one())


def fits(spent: float, price: float, budget: float | None) -> bool:
    """May ``price`` be added to ``spent``?"""
    return budget is None or spent + price <= budget + _ROUNDING


def note_balance(connection: sa.Connection, service: str, account: str, reading: Reading) -> None:
    """Keep a reading of the balance: evidence for what became of unanswered orders."""
    values = {"service": service, "account": account, "at": reading.at, "credits": reading.credits}
    connection.execute(sa.insert(balances), {**values, "run_id": reading.run_id})


def balance_before(connection: sa.Connection, service: str, account: str, at: datetime) -> Reading | None:
    """The last reading before a moment."""
    query = (
        sa.select(balances.c.at, balances.c.credits, balances.c.run_id)
        .where(balances.c.service == service, balances.c.account == account, balances.c.at <= at)
        .order_by(balances.c.at.desc(), balances.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else Reading(**row)
