"""What the ledger tells people: counts and sums over all attempts.

Lives here: questions of the command line and of asset checks. Does not live here: what a run asks (``store.ledger``).
"""

from __future__ import annotations

import sqlalchemy as sa

from banana_pipeline.core.attempts import GIVEN_UP, LIVE_STATES, AttemptState
from banana_pipeline.store.ledger_schema import attempts


def request_counts(connection: sa.Connection, *, prompt_table: str | None = None) -> list[dict[str, object]]:
    """Per service, table and state: how many requests stand there, by their live or else latest attempt.

    ``fail_code`` is set only where a person has given requests up.
    """
    is_live = sa.case((attempts.c.state.in_([str(state) for state in LIVE_STATES]), 0), else_=1)
    order = (is_live, attempts.c.claimed_at.desc())
    place = sa.func.row_number().over(partition_by=(attempts.c.service, attempts.c.request_id), order_by=order)
    given_up = sa.case((attempts.c.fail_code == GIVEN_UP, GIVEN_UP)).label("fail_code")
    columns = (attempts.c.service, attempts.c.prompt_table, attempts.c.state, given_up, attempts.c.claimed_at)
    ranked = sa.select(*columns, place.label("place")).subquery()
    grouping = (ranked.c.service, ranked.c.prompt_table, ranked.c.state, ranked.c.fail_code)
    query = (
        sa.select(
            *grouping, sa.func.count().label("requests"), sa.func.min(ranked.c.claimed_at).label("oldest_claimed_at")
        )
        .where(ranked.c.place == 1)
        .group_by(*grouping)
        .order_by(*grouping)
    )
    if prompt_table is not None:
        query = query.where(ranked.c.prompt_table == prompt_table)
    return [dict(row) for row in connection.execute(query).mappings()]


def spent_credits(connection: sa.Connection, *, prompt_table: str | None = None) -> list[tuple[str, str, float]]:
    """Per service and table: credits taken from the account, as far as they are known."""
    key = (attempts.c.service, attempts.c.prompt_table)
    query = sa.select(*key, sa.func.coalesce(sa.func.sum(attempts.c.credits), 0.0)).group_by(*key).order_by(*key)
    if prompt_table is not None:
        query = query.where(attempts.c.prompt_table == prompt_table)
    return [(str(service), str(table), float(amount)) for service, table, amount in connection.execute(query)]


def requests_bought_twice(connection: sa.Connection) -> list[str]:
    """Requests for which KIE charged more than one task, but for those whose first attempt a person gave up."""
    charged = sa.select(attempts.c.service, attempts.c.request_id).where(
        attempts.c.task_id.is_not(None),
        attempts.c.state != str(AttemptState.ABANDONED),
        sa.or_(attempts.c.credits.is_(None), attempts.c.credits > 0),
    )
    grouped = charged.group_by(attempts.c.service, attempts.c.request_id).having(sa.func.count() > 1)
    return [str(row.request_id) for row in connection.execute(grouped)]
