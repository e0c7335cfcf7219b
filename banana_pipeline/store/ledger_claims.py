"""Claims: the right to send one order.

Lives here: making a claim, what forbids one (a live attempt, a full account, a budget), and ending the claims of dead
processes. Does not live here: what becomes of an order (``store.ledger``).

The unique index on live attempts *is* the claim: no POST is sent unless `claim_next` said ``MADE`` and its transaction
is committed. Room and money are counted in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from banana_pipeline.core.attempts import IN_FLIGHT_STATES, Attempt, AttemptState, mark_unconfirmed
from banana_pipeline.core.decisions import may_attempt, next_number
from banana_pipeline.store import ledger
from banana_pipeline.store.ledger import attempts_of, remember, save
from banana_pipeline.store.ledger_money import commit_credits, day_of, fits, spent_by_launch, spent_on_day
from banana_pipeline.store.ledger_schema import attempts, to_attempt, to_row

# Made once: building a statement costs more than running it.
_CLAIM = {
    "sqlite": sqlite.insert(attempts).on_conflict_do_nothing().returning(attempts.c.attempt_id),
    "postgresql": postgresql.insert(attempts).on_conflict_do_nothing().returning(attempts.c.attempt_id),
}
_IN_FLIGHT = sa.select(sa.func.count()).where(
    attempts.c.service == sa.bindparam("key_service"),
    attempts.c.account == sa.bindparam("key_account"),
    attempts.c.state.in_([str(state) for state in IN_FLIGHT_STATES]),
)
_IN_FLIGHT_SINCE = _IN_FLIGHT.where(attempts.c.claimed_at > sa.bindparam("key_since"))

PROCESS_ENDED = "the process that sent the order ended before the answer was recorded"


class Claim(StrEnum):
    """Answer to a claim."""

    MADE = "made"
    TAKEN = "taken"  # another attempt of the same request is live, or none may follow
    NO_ROOM = "no_room"  # the account has as much in flight as it may
    OVER_RUN_BUDGET = "over_run_budget"
    OVER_DAY_BUDGET = "over_day_budget"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a claim must keep to; None: no limit.

    Attributes:
        max_attempts: tasks bought for one request whose failures are passing.
        max_in_flight: orders and tasks of the account under way, over all processes.
        in_flight_since: claims before this moment are overdue and take no room.
        max_credits: budget of the run's launch. max_credits_per_day: budget of the account for a UTC day.
    """

    max_attempts: int = 1
    max_in_flight: int | None = None
    in_flight_since: datetime | None = None
    max_credits: float | None = None
    max_credits_per_day: float | None = None


NO_LIMITS = Limits()


def claim_next(connection: sa.Connection, attempt: Attempt, limits: Limits) -> tuple[Claim, Attempt]:
    """`claim`, if the request's history as it is now allows another attempt; the attempt with its right number.

    Asked again here because another process may have bought, and failed, since the caller looked.
    """
    history = attempts_of(connection, attempt.service, [attempt.request_id]).get(attempt.request_id, [])
    before = [one for one in history if one.attempt_id != attempt.attempt_id]
    if not may_attempt(before, max_attempts=limits.max_attempts):
        return Claim.TAKEN, attempt
    numbered = replace(attempt, number=next_number(before))
    return claim(connection, numbered, limits), numbered


def claim(connection: sa.Connection, attempt: Attempt, limits: Limits = NO_LIMITS) -> Claim:
    """Insert an attempt in ``submitting``, if its request is free and there is room and money for it."""
    forbidden = _forbidden(connection, attempt, limits)
    if forbidden is not None:
        return _unless_made(connection, attempt, forbidden)
    # Not rowcount: psycopg does not report one for this statement.
    if connection.execute(_CLAIM[connection.dialect.name], to_row(attempt)).first() is None:
        return _unless_made(connection, attempt, Claim.TAKEN)
    remember(connection, attempt, None, attempt.run_id)
    commit_credits(connection, attempt, attempt.committed_credits)
    return Claim.MADE


def _unless_made(connection: sa.Connection, attempt: Attempt, forbidden: Claim) -> Claim:
    """What forbids the claim may be this very claim, whose commit was done when the connection was lost."""
    return Claim.MADE if ledger.attempt(connection, attempt.attempt_id) == attempt else forbidden


def _forbidden(connection: sa.Connection, attempt: Attempt, limits: Limits) -> Claim | None:
    service, account, price = attempt.service, attempt.account, attempt.price_credits
    if limits.max_credits is not None:
        spent = spent_by_launch(connection, attempt.run_id)
        if not fits(spent, price, limits.max_credits):
            return Claim.OVER_RUN_BUDGET
    if limits.max_credits_per_day is not None:
        spent = spent_on_day(connection, service, account, day_of(attempt.claimed_at))
        if not fits(spent, price, limits.max_credits_per_day):
            return Claim.OVER_DAY_BUDGET
    if limits.max_in_flight is not None:
        count = in_flight_count(connection, service, account, since=limits.in_flight_since)
        if count >= limits.max_in_flight:
            return Claim.NO_ROOM
    return None


def in_flight_count(connection: sa.Connection, service: str, account: str, *, since: datetime | None) -> int:
    """Orders and tasks of an account that are under way, leaving out those claimed before ``since``."""
    key = {"key_service": service, "key_account": account}
    if since is None:
        return connection.execute(_IN_FLIGHT, key).scalar_one()
    return connection.execute(_IN_FLIGHT_SINCE, {**key, "key_since": since}).scalar_one()


def end_dead_claims(
    connection: sa.Connection,
    service: str,
    *,
    at: datetime,
    run_id: str,
    is_there: Callable[[sa.Connection, int], bool],
    attempt_id: str | None = None,
) -> int:
    """Make orders ``unconfirmed`` whose process is gone, or whose time is over; how many there were.

    Args:
        is_there: does the process with this owner number still live?
        attempt_id: look at this one only.
    """
    query = sa.select(attempts).where(attempts.c.service == service, attempts.c.state == str(AttemptState.SUBMITTING))
    if attempt_id is not None:
        query = query.where(attempts.c.attempt_id == attempt_id)
    ended, living = 0, {}
    for row in connection.execute(query).mappings().all():
        attempt = to_attempt(dict(row))
        if attempt.owner is not None and attempt.owner not in living:
            living[attempt.owner] = is_there(connection, attempt.owner)
        if at <= attempt.claim_expires_at and living.get(attempt.owner, True):
            continue
        ended += save(connection, attempt, mark_unconfirmed(attempt, reason=PROCESS_ENDED, at=at), run_id=run_id)
    return ended
