"""What the page shows: one entry for each picture, and one for each row of ``generations`` that has none.

Lives here: putting the two outputs together, shard by shard, and choosing shards where there are too many rows. Does
not live here: the form of the page's files (``index``).
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

import pyarrow.compute as pc

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.own_columns import EXTRA
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, contract_schema

Entry = dict[str, Any]
_OF_PICTURES = [name for name in contract_schema(IMAGES).names if name not in contract_schema(GENERATIONS).names]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The shards to show, in table order.

    Attributes:
        left_out: rows of all the shards that are not shown.
        problems: a sentence for each shard that cannot be read.
    """

    shards: tuple[Shard, ...]
    left_out: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Measured:
    shard: Shard
    row_count: int
    newest_at: datetime | None


def choose(warehouse: Warehouse, most_rows: int) -> Chosen:
    """All shards, or those with the newest results as long as they have at most ``most_rows`` rows together.

    Whole shards, so that reading and memory stay those of one shard at a time; at least one.
    """
    found: list[_Measured] = []
    problems: list[str] = []
    for shard in warehouse.shards(GENERATIONS):
        try:
            found.append(_measured(warehouse, shard))
        except TableError as error:
            problems.append(str(error))
    found.sort(key=lambda it: (it.newest_at.timestamp() if it.newest_at else 0.0, it.shard), reverse=True)
    kept: list[Shard] = []
    total = 0
    for one in found:
        if kept and total + one.row_count > most_rows:
            break
        kept.append(one.shard)
        total += one.row_count
    left_out = sum(it.row_count for it in found) - total
    return Chosen(shards=tuple(sorted(kept)), left_out=left_out, problems=tuple(problems))


def _measured(warehouse: Warehouse, shard: Shard) -> _Measured:
    times = warehouse.read(GENERATIONS, shard, ["completed_at", "submitted_at"])
    newest = [at for name in times.column_names if (at := pc.max(times[name]).as_py()) is not None]  # pyright: ignore[reportAttributeAccessIssue]
    return _Measured(shard=shard, row_count=times.num_rows, newest_at=max(newest, default=None))


def entries(warehouse: Warehouse, shard: Shard) -> Iterator[tuple[int, Entry]]:
    """The entries of one shard in table order: the number of the row's result from 0, and column name to value.

    ``image_input`` is a list of `ReferenceImage`, ``extra`` a mapping.

    Raises:
        TableError: a file is damaged.
    """
    pictures, hashes = _pictures(warehouse, shard), _reference_hashes(warehouse, shard)
    for row in warehouse.read(GENERATIONS, shard).to_pylist():
        row["image_input"] = _references(row["image_input"] or (), hashes.get(row["request_id"]) or ())
        row[EXTRA] = _own(row[EXTRA])
        results = pictures.get((row["row_number"], row["sample"])) or [dict.fromkeys(_OF_PICTURES)]
        for number, result in enumerate(results):
            yield number, {**row, **result}


def _own(extra: str | None) -> dict[str, Any]:
    """The table's own columns; none where somebody has changed them by hand into something else."""
    try:
        found = json.loads(extra or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _pictures(warehouse: Warehouse, shard: Shard) -> dict[tuple[int, int], list[Entry]]:
    """The results of each request; none where the pictures were not fetched yet."""
    found: defaultdict[tuple[int, int], list[Entry]] = defaultdict(list)
    if warehouse.exists(IMAGES, shard):
        for row in warehouse.read(IMAGES, shard, ["row_number", "sample", *_OF_PICTURES]).to_pylist():
            found[row.pop("row_number"), row.pop("sample")].append(row)
    return dict(found)


def _reference_hashes(warehouse: Warehouse, shard: Shard) -> dict[str, list[str | None]]:
    """The content of each request's local references. A request is named by it, so it holds whatever came later."""
    if not warehouse.exists(PROMPTS, shard):
        return {}
    asked = warehouse.read(PROMPTS, shard, ["request_id", "image_sha256"])
    asked = asked.filter(pc.field("image_sha256").is_valid())
    return dict(zip(*(asked[name].to_pylist() for name in ("request_id", "image_sha256")), strict=True))


def _references(sources: Sequence[str], hashes: Sequence[str | None]) -> list[ReferenceImage]:
    pairs = zip_longest(sources, hashes[: len(sources)])
    return [ReferenceImage(source=source, sha256=sha256) for source, sha256 in pairs if source]
