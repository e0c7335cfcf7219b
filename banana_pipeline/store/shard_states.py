"""What is left to do in each shard, as its output files say.

Lives here: looking through ``generations`` and ``images`` shard by shard, again only where a file has changed. Does not
live here: paid orders that are under way (``ledger_unfinished``), doing it (runs).

A look takes as long as it was given: what it did not get to, the next one does. Nothing is kept on disk.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from banana_pipeline.core.attempts import GIVEN_UP
from banana_pipeline.core.decisions import RowStatus, is_lost
from banana_pipeline.core.failures import TableError, task_failure
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.files import as_location
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.row_groups import open_parquet
from banana_pipeline.store.schemas import GENERATIONS, IMAGES
from banana_pipeline.store.shard_listing import Stamp, shard_stamps

_COLUMNS = ["status", "fail_code", "fail_msg", "attempt", "attempt_id", "credits", "completed_at", "is_reused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardState:
    """What is left to do in one shard.

    Attributes:
        unarchived: rows with a picture at KIE that the archive does not have; oldest_at: when the first was made.
        retryable: rows that were not sent, and those whose task failed for a reason that may pass.
        waiting: rows that were still being made by an order of another row, mostly of another table.
    """

    unarchived: int = 0
    oldest_at: datetime | None = None
    retryable: int = 0
    waiting: int = 0


_NOTHING = ShardState()


@dataclass(frozen=True, kw_only=True)
class Look:
    """States of the shards where something is left to do. ``unseen``: shards that the time did not suffice for."""

    states: dict[Shard, ShardState]
    unseen: int


@dataclass(kw_only=True)
class ShardStates:
    """Remembers, for one process, what each shard's files said when they were last looked into."""

    warehouse: Warehouse
    max_attempts: int
    _known: dict[Shard, tuple[Stamp, Stamp | None, ShardState]] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def look(self, *, budget_s: float) -> Look:
        """Look at every shard whose files have changed, for ``budget_s`` seconds at the most."""
        with self._turn:
            until_s = time.monotonic() + budget_s
            made, archived = (shard_stamps(self.warehouse.root, asset) for asset in (GENERATIONS, IMAGES))
            self._known = {shard: known for shard, known in self._known.items() if shard in made}
            unseen = 0
            for shard, stamp in made.items():
                stamps = (stamp, archived.get(shard))
                if shard in self._known and self._known[shard][:2] == stamps:
                    continue
                if time.monotonic() > until_s:
                    unseen += 1
                    continue
                with suppress(Exception):  # replaced or damaged, in whatever way: the next look, or a check, will tell
                    self._known[shard] = (*stamps, self._state(shard, *stamps))
            states = {shard: state for shard, (_, _, state) in self._known.items() if state is not _NOTHING}
            return Look(states=states, unseen=unseen)

    def _state(self, shard: Shard, made: Stamp, archived: Stamp | None) -> ShardState:
        has_images = archived is not None and archived.modified_s >= made.modified_s and self._is_whole(shard)
        if has_images and self._is_all_well(shard):
            return _NOTHING
        rows = self.warehouse.read(GENERATIONS, shard, _COLUMNS)
        missing = [] if has_images else self._missing(shard, rows, archived)
        others = rows.filter(pc.field("status") != "succeeded").to_pylist()
        state = ShardState(
            unarchived=len(missing),
            oldest_at=min(missing, default=None),
            retryable=sum(map(self._may_be_retried, others)),
            waiting=sum(row["status"] == RowStatus.PENDING and row["is_reused"] for row in others),
        )
        return _NOTHING if state == _NOTHING else state

    def _is_whole(self, shard: Shard) -> bool:
        """By its footer alone: has no picture of the shard failed to be archived?"""
        return all(
            found is not None and found.has_null_count and found.null_count == rows
            for found, rows in _statistics(self.warehouse.path(IMAGES, shard), "archive_error")
        )

    def _is_all_well(self, shard: Shard) -> bool:
        """By its footer alone: has every row succeeded?"""
        return all(
            found is not None and found.has_min_max and found.min == found.max == str(RowStatus.SUCCEEDED)
            for found, _ in _statistics(self.warehouse.path(GENERATIONS, shard), "status")
        )

    def _missing(self, shard: Shard, rows: pa.Table, archived: Stamp | None) -> list[datetime]:
        """When each picture was made that the archive does not have."""
        there: set[str] = set()
        if archived is not None:
            images = self.warehouse.read(IMAGES, shard, ["attempt_id", "image_path", "archive_error"]).to_pylist()
            there = {row["attempt_id"] for row in images if row["image_path"] or is_lost(row["archive_error"])}
        succeeded = rows.filter(pc.field("status") == "succeeded").select(["attempt_id", "completed_at"]).to_pylist()
        never = datetime.fromtimestamp(0, UTC)
        return [row["completed_at"] or never for row in succeeded if row["attempt_id"] not in there]

    def _may_be_retried(self, row: dict) -> bool:
        """Is another attempt likely to be allowed? What a run then does, it decides from the ledger."""
        if row["status"] == RowStatus.NOT_SUBMITTED:
            return True
        if row["status"] != RowStatus.FAILED or row["credits"] or row["fail_code"] == GIVEN_UP:
            return False
        why = task_failure(fail_code=row["fail_code"], fail_msg=row["fail_msg"])
        return why.may_be_bought_again and (row["attempt"] or 0) < self.max_attempts


@lru_cache(maxsize=4)
def states_of(root: str, max_attempts: int) -> ShardStates:
    """The memory of this process for a data folder."""
    return ShardStates(warehouse=Warehouse(UPath(root)), max_attempts=max_attempts)


def _statistics(path: UPath, column: str) -> Iterator[tuple[pq.Statistics | None, int]]:
    """What the footer says of a column, by row group, and how many rows that has."""
    try:
        with open_parquet(path) as file:
            position = file.metadata.schema.names.index(column)
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            yield from ((group.column(position).statistics, group.num_rows) for group in groups if group.num_rows)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"The output file {as_location(path)} is damaged.") from error
