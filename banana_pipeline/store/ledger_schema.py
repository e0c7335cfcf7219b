"""The ledger's tables, as SQLAlchemy Core sees them today.

Lives here: columns, indexes, and turning a row into an `Attempt` and back. Does not live here: how an older ledger
becomes this one (``store/migrations``), and who writes what (``store.ledger``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from banana_pipeline.core.attempts import LIVE_STATES, Attempt, AttemptState

metadata = sa.MetaData()


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment in UTC, aware on both sides; SQLite has no type for it and forgets the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("attempt_id", sa.String(32), primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("request_id", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("status_reason", sa.Text),
    sa.Column("price_credits", sa.Float, nullable=False),
    sa.Column("credits", sa.Float),
    sa.Column("resolution", sa.String(8), nullable=False),
    sa.Column("prompt_table", sa.Text, nullable=False),
    sa.Column("row_number", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("table_version", sa.Text, nullable=False),
    sa.Column("input_json", sa.Text, nullable=False),
    sa.Column("task_id", sa.String(128)),
    sa.Column("fail_code", sa.Text),
    sa.Column("fail_msg", sa.Text),
    sa.Column("result_urls", sa.Text, nullable=False),
    sa.Column("claimed_at", UtcDateTime, nullable=False),
    sa.Column("claim_expires_at", UtcDateTime, nullable=False),
    sa.Column("submitted_at", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),
    sa.Column("generation_s", sa.Float),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("owner", sa.BigInteger),
)

# The claim itself: while one attempt of a request is live, the database refuses a second one.
LIVE_WHERE = "state IN (" + ", ".join(f"'{state}'" for state in sorted(LIVE_STATES)) + ")"
one_live_attempt = sa.Index(
    "one_live_attempt_per_request",
    attempts.c.service,
    attempts.c.request_id,
    unique=True,
    sqlite_where=sa.text(LIVE_WHERE),
    postgresql_where=sa.text(LIVE_WHERE),
)
sa.Index("attempts_of_request", attempts.c.service, attempts.c.request_id)
sa.Index("attempts_in_state", attempts.c.service, attempts.c.account, attempts.c.state)
sa.Index("attempts_of_table", attempts.c.prompt_table, attempts.c.row_number)
sa.Index("task_ids", attempts.c.service, attempts.c.task_id, unique=True)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("attempt_id", sa.String(32), nullable=False, index=True),
    sa.Column("from_state", sa.String(16)),
    sa.Column("to_state", sa.String(16), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("uploaded_at", UtcDateTime, nullable=False),
)

regenerations = sa.Table(
    "regenerations",
    metadata,
    sa.Column("shard", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

callbacks = sa.Table(
    "callbacks",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("attempt_id", sa.String(32), nullable=False),
    sa.Column("task_id", sa.String(128), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("verdict", sa.Text),
)
sa.Index("callbacks_of_attempt", callbacks.c.attempt_id, callbacks.c.task_id, unique=True)

# Money is counted where it is claimed, so that a budget is one look and not a sum over a million rows. `scope` and
# `name` are 'run' with a run id, or 'day' with a UTC date.
spending = sa.Table(
    "spending",
    metadata,
    sa.Column("scope", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("credits", sa.Float, nullable=False),
)

# One launch may be several runs (a command over ranges of shards, a backfill, a run and its retries). Only the run is
# named where money is counted, so that what a run gets back later comes back to its launch as well.
launches = sa.Table(
    "launches",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("launch", sa.Text, nullable=False),
)
sa.Index("runs_of_launch", launches.c.launch)

balances = sa.Table(
    "balances",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("credits", sa.Float, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
)
sa.Index("balances_of_account", balances.c.service, balances.c.account, balances.c.at)

_FIELDS = tuple(field.name for field in dataclasses.fields(Attempt))


def to_row(attempt: Attempt) -> dict[str, Any]:
    """Column values of an attempt."""
    row = {name: getattr(attempt, name) for name in _FIELDS}
    row["state"] = str(attempt.state)
    row["result_urls"] = json.dumps(list(attempt.result_urls))
    return row


def to_attempt(row: Mapping[str, Any]) -> Attempt:
    """The attempt stored in a row."""
    values = {name: row[name] for name in _FIELDS}
    values["state"] = AttemptState(values["state"])
    values["result_urls"] = tuple(json.loads(values["result_urls"]))
    return Attempt(**values)
