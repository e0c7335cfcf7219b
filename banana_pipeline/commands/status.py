"""``banana status``: where every request stands, live from the ledger.

Lives here: counting and its two forms, a table and JSON. Does not live here: the ledger's questions
(``store.ledger_reports``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.table import Table

from banana_pipeline.commands.show import table_of
from banana_pipeline.core.attempts import AttemptState
from banana_pipeline.core.decisions import RowStatus, status_of
from banana_pipeline.core.failures import UserError
from banana_pipeline.core.requests import usd
from banana_pipeline.core.shards import Shard
from banana_pipeline.core.told import sentence_of
from banana_pipeline.settings import Settings
from banana_pipeline.store import ledger_reports
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_open import ledger_exists
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import GENERATIONS, REJECTED

Spent = tuple[str, str, float]
"""Service, prompt table, credits."""

_OPEN_STATES = {AttemptState.SUBMITTING, AttemptState.SUBMITTED, AttemptState.OVERDUE, AttemptState.UNCONFIRMED}


@dataclass(kw_only=True)
class TableStatus:
    """Requests of one table by status.

    Attributes:
        spent_credits: what its own purchases cost so far.
        problems: sentences about outputs that cannot be read; what they hold is missing in the counts.
    """

    service: str
    prompt_table: str
    requests_by_status: dict[str, int] = field(default_factory=dict)
    rows_rejected: int = 0
    spent_credits: float = 0.0
    oldest_pending_at: datetime | None = None
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        oldest = self.oldest_pending_at
        return {
            "service": self.service,
            "prompt_table": self.prompt_table,
            "requests_by_status": self.requests_by_status,
            "rows_rejected": self.rows_rejected,
            "spent_credits": self.spent_credits,
            "spent_usd": usd(self.spent_credits),
            "oldest_pending_at": None if oldest is None else oldest.isoformat(),
            "problems": self.problems,
        }


def read_status(settings: Settings, prompt_table: str | None = None) -> list[TableStatus]:
    """One entry per service and table, sorted.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found: dict[tuple[str, str], TableStatus] = {}
    counts, spent = _from_ledger(settings, prompt_table)
    for row in counts:
        key = (str(row["service"]), str(row["prompt_table"]))
        entry = found.setdefault(key, TableStatus(service=key[0], prompt_table=key[1]))
        state = AttemptState(str(row["state"]))
        fail_code = row["fail_code"]
        status = str(status_of(state, None if fail_code is None else str(fail_code)))
        entry.requests_by_status[status] = entry.requests_by_status.get(status, 0) + int(str(row["requests"]))
        oldest = row["oldest_claimed_at"]
        if state in _OPEN_STATES and isinstance(oldest, datetime):
            entry.oldest_pending_at = min(oldest, entry.oldest_pending_at or oldest)
    for service, table, credits_sum in spent:
        if (service, table) in found:
            found[service, table].spent_credits = credits_sum
    _add_outputs(settings, prompt_table, found)
    return [found[key] for key in sorted(found)]


def status_table(found: Sequence[TableStatus]) -> Table:
    """The same for a terminal."""
    statuses = [str(status) for status in RowStatus if any(entry.requests_by_status.get(status) for entry in found)]
    columns = ["service", "table", *(status.replace("_", " ") for status in statuses)]
    columns += ["rejected", "credits", "USD", "oldest pending (UTC)"]
    rows = [
        [
            entry.service,
            entry.prompt_table,
            *(entry.requests_by_status.get(status, 0) for status in statuses),
            entry.rows_rejected,
            entry.spent_credits,
            usd(entry.spent_credits),
            "" if entry.oldest_pending_at is None else f"{entry.oldest_pending_at:%Y-%m-%d %H:%M:%S}",
        ]
        for entry in found
    ]
    return table_of(columns, rows)


def _from_ledger(settings: Settings, prompt_table: str | None) -> tuple[list[dict[str, object]], list[Spent]]:
    if not ledger_exists(settings.ledger_url):
        return [], []
    with LedgerWriter(settings.ledger_url) as writer:
        counts = writer.call(ledger_reports.request_counts, prompt_table=prompt_table)
        return counts, writer.call(ledger_reports.spent_credits, prompt_table=prompt_table)


def _add_outputs(settings: Settings, prompt_table: str | None, found: dict[tuple[str, str], TableStatus]) -> None:
    """What the ledger cannot know: rows that were rejected or never sent."""
    warehouse = Warehouse(settings.data_dir)
    names = {shard.table for shard in warehouse.shards(REJECTED)} if prompt_table is None else {prompt_table}
    for name in names:
        shards = [shard for shard in warehouse.shards(REJECTED) if shard.table == name]
        if not shards:
            continue
        entry = _entry_of(found, settings.service, name)
        rejected = [_column(warehouse, entry, REJECTED, shard, "row_number") for shard in shards]
        statuses = [_column(warehouse, entry, GENERATIONS, shard, "status") for shard in shards]
        entry.rows_rejected = sum(map(len, rejected))
        if unsent := sum(column.count(RowStatus.NOT_SUBMITTED) for column in statuses):
            entry.requests_by_status[str(RowStatus.NOT_SUBMITTED)] = unsent


def _column(warehouse: Warehouse, entry: TableStatus, asset: str, shard: Shard, name: str) -> list[Any]:
    """A column of an output; nothing where the output is not written yet, or is damaged, which is told."""
    try:
        return warehouse.read(asset, shard, [name])[name].to_pylist() if warehouse.exists(asset, shard) else []
    except UserError as error:
        told = sentence_of(error)
    except Exception as error:
        told = f"{asset} of {shard.key}: {sentence_of(error)}"
    entry.problems.append(told)
    return []


def _entry_of(found: dict[tuple[str, str], TableStatus], service: str, table: str) -> TableStatus:
    """The entry for a table's outputs: at the service in use, else where the table was bought, else a new one."""
    elsewhere = [key for key in found if key[1] == table]
    key = (service, table) if (service, table) in found or not elsewhere else elsewhere[0]
    return found.setdefault(key, TableStatus(service=key[0], prompt_table=table))
