"""The sensor on the prompts folder.

Lives here: its memory, and which runs it asks for. Does not live here: looking at the files (``table_scan``), shards
whose rows are gone (``sensor_gone``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256

import dagster as dg

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.told import printable, sentence_of
from banana_pipeline.defs.automation import generate_images
from banana_pipeline.defs.partitions import contiguous_ranges, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.defs.sensor_gone import Swept, observation, sentences, shard_or_none, sweep
from banana_pipeline.defs.sensor_runs import MOST_REQUESTS, STARTED_BY_TAG, all_shards, busy_shards
from banana_pipeline.defs.table_scan import Scan, Seen, scan_tables

_MOST_NAMES = 5


@dg.sensor(
    job=generate_images,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Looks for new or changed prompt tables, registers their shards and starts a run for them. Turning it on means "
        "that every prompt of a new table is bought without asking."
    ),
)
def prompt_tables_sensor(context: dg.SensorEvaluationContext, files: FilesResource) -> dg.SensorResult:
    memory, kept, unknown = _memory(context.cursor)
    busy = busy_shards(context.instance, all_shards(context.instance))
    try:
        scan = scan_tables(files, memory, busy=_tables(busy))
    except TableError as error:
        return dg.SensorResult(skip_reason=sentence_of(error), cursor=context.cursor)
    for name, sentence in scan.problems.items():
        context.log.warning(f"{printable(name)}: {sentence}")
    register_shards(context.instance, [key for keys in scan.changed.values() for key in keys])
    swept = _sweep(context, files, scan, busy)
    events = []
    if swept.kept != kept or swept.deleted or swept.problems != unknown:
        counts = scan.shard_counts
        events = [observation(swept, counts)]
        for line in sentences(swept, counts):
            context.log.info(line)
    requests = _requests(scan, all_shards(context.instance), memory)
    skip = (
        None
        if requests
        else printable("; ".join([*scan.problems.values(), *scan.held])) or "no new or changed prompt tables"
    )
    tables = {name: asdict(seen) for name, seen in scan.seen.items()}
    cursor = json.dumps({"tables": tables, "kept": swept.kept, "unknown": swept.problems})
    return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=cursor, asset_events=events)


def _memory(cursor: str | None) -> tuple[dict[str, Seen], dict[str, int], dict[str, str]]:
    """What earlier looks remembered: tables, shards kept without rows, and outputs that could not be looked at.

    A cursor of another version is forgotten: looking at everything anew is free.
    """
    try:
        told = json.loads(cursor or "{}")
        seen = {name: Seen(**seen) for name, seen in told.get("tables", {}).items()}
        return seen, dict(told.get("kept", {})), dict(told.get("unknown", {}))
    except (ValueError, TypeError, AttributeError):
        return {}, {}, {}


def _tables(busy: Mapping[str, str]) -> dict[str, str]:
    """Tables that runs work on."""
    shards = ((shard_or_none(key), run_id) for key, run_id in busy.items())
    return {shard.table: run_id for shard, run_id in shards if shard is not None}


def _sweep(context: dg.SensorEvaluationContext, files: FilesResource, scan: Scan, busy: Mapping[str, str]) -> Swept:
    """A folder that is not there (not mounted?) says nothing about its tables."""
    if not scan.is_folder_there:
        return Swept()
    all_keys = all_shards(context.instance)
    return sweep(context.instance, files.warehouse, all_keys, shard_counts=scan.shard_counts, busy=busy)


def _requests(scan: Scan, all_keys: Sequence[str], memory: Mapping[str, Seen]) -> list[dg.RunRequest]:
    """One run for each range of changed shards: tables that came together share a run, and with it one process.

    Tables that one look cannot ask for are forgotten again, so that the next look finds them.
    """
    table_of = {key: name for name, keys in scan.changed.items() for key in keys}
    positions = {key: position for position, key in enumerate(all_keys)}
    ranges = contiguous_ranges(table_of, all_keys)
    requests: list[dg.RunRequest] = []
    for first, last in ranges[:MOST_REQUESTS]:
        names = sorted({table_of[key] for key in all_keys[positions[first] : positions[last] + 1]})
        contents = json.dumps([[name, scan.seen[name].version, scan.seen[name].change] for name in names])
        tags = {"banana/prompt_tables": _listed(names), STARTED_BY_TAG: "prompt_tables"}
        requests.append(
            dg.RunRequest(
                run_key=f"{first}..{last}@{sha256(contents.encode()).hexdigest()[:32]}",
                tags={**range_tags(first, last), **tags},
            )
        )
    for first, last in ranges[MOST_REQUESTS:]:
        for key in all_keys[positions[first] : positions[last] + 1]:
            scan.seen[table_of[key]] = memory.get(table_of[key], Seen())
    return requests


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return printable(", ".join(names[:_MOST_NAMES]) + more)
