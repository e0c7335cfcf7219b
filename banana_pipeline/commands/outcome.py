"""What the runs of one command said, and what they left behind.

Lives here: rows of a table as its outputs show them, sentences of failed steps, and which of them make a run a failure.
Does not live here: running (``commands.run``), printing (``commands.summary``).

Only the steps that make a table's own rows decide. Checks, the report and the gallery look at all tables: one damaged
file of another table makes them fail, and this run no worse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.core.told import fault, one_line
from banana_pipeline.store.ledger_reports import LaunchTotals
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, REJECTED

_DECIDING_STEPS = {"read_prompts", "buy_generations", "archive_images"}
_STOPPED = "DagsterExecutionInterruptedError"
_MOST_SHARDS = 5


@dataclass(kw_only=True)
class TableSummary:
    """Rows of one table as its outputs show them after the run. ``unreadable``: sentences about outputs that do not."""

    name: str
    rows_by_status: Mapping[str, int]
    rows_rejected: int
    credits: float
    images: int
    rejected: Sequence[tuple[int, str | None, str]] = field(default_factory=list)
    not_succeeded: Sequence[tuple[int, str | None, str, str]] = field(default_factory=list)
    not_archived: Sequence[tuple[int, str]] = field(default_factory=list)
    unreadable: Sequence[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not (self.rejected or self.not_succeeded or self.not_archived or self.unreadable)


@dataclass(kw_only=True)
class RunSummary:
    """What a command left behind.

    Attributes:
        errors: why rows may be missing. notices: what failed that is merely shown.
        is_stopped: a person stopped it. bought: its purchases, as the ledger has them.
    """

    tables: list[TableSummary]
    errors: list[str]
    notices: list[str]
    is_stopped: bool
    bought: LaunchTotals = field(default_factory=LaunchTotals)

    @property
    def is_well(self) -> bool:
        return not self.errors and not self.is_stopped and all(table.is_well for table in self.tables)


@dataclass(kw_only=True)
class Told:
    """What runs said about their failures, each sentence once."""

    errors: list[str] = field(default_factory=list)
    is_stopped: bool = False
    _shown: dict[str, list[str]] = field(default_factory=dict)

    @property
    def notices(self) -> list[str]:
        """What failed that is merely shown: one sentence for each cause, with everything that has it."""
        return [
            f"{sentence} Not made anew because of it: {', '.join(dict.fromkeys(steps))}; no row above is touched."
            for sentence, steps in self._shown.items()
        ]

    def stopped(self, why: str) -> None:
        """A person stopped the run; ``why``: what had gone wrong meanwhile, if anything had."""
        self.is_stopped = True
        _add(self.errors, why)

    def listen(self, result: dg.ExecuteInProcessResult) -> None:
        """Take in the end of a run."""
        has_failed_step = False
        for event in result.all_events:
            if not event.is_step_failure:
                continue
            has_failed_step = True
            error = getattr(event.event_specific_data, "error", None)
            if error is not None and error.cls_name == _STOPPED:
                self.stopped(_said(error.message, error.cls_name))
            elif event.step_key in _DECIDING_STEPS:
                _add(self.errors, _sentence(event))
            else:
                self._shown.setdefault(_sentence(event), []).append(event.step_key or "a step")
        if not result.success and not has_failed_step and not self.is_stopped:
            for event in result.all_events:
                if event.is_failure:
                    _add(self.errors, _sentence(event))


def _add(sentences: list[str], sentence: str) -> None:
    if sentence and sentence not in sentences:
        sentences.append(sentence)


def _sentence(event: dg.DagsterEvent) -> str:
    """Why a step or a run failed, in words for a person; a fault of ours keeps its class name."""
    data = event.event_specific_data
    failure = getattr(data, "user_failure_data", None)
    if failure is not None and failure.description:
        return one_line(failure.description)
    error = getattr(data, "error", None)
    if error is None:
        return one_line(event.message or "The run failed and does not say why.")
    cause = error.cause or error
    return fault(cause.cls_name or "Error", _said(cause.message, cause.cls_name))


def _said(message: str, name: str | None) -> str:
    """Dagster puts the name of the class, with its module, before the text."""
    return re.sub(rf"^[\w.]*\b{re.escape(name or '')}\b:?\s*", "", message.strip()) if name else message.strip()


def summarize(warehouse: Warehouse, name: str, shards: Sequence[Shard]) -> TableSummary:
    """Read a table's outputs back: what an analyst will see."""
    own = [shard for shard in shards if shard.table == name]
    unreadable: list[str] = []
    generations = _read(
        warehouse, GENERATIONS, own, ["row_number", "id", "status", "status_reason", "credits"], unreadable
    )
    rejected = _read(warehouse, REJECTED, own, ["row_number", "id", "problem"], unreadable)
    images = _read(warehouse, IMAGES, own, ["row_number", "archive_error"], unreadable)
    if generations is None and rejected is None and not unreadable:
        unreadable.append(f"Nothing was written for table {name!r}; run it again.")
    counts: dict[str, int] = {}
    if generations is not None:
        for entry in generations["status"].value_counts().to_pylist():
            counts[entry["values"]] = entry["counts"]
    return TableSummary(
        name=name,
        rows_by_status=counts,
        rows_rejected=0 if rejected is None else rejected.num_rows,
        credits=0.0
        if generations is None
        else float(sum(amount or 0.0 for amount in generations["credits"].to_pylist())),
        images=0 if images is None else images.filter(images["archive_error"].is_null()).num_rows,
        rejected=_tuples(rejected),
        not_succeeded=_tuples(
            None
            if generations is None
            else generations.filter(pc.field("status") != "succeeded").drop_columns(["credits"])
        ),
        not_archived=_tuples(None if images is None else images.filter(images["archive_error"].is_valid())),
        unreadable=unreadable,
    )


def writers(warehouse: Warehouse, shards: Sequence[Shard]) -> dict[Shard, str | None]:
    """Which run has written the rows of each shard, as its file says; None where there is none that can be read."""
    return {shard: _written_by(warehouse, shard) for shard in shards}


def not_written(
    before: Mapping[Shard, str | None], after: Mapping[Shard, str | None], run_ids: Collection[str | None]
) -> list[str]:
    """A sentence if some shards' rows are still those of before: they would look like success.

    Args:
        before, after: `writers` before and after these runs. Another command may have written meanwhile, too.
    """
    left = [
        shard.key
        for shard, run_id in after.items()
        if run_id is None or (run_id not in run_ids and run_id == before.get(shard))
    ]
    if not left:
        return []
    more = f" and {len(left) - _MOST_SHARDS} more" if len(left) > _MOST_SHARDS else ""
    names = f"{', '.join(left[:_MOST_SHARDS])}{more}"
    return [f"The rows of {names} could not be written by this run. Nothing paid is lost: run it again."]


def _written_by(warehouse: Warehouse, shard: Shard) -> str | None:
    try:
        return warehouse.provenance(GENERATIONS, shard).get("run_id")
    except TableError:
        return None


def _read(
    warehouse: Warehouse, asset: str, shards: Sequence[Shard], columns: list[str], unreadable: list[str]
) -> pa.Table | None:
    tables: list[pa.Table] = []
    for shard in shards:
        try:
            if warehouse.exists(asset, shard):
                tables.append(warehouse.read(asset, shard, columns))
        except TableError as error:
            unreadable.append(str(error))
    return pa.concat_tables(tables) if tables else None


def _tuples(table: pa.Table | None) -> list[Any]:
    return [] if table is None else [tuple(row.values()) for row in table.to_pylist()]
