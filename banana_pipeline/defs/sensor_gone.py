"""Shards whose rows are no longer in the prompts folder: their table is gone, renamed, or has become shorter.

Lives here: which shards that are, letting go of those that hold nothing, and saying which are kept. Does not live here:
looking at tables (``sensor_tables``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
import pyarrow as pa

from banana_pipeline.core.shards import Shard, parse_key
from banana_pipeline.core.told import sentence_of
from banana_pipeline.defs.metadata import preview_md
from banana_pipeline.defs.partitions import prompt_shards
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import ASSETS

_MOST_DELETED = 500  # in one look: each takes Dagster some milliseconds


@dataclass(kw_only=True)
class Swept:
    """What became of shards without rows: kept by table, because they hold outputs, and how many were let go.

    ``problems``: a sentence for each table whose outputs could not be looked at.
    """

    kept: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def sweep(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    all_keys: Sequence[str],
    *,
    shard_counts: Mapping[str, int | None],
    busy: Collection[str],
) -> Swept:
    """Let go of shards that have neither rows nor outputs.

    Args:
        shard_counts: shards of each table that is there now; None where nobody can tell.
        busy: shards that a run works on; they are left for a later look.
    """
    swept = Swept()
    for table, keys in _without_rows(all_keys, shard_counts).items():
        try:
            outputs = {shard.key for asset in ASSETS for shard in warehouse.shards(asset, table)}
        except Exception as error:  # nobody knows what is there: nothing of this table is let go of
            swept.problems[table] = sentence_of(error)
            continue
        for key in keys:
            if key in outputs:
                swept.kept[table] = swept.kept.get(table, 0) + 1
            elif key not in busy and len(swept.deleted) < _MOST_DELETED:
                instance.delete_dynamic_partition(str(prompt_shards.name), key)
                swept.deleted.append(key)
    return swept


def _without_rows(all_keys: Sequence[str], shard_counts: Mapping[str, int | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in all_keys:
        shard = shard_or_none(key)
        count = 0 if shard is None else shard_counts.get(shard.table, 0)
        if shard is not None and count is not None and shard.index >= count:
            found.setdefault(shard.table, []).append(key)
    return found


def shard_or_none(key: str) -> Shard | None:
    """The shard behind a partition key; None for a key that somebody else has added."""
    try:
        return parse_key(key)
    except ValueError:
        return None


def sentences(swept: Swept, shard_counts: Mapping[str, int | None]) -> list[str]:
    """One for each table that has shards without rows, and one for what was let go."""
    lines = []
    for table, kept in sorted(swept.kept.items()):
        what = "has become shorter" if table in shard_counts else "is not in the prompts folder"
        lines.append(f"Table {table!r} {what}; {kept} of its shards are kept, because they hold outputs.")
    if swept.deleted:
        lines.append(f"{len(swept.deleted)} shards without rows and without outputs were removed.")
    return [*lines, *(f"Table {table!r}: {problem}" for table, problem in sorted(swept.problems.items()))]


def observation(swept: Swept, shard_counts: Mapping[str, int | None]) -> dg.AssetObservation:
    """The same on the page of ``prompt_tables``."""
    tables = sorted(swept.kept)
    rows = {
        "table": tables,
        "state": ["shorter" if table in shard_counts else "gone" for table in tables],
        "shards_kept": [swept.kept[table] for table in tables],
    }
    metadata = {"shards_kept_without_rows": preview_md(pa.table(rows), list(rows))} if tables else {}
    description = " ".join(sentences(swept, shard_counts)) or "Every shard has rows in the prompts folder."
    return dg.AssetObservation("prompt_tables", description=description[:2_000], metadata=metadata)
