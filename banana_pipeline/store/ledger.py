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

# Statements of the hot path, made once: building one costs more than running it.
_CLAIM = {
    "sqlite": sqlite.insert(attempts).on_conflict_do_nothing().returning(attempts.c.attempt_id),
    "postgresql": postgresql.insert(attempts).on_conflict_do_nothing().returning(attempts.c.attempt_id),
}
_UPDATE = sa.update(attempts).where(
    attempts.c.attempt_id == sa.bindparam("key_attempt_id"), attempts.c.state == sa.bindparam("key_state")
)
_REMEMBER = sa.insert(transitions)
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
    # Not rowcount: psycopg does not report one for this statement.
    if connection.execute(_CLAIM[connection.dialect.name], to_row(attempt)).first() is None:
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
    key = {"key_attempt_id": before.attempt_id, "key_state": str(before.state)}
    if connection.execute(_UPDATE, to_row(after) | key).rowcount != 1:
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


def _remember(connection: sa.Connection, after: Attempt, before: AttemptState | None, run_id: str) -> None:
    values = {
        "attempt_id": after.attempt_id,
        "from_state": None if before is None else str(before),
        "to_state": str(after.state),
        "at": after.updated_at,
        "run_id": run_id,
        "reason": after.status_reason,
    }
    connection.execute(_REMEMBER, values)


def _insert(connection: sa.Connection):
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
