"""What must never be found in a ledger: histories that do not lead to their attempts, and sums that do not add up.

Lives here: SQL over transitions and spending. Does not live here: single attempts (``store.ledger_questions``), writing
any of it (``store.ledger``, ``store.ledger_money``).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from banana_pipeline.core.attempts import TRANSITIONS, AttemptState
from banana_pipeline.store.ledger_money import DAY, RUN
from banana_pipeline.store.ledger_questions import MOST_EXAMPLES, Found, found
from banana_pipeline.store.ledger_schema import attempts, spending, transitions

_NOTHING = "nothing"
_ARROWS = [
    f"{_NOTHING}>{AttemptState.SUBMITTING}",
    *(f"{start}>{end}" for start, ends in TRANSITIONS.items() for end in sorted(ends)),
]
# Absolute, for a few attempts; in proportion, for the last bits of a sum over a million.
_ROUNDING, _SHARE = 1e-6, 1e-9


def broken_histories(connection: sa.Connection) -> Found:
    """Steps that no attempt can take, gaps, histories that end elsewhere, and histories of nothing."""
    parts = (
        found(connection, _impossible_steps(), "attempt {attempt_id}: {before} became {after}"),
        found(connection, _gaps(), "attempt {attempt_id}: came to {known}, went on from {before}"),
        found(connection, _other_ends(), "attempt {attempt_id}: is {state}, its history ends at {known}"),
        found(connection, _orphans(), "attempt {attempt_id}: has a history and is not there"),
    )
    return sum(count for count, _ in parts), [words for _, some in parts for words in some][:MOST_EXAMPLES]


def wrong_counters(connection: sa.Connection) -> Found:
    """Counters that differ from what their attempts have committed."""
    day = sa.func.substr(attempts.c.claimed_at, 1, 10)
    if connection.dialect.name == "postgresql":
        day = sa.func.to_char(sa.func.timezone("UTC", attempts.c.claimed_at), "YYYY-MM-DD")
    key = (spending.c.scope, spending.c.name, spending.c.service, spending.c.account)
    zero = sa.literal(0.0)
    counted = sa.select(*key, spending.c.credits.label("counted"), zero.label("committed"))
    both = sa.union_all(counted, _committed(RUN, attempts.c.run_id), _committed(DAY, day)).subquery()
    totals = (
        sa.select(
            *(both.c[column.name] for column in key),
            sa.func.sum(both.c.counted).label("counted"),
            sa.func.sum(both.c.committed).label("committed"),
        )
        .group_by(*(both.c[column.name] for column in key))
        .subquery()
    )
    most = _ROUNDING + _SHARE * sa.func.abs(totals.c.committed)
    wrong = sa.select(totals).where(sa.func.abs(totals.c.counted - totals.c.committed) > most)
    words = "{scope} {name}, account {account}: counted {counted:g} credits, the attempts committed {committed:g}"
    return found(connection, wrong, words)


def _committed(scope: str, name: sa.ColumnElement[str]) -> sa.Select[*tuple[Any, ...]]:
    amount = sa.func.sum(sa.func.coalesce(attempts.c.credits, attempts.c.price_credits))
    key = (attempts.c.service, attempts.c.account)
    return sa.select(
        sa.literal(scope).label("scope"), name.label("name"), *key, sa.literal(0.0).label("counted"), amount
    ).group_by(name, *key)


def _impossible_steps() -> sa.Select[*tuple[Any, ...]]:
    before = sa.func.coalesce(transitions.c.from_state, _NOTHING)
    arrow = before + ">" + transitions.c.to_state
    return sa.select(transitions.c.attempt_id, before.label("before"), transitions.c.to_state.label("after")).where(
        arrow.not_in(_ARROWS)
    )


def _gaps() -> sa.Select[*tuple[Any, ...]]:
    last = sa.func.lag(transitions.c.to_state).over(partition_by=transitions.c.attempt_id, order_by=transitions.c.id)
    steps = sa.select(
        transitions.c.attempt_id,
        sa.func.coalesce(last, _NOTHING).label("known"),
        sa.func.coalesce(transitions.c.from_state, _NOTHING).label("before"),
    ).subquery()
    return sa.select(steps).where(steps.c.known != steps.c.before)


def _other_ends() -> sa.Select[*tuple[Any, ...]]:
    # No join: a Postgres that has not counted its rows yet would look at all transitions for each attempt.
    newest_first = {"partition_by": transitions.c.attempt_id, "order_by": transitions.c.id.desc()}
    place = sa.func.row_number().over(**newest_first).label("place")
    steps = sa.select(transitions.c.attempt_id, transitions.c.to_state, place).subquery()
    nothing = sa.cast(sa.null(), sa.String)
    both = sa.union_all(
        sa.select(attempts.c.attempt_id, attempts.c.state, nothing.label("known")),
        sa.select(steps.c.attempt_id, nothing, steps.c.to_state).where(steps.c.place == 1),
    ).subquery()
    state, known = sa.func.max(both.c.state), sa.func.coalesce(sa.func.max(both.c.known), _NOTHING)
    ends = sa.select(both.c.attempt_id, state.label("state"), known.label("known"))
    return ends.group_by(both.c.attempt_id).having(known != state)


def _orphans() -> sa.Select[*tuple[Any, ...]]:
    is_there = sa.exists().where(attempts.c.attempt_id == transitions.c.attempt_id)
    return sa.select(transitions.c.attempt_id).where(~is_there).distinct()
