"""Shards as Dagster partitions.

Lives here: the partitions definition, registering keys, cutting a selection into runs. Does not live here: the keys'
form (``core.shards``).
"""

from collections.abc import Iterable, Sequence

import dagster as dg

prompt_shards = dg.DynamicPartitionsDefinition(name="prompt_shards")

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def register_shards(instance: dg.DagsterInstance, keys: Iterable[str]) -> list[str]:
    """Add keys that are not there yet; the new ones."""
    known = set(instance.get_dynamic_partitions("prompt_shards"))
    new = [key for key in keys if key not in known]
    if new:
        instance.add_dynamic_partitions("prompt_shards", new)
    return new


def contiguous_ranges(wanted: Iterable[str], all_keys: Sequence[str]) -> list[tuple[str, str]]:
    """The fewest (first, last) ranges, in the order of ``all_keys``, that hold exactly the wanted keys.

    One run covers one range: Dagster names a run's partitions by their first and last key.
    """
    chosen = set(wanted)
    ranges: list[tuple[str, str]] = []
    is_open = False
    for key in all_keys:
        if key not in chosen:
            is_open = False
        elif is_open:
            ranges[-1] = (ranges[-1][0], key)
        else:
            ranges.append((key, key))
            is_open = True
    return ranges


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that select a range of shards."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}
