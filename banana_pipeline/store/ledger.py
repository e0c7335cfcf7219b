"""The ledger: the only memory that must survive.

Lives here: claiming, saving transitions, uploads, regenerations, and the questions asked of them. Does not live here:
which transition is right (``core.attempts``, ``generate``), opening and migrating (``store.ledger_open``).

Every function takes an open connection, so that many of them share one transaction and one fsync
(``store.group_commit``). The unique index on live attempts *is* the claim: no POST is sent unless `claim` said yes and
its transaction is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from banana_pipeline.core.attempts import (
    IN_FLIGHT_STATES,
    LIVE_STATES,
    Attempt,
    AttemptState,
    mark_submitted,
    mark_unconfirmed,
)
from banana_pipeline.core.decisions import may_attempt, next_number
from banana_pipeline.store.ledger_schema import (
    attempts,
    regenerations,
    to_attempt,
    to_row,
    transitions,
    uploads,
)

_IDS_PER_QUERY = 500
_CLAIM_LOCK = 0x62616E62  # any constant: names the advisory lock on Postgres


class Claim(StrEnum):
    """Answer to a claim."""

    MADE = "made"
    TAKEN = "taken"  # another attempt of the same request is live
    NO_ROOM = "no_room"  # the account has as much in flight as it may


def claim(
    connection: sa.Connection, attempt: Attempt, *, max_in_flight: int | None = None, in_flight_since: datetime
) -> Claim:
    """Insert an attempt in ``submitting``, if its request is free and its account has room.

    Args:
        max_in_flight: how many orders and tasks of the account may be under way, over all processes; None: no limit.
        in_flight_since: claims before this moment do not count: their process is gone or they are overdue.
    """
    if max_in_flight is not None:
        if connection.dialect.name == "postgresql":
            # Two claims that count at the same time would both see the last free place. SQLite has one writer anyway.
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
        count = in_flight_count(connection, attempt.service, attempt.account, since=in_flight_since)
        if count >= max_in_flight:
            return Claim.NO_ROOM
    insert = _insert(connection)(attempts).values(to_row(attempt)).on_conflict_do_nothing()
    # Not rowcount: psycopg does not report one for this statement.
    if connection.execute(insert.returning(attempts.c.attempt_id)).first() is None:
        return Claim.TAKEN
    _remember(connection, attempt, None, attempt.run_id)
    return Claim.MADE


def claim_next(
    connection: sa.Connection, attempt: Attempt, *, max_attempts: int, max_in_flight: int, in_flight_since: datetime
) -> tuple[Claim, Attempt]:
    """`claim`, if the request's history as it is now allows another attempt; the attempt with its right number.

    Asked again here because another process may have bought, and failed, since this one looked.
    """
    found = attempts_of(connection, attempt.service, [attempt.request_id])
    history = found.get(attempt.request_id, [])
    if not may_attempt(history, max_attempts=max_attempts):
        return Claim.TAKEN, attempt
    numbered = replace(attempt, number=next_number(history))
    answer = claim(connection, numbered, max_in_flight=max_in_flight, in_flight_since=in_flight_since)
    return answer, numbered


def save_created(connection: sa.Connection, before: Attempt, *, task_id: str, at: datetime) -> Attempt:
    """Store KIE's acceptance; the attempt as it stands now.

    A task id that belongs to another attempt proves nothing about this one, which then becomes ``unconfirmed``. An
    answer that comes after another process gave the order up still tells the task id: what is paid is not lost.
    """
    stored = attempt(connection, before.attempt_id)
    assert stored is not None, "an attempt is never deleted"
    if stored.state not in {AttemptState.SUBMITTING, AttemptState.UNCONFIRMED}:
        return stored
    query = sa.select(attempts.c.attempt_id).where(attempts.c.service == before.service, attempts.c.task_id == task_id)
    if connection.execute(query).first() is None:
        after = mark_submitted(stored, task_id=task_id, at=at)
    elif stored.state is AttemptState.SUBMITTING:
        reason = f"KIE answered with task {task_id}, which belongs to another order"
        after = mark_unconfirmed(stored, reason=reason, at=at)
    else:
        return stored
    if save(connection, stored, after, run_id=before.run_id):
        return after
    moved = attempt(connection, before.attempt_id)
    assert moved is not None
    return moved


def save(connection: sa.Connection, before: Attempt, after: Attempt, *, run_id: str) -> bool:
    """Store a transition; False if the ledger no longer holds ``before``'s state (another process was quicker)."""
    values = to_row(after)
    update = (
        sa.update(attempts)
        .where(attempts.c.attempt_id == before.attempt_id, attempts.c.state == str(before.state))
        .values({name: values[name] for name in values if values[name] != getattr(before, name, None)})
    )
    if connection.execute(update).rowcount != 1:
        return False
    _remember(connection, after, before.state, run_id)
    return True


def move_to_row(connection: sa.Connection, attempt_id: str, row_number: int) -> None:
    """Count an attempt at another row of its table."""
    connection.execute(sa.update(attempts).where(attempts.c.attempt_id == attempt_id).values(row_number=row_number))


def attempts_of(connection: sa.Connection, service: str, request_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """All attempts of each request, oldest first."""
    found: dict[str, list[Attempt]] = {}
    wanted = list(request_ids)
    for start in range(0, len(wanted), _IDS_PER_QUERY):
        query = (
            sa.select(attempts)
            .where(attempts.c.service == service, attempts.c.request_id.in_(wanted[start : start + _IDS_PER_QUERY]))
            .order_by(attempts.c.claimed_at, attempts.c.number)
        )
        for row in connection.execute(query).mappings():
            attempt = to_attempt(dict(row))
            found.setdefault(attempt.request_id, []).append(attempt)
    return found


def attempt(connection: sa.Connection, attempt_id: str) -> Attempt | None:
    """One attempt."""
    row = connection.execute(sa.select(attempts).where(attempts.c.attempt_id == attempt_id)).mappings().first()
    return None if row is None else to_attempt(dict(row))


def in_flight_count(connection: sa.Connection, service: str, account: str, *, since: datetime) -> int:
    """Orders and tasks of an account that are under way, leaving out those claimed before ``since``."""
    query = sa.select(sa.func.count()).where(
        attempts.c.service == service,
        attempts.c.account == account,
        attempts.c.state.in_([str(state) for state in IN_FLIGHT_STATES]),
        attempts.c.claimed_at > since,
    )
    return connection.execute(query).scalar_one()


def recent_latencies_s(connection: sa.Connection, service: str, resolution: str, *, count: int = 100) -> list[float]:
    """Seconds that the last generations of a resolution took."""
    query = (
        sa.select(attempts.c.generation_s)
        .where(
            attempts.c.service == service,
            attempts.c.resolution == resolution,
            attempts.c.state == str(AttemptState.SUCCEEDED),
            attempts.c.generation_s.is_not(None),
        )
        .order_by(attempts.c.updated_at.desc())
        .limit(count)
    )
    return [float(value) for value in connection.execute(query).scalars()]


def known_upload(connection: sa.Connection, service: str, account: str, sha256: str, *, since: datetime) -> str | None:
    """URL of a file uploaded after ``since``."""
    query = sa.select(uploads.c.url).where(
        uploads.c.service == service,
        uploads.c.account == account,
        uploads.c.sha256 == sha256,
        uploads.c.uploaded_at > since,
    )
    return connection.execute(query).scalar_one_or_none()


def remember_upload(connection: sa.Connection, service: str, account: str, sha256: str, url: str, at: datetime) -> None:
    """Keep the URL of an upload, in place of an older one."""
    key = {"service": service, "account": account, "sha256": sha256}
    insert = _insert(connection)(uploads).values(**key, url=url, uploaded_at=at)
    connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_={"url": url, "uploaded_at": at}))


def regeneration_of(connection: sa.Connection, shard: str) -> str:
    """The label under which a person last asked to buy a shard again; empty if nobody did."""
    query = sa.select(regenerations.c.label).where(regenerations.c.shard == shard)
    return connection.execute(query).scalar_one_or_none() or ""


def regenerate(connection: sa.Connection, shard: str, label: str, at: datetime) -> None:
    """From now on the shard's requests carry ``label``: they are new purchases."""
    insert = _insert(connection)(regenerations).values(shard=shard, label=label, at=at)
    connection.execute(insert.on_conflict_do_update(index_elements=["shard"], set_={"label": label, "at": at}))


def request_counts(connection: sa.Connection, *, prompt_table: str | None = None) -> list[dict[str, object]]:
    """Per service, table and state: how many requests stand there, by their live or else latest attempt."""
    is_live = sa.case((attempts.c.state.in_([str(state) for state in LIVE_STATES]), 0), else_=1)
    order = (is_live, attempts.c.claimed_at.desc())
    place = sa.func.row_number().over(partition_by=(attempts.c.service, attempts.c.request_id), order_by=order)
    columns = (attempts.c.service, attempts.c.prompt_table, attempts.c.state, attempts.c.claimed_at)
    ranked = sa.select(*columns, place.label("place")).subquery()
    grouping = (ranked.c.service, ranked.c.prompt_table, ranked.c.state)
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


def _remember(connection: sa.Connection, after: Attempt, before: AttemptState | None, run_id: str) -> None:
    connection.execute(
        sa.insert(transitions).values(
            attempt_id=after.attempt_id,
            from_state=None if before is None else str(before),
            to_state=str(after.state),
            at=after.updated_at,
            run_id=run_id,
            reason=after.status_reason,
        )
    )


def _insert(connection: sa.Connection):
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
