"""What earlier runs wrote down about pictures, read back from the ``images`` table.

Lives here: matching a shard's old rows with its pictures, and when its oldest picture was made that is not here yet.
Does not live here: fetching (``archive``), writing the table (``output_tables``).
"""

from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.images import ArchivedImage
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import GENERATIONS, IMAGES

_FIELDS = [field.name for field in fields(ArchivedImage)]
_OPTIONAL = {"thumbnail_path", "has_content_credentials", "perceptual_hash"}
_ROW = ("row_number", "sample", "attempt_id")

PictureRecords = dict[tuple[str, int], tuple[ArchivedImage | None, str | None]]
"""``(attempt_id, index)`` to the picture and the error that the table has for it."""


def picture_records(warehouse: Warehouse, shard: Shard) -> PictureRecords:
    """What the shard's ``images`` file says; {} where there is none or it is damaged: it is about to be replaced."""
    try:
        rows = warehouse.read(IMAGES, shard, [*_ROW, *_FIELDS, "archive_error"]).to_pylist()
    except TableError:
        return {}
    found: PictureRecords = {}
    counts: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for row in rows:
        request = tuple(row[name] for name in _ROW)
        found[row["attempt_id"], counts[request]] = (_image(row), row["archive_error"])
        counts[request] += 1
    return found


def _image(row: dict[str, Any]) -> ArchivedImage | None:
    if any(row[name] is None for name in _FIELDS if name not in _OPTIONAL):
        return None
    return ArchivedImage(**{name: row[name] for name in _FIELDS})


def oldest_missing_at(warehouse: Warehouse, shard: Shard) -> datetime:
    """When the oldest picture was made that is not archived; the end of time where none is missing."""
    names = ["attempt_id", "completed_at", "status"]
    try:
        made = warehouse.read(GENERATIONS, shard, names).filter(pc.field("status") == "succeeded")
    except TableError:
        return _NEVER
    here = {attempt_id for (attempt_id, _), (image, _) in picture_records(warehouse, shard).items() if image}
    pairs = zip(made["attempt_id"].to_pylist(), made["completed_at"].to_pylist(), strict=True)
    return min((at or _UNKNOWN for attempt_id, at in pairs if attempt_id not in here), default=_NEVER)


_NEVER = datetime.max.replace(tzinfo=UTC)
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
