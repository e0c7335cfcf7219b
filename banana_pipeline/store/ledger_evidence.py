"""What the ledger knows about orders whose fate it does not know.

Lives here: listing them, and how much of a change in an account's balance the other orders explain. Does not live here:
asking KIE for the balance, telling a person (``commands.resolve``).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.store.ledger_schema import attempts, to_attempt

_HELD = [str(state) for state in (AttemptState.SUBMITTED, AttemptState.OVERDUE)]


def unconfirmed(connection: sa.Connection, *, prompt_table: str | None = None) -> list[Attempt]:
    """Attempts that may have been paid and of which nobody knows the task, oldest first."""
    query = sa.select(attempts).where(attempts.c.state == str(AttemptState.UNCONFIRMED)).order_by(attempts.c.claimed_at)
    if prompt_table is not None:
        query = query.where(attempts.c.prompt_table == prompt_table)
    return [to_attempt(dict(row)) for row in connection.execute(query).mappings()]


def explained_credits(connection: sa.Connection, service: str, account: str, *, since: datetime) -> float:
    """What the account's orders with a known fate took from its balance after a moment, refunds taken off.

    KIE holds the price from the order on and gives it back when the task fails (protocol reference, sections 7 and 11).
    """
    of_account = (attempts.c.service == service) & (attempts.c.account == account)
    taken = sa.case(
        (attempts.c.credits.is_not(None), attempts.c.credits),
        (attempts.c.state.in_(_HELD), attempts.c.price_credits),
        else_=0.0,
    )
    spent = sa.select(sa.func.coalesce(sa.func.sum(taken), 0.0)).where(of_account, attempts.c.claimed_at > since)
    given_back = sa.select(sa.func.coalesce(sa.func.sum(attempts.c.price_credits - attempts.c.credits), 0.0)).where(
        of_account,
        attempts.c.claimed_at <= since,
        attempts.c.updated_at > since,
        attempts.c.state == str(AttemptState.FAILED),
    )
    return float(connection.execute(spent).scalar_one()) - float(connection.execute(given_back).scalar_one())
