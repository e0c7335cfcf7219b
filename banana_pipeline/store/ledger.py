"""The ledger: the only memory that must survive.

Lives here: saving transitions, uploads, regenerations, and the questions asked of them. Does not live here: which
transition is right (``core.attempts``, ``generate``), claims (``store.ledger_claims``), money (``store.ledger_money``),
opening and migrating (``store.ledger_open``).

Every function takes an open connection, so that many of them share one transaction and one fsync
(``store.group_commit``). Each may be run again after a commit whose answer was lost with the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from banana_pipeline.core.attempts import Attempt, AttemptState, mark_submitted, mark_unconfirmed
from banana_pipeline.core.timing import learned_latency_s
from banana_pipeline.store.ledger_money import commit_credits
from banana_pipeline.store.ledger_schema import (
    attempts,
    regenerations,
    to_attempt,
    to_row,
    transitions,
    uploads,
)

_IDS_PER_QUERY = 500
_LOOKED_AT_PER_LEARNED = 3  # some generations teach nothing, those that a later run has collected

# Statements of the hot path, made once: building one costs more than running it.
_UPDATE = sa.update(attempts).where(
    attempts.c.attempt_id == sa.bindparam("key_attempt_id"), attempts.c.state == sa.bindparam("key_state")
)
_REMEMBER = sa.insert(transitions)
_BY_ID = sa.select(attempts).where(attempts.c.attempt_id == sa.bindparam("key_attempt_id"))
_OF_TASK = sa.select(attempts.c.attempt_id).where(
    attempts.c.service == sa.bindparam("key_service"), attempts.c.task_id == sa.bindparam("key_task_id")
)
_OF_REQUESTS = (
    sa.select(attempts)
    .where(
        attempts.c.service == sa.bindparam("key_service"),
        attempts.c.request_id.in_(sa.bindparam("key_request_ids", expanding=True)),
    )
    .order_by(attempts.c.claimed_at, attempts.c.number)
)


def save_created(connection: sa.Connection, before: Attempt, *, task_id: str, at: datetime) -> Attempt:
    """Store KIE's acceptance; the attempt as it stands now.

    A task id that belongs to another attempt proves nothing about this one, which then becomes ``unconfirmed``. An
    answer that comes after another process gave the order up still tells the task id: what is paid is not lost.
    """
    stored = attempt(connection, before.attempt_id)
    assert stored is not None, "an attempt is never deleted"
    if stored.state not in {AttemptState.SUBMITTING, AttemptState.UNCONFIRMED}:
        return stored
    if connection.execute(_OF_TASK, {"key_service": before.service, "key_task_id": task_id}).first() is None:
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
    values = to_row(after) | {"key_attempt_id": before.attempt_id, "key_state": str(before.state)}
    del values["row_number"]  # `move_to_row` may have changed it meanwhile
    if connection.execute(_UPDATE, values).rowcount != 1:
        return attempt(connection, before.attempt_id) == after
    remember(connection, after, before.state, run_id)
    commit_credits(connection, after, after.committed_credits - before.committed_credits)
    return True


def move_to_row(connection: sa.Connection, attempt_id: str, row_number: int) -> None:
    """Count an attempt at another row of its table."""
    connection.execute(sa.update(attempts).where(attempts.c.attempt_id == attempt_id).values(row_number=row_number))


def attempts_of(connection: sa.Connection, service: str, request_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """All attempts of each request, oldest first."""
    found: dict[str, list[Attempt]] = {}
    wanted = list(request_ids)
    for start in range(0, len(wanted), _IDS_PER_QUERY):
        key = {"key_service": service, "key_request_ids": wanted[start : start + _IDS_PER_QUERY]}
        for row in connection.execute(_OF_REQUESTS, key).mappings():
            attempt = to_attempt(dict(row))
            found.setdefault(attempt.request_id, []).append(attempt)
    return found


def attempt(connection: sa.Connection, attempt_id: str) -> Attempt | None:
    """One attempt."""
    row = connection.execute(_BY_ID, {"key_attempt_id": attempt_id}).mappings().first()
    return None if row is None else to_attempt(dict(row))


def recent_latencies_s(connection: sa.Connection, service: str, resolution: str, *, count: int = 100) -> list[float]:
    """Seconds that the last generations of a resolution took, newest first: KIE's figures, else what was seen."""
    names = ("generation_s", "claimed_at", "submitted_at", "completed_at", "updated_at")
    query = (
        sa.select(*(attempts.c[name] for name in names))
        .where(
            attempts.c.service == service,
            attempts.c.resolution == resolution,
            attempts.c.state == str(AttemptState.SUCCEEDED),
            attempts.c.completed_at.is_not(None),
        )
        .order_by(attempts.c.updated_at.desc())
        .limit(_LOOKED_AT_PER_LEARNED * count)
    )
    learned = (
        learned_latency_s(
            told_s=row.generation_s,
            claimed_at=row.claimed_at,
            submitted_at=row.submitted_at,
            ended_at=row.completed_at,
            seen_at=row.updated_at,
        )
        for row in connection.execute(query)
    )
    return [took_s for took_s in learned if took_s is not None][:count]


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


def remember(connection: sa.Connection, after: Attempt, before: AttemptState | None, run_id: str) -> None:
    """Write a transition into the history; ``before`` is None for a claim."""
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
