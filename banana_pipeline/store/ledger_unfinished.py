"""What is paid, or may be, and not yet collected: by shard.

Lives here: one question over the attempts in open states, answered in shards, so that a million open orders are a few
lines. Does not live here: which runs still work on them (``defs.sensor_runs``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from banana_pipeline.core.attempts import AttemptState
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.ledger_callbacks import IS_OPEN
from banana_pipeline.store.ledger_schema import attempts, callbacks
from banana_pipeline.store.presence import Presence

_COLLECTED = [str(state) for state in (AttemptState.SUBMITTING, AttemptState.SUBMITTED, AttemptState.OVERDUE)]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenOrders:
    """Open orders of one shard that one process of one run has made.

    Attributes:
        owner: the process; None in ledgers of the first schema.
        orders: how many; newest: the greatest of their attempt ids. Both change when something was collected.
    """

    shard: Shard
    run_id: str
    owner: int | None
    orders: int
    newest: str


def open_orders(
    connection: sa.Connection,
    *,
    service: str,
    accounts: Collection[str],
    shard_rows: int,
    since: datetime,
    until: datetime,
) -> list[OpenOrders]:
    """Orders a run can bring further: under way, overdue, or unconfirmed with a callback that nobody has looked into.

    Args:
        accounts: whose orders; those of others only their own keys can ask for.
        since: older orders are left alone, KIE no longer knows them. until: as are those that changed after it.
    """
    index = (attempts.c.row_number // shard_rows).label("shard_index")
    key = (attempts.c.prompt_table, index, attempts.c.run_id, attempts.c.owner)
    query = (
        sa.select(*key, sa.func.count().label("orders"), sa.func.max(attempts.c.attempt_id).label("newest"))
        .where(
            attempts.c.service == service,
            attempts.c.account.in_(list(accounts)),
            attempts.c.claimed_at > since,
            attempts.c.updated_at < until,
            sa.or_(attempts.c.state.in_(_COLLECTED), _is_called()),
        )
        .group_by(*key)
        .order_by(attempts.c.prompt_table, index)
    )
    return [
        OpenOrders(
            shard=Shard(table=row.prompt_table, index=int(row.shard_index)),
            run_id=row.run_id,
            owner=row.owner,
            orders=row.orders,
            newest=row.newest,
        )
        for row in connection.execute(query)
    ]


def _is_called() -> sa.ColumnElement[bool]:
    hint = sa.select(callbacks.c.id).where(callbacks.c.attempt_id == attempts.c.attempt_id, IS_OPEN)
    return sa.and_(attempts.c.state == str(AttemptState.UNCONFIRMED), hint.exists())


def living_owners(connection: sa.Connection, presence: Presence, orders: Iterable[OpenOrders]) -> set[int]:
    """Those processes of the orders that are still there, and so look after their orders themselves."""
    owners = {one.owner for one in orders if one.owner is not None}
    return {owner for owner in owners if presence.is_there(connection, owner)}


def ended_runs(orders: Iterable[OpenOrders], living: Collection[int]) -> set[str]:
    """Those of the orders' runs whose every process is gone, whatever else is told of them."""
    owners: dict[str, set[int | None]] = {}
    for one in orders:
        owners.setdefault(one.run_id, set()).add(one.owner)
    return {run_id for run_id, found in owners.items() if None not in found and not found & set(living)}
