"""What the ledger tells people: counts and sums over all attempts.

Lives here: questions of the command line and of asset checks. Does not live here: what a run asks (``store.ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from banana_pipeline.core.attempts import GIVEN_UP, IN_FLIGHT_STATES, LIVE_STATES, AttemptState
from banana_pipeline.store.ledger_money import RUN, runs_of_launch
from banana_pipeline.store.ledger_schema import attempts, spending

_AT_KIE = IN_FLIGHT_STATES | {AttemptState.OVERDUE}


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


@dataclass(frozen=True, kw_only=True)
class LaunchTotals:
    """Orders of a launch and what they took. Each order is in one place: charged, in flight, unconfirmed, or free."""

    bought: int = 0
    spent_credits: float = 0.0
    in_flight: int = 0
    in_flight_credits: float = 0.0
    unconfirmed: int = 0
    unconfirmed_credits: float = 0.0


def launch_totals(connection: sa.Connection, launch: str) -> LaunchTotals:
    """What a launch has bought so far; a quick look where it has ordered nothing."""
    runs = runs_of_launch(connection, launch)
    has_ordered = sa.select(spending.c.name).where(spending.c.scope == RUN, spending.c.name.in_(runs)).limit(1)
    if not runs or connection.execute(has_ordered).first() is None:
        return LaunchTotals()
    is_made = sa.or_(attempts.c.credits > 0, attempts.c.state == str(AttemptState.SUCCEEDED))
    place = sa.case(
        (attempts.c.state.in_([str(state) for state in _AT_KIE]), "in_flight"),
        (attempts.c.credits.is_(None), "unconfirmed"),
        (is_made, "bought"),
    ).label("place")
    committed = sa.func.sum(sa.func.coalesce(attempts.c.credits, attempts.c.price_credits))
    query = sa.select(place, sa.func.count(), committed).where(attempts.c.run_id.in_(runs)).group_by(place)
    found = {str(name): (int(count), float(amount)) for name, count, amount in connection.execute(query)}
    (bought, spent), (under_way, held), (lost, perhaps) = (
        found.get(name, (0, 0.0)) for name in ("bought", "in_flight", "unconfirmed")
    )
    return LaunchTotals(
        bought=bought,
        spent_credits=spent,
        in_flight=under_way,
        in_flight_credits=held,
        unconfirmed=lost,
        unconfirmed_credits=perhaps,
    )


def requests_bought_twice(connection: sa.Connection) -> list[str]:
    """Requests for which KIE charged more than one task, but for those whose first attempt a person gave up."""
    charged = sa.select(attempts.c.service, attempts.c.request_id).where(
        attempts.c.task_id.is_not(None),
        attempts.c.state != str(AttemptState.ABANDONED),
        sa.or_(attempts.c.credits.is_(None), attempts.c.credits > 0),
    )
    grouped = charged.group_by(attempts.c.service, attempts.c.request_id).having(sa.func.count() > 1)
    return [str(row.request_id) for row in connection.execute(grouped)]
