"""Jobs and sensors.

Lives here: what starts runs by itself. Does not live here: what runs do. Sensors are off until a person turns them on,
because what they start spends money.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256

import dagster as dg
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.defs.partitions import contiguous_ranges, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, REJECTED
from banana_pipeline.store.tables import content_version

JOB_NAME = "generate_images"
_MOST_NAMES = 5

generate_images = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets(PROMPTS, REJECTED, GENERATIONS, IMAGES, "generation_report"),
    description="From prompt tables to archived images: reads, buys what was never bought, downloads, reports.",
)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The sensor's memory of one table.

    Attributes:
        stamp: sizes and times of its files. Where they are as before, the content is not read again.
        version: hash of the content that a run was last started for; "" if there was none.
        change: how many versions were seen. A table that goes back to an earlier content is a new change.
    """

    stamp: str = ""
    version: str = ""
    change: int = 0


@dataclass(kw_only=True)
class _Scan:
    """What one look into the prompts folder found: memory, shards by changed table, a sentence by unreadable table."""

    seen: dict[str, _Seen] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


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
    try:
        scan = _scan(files, _memory(context.cursor))
    except TableError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    for name, sentence in scan.problems.items():
        context.log.warning(f"{name}: {sentence}")
    for keys in scan.changed.values():
        register_shards(context.instance, keys)
    requests = _requests(scan, context.instance.get_dynamic_partitions("prompt_shards"))
    skip = None if requests else "; ".join(scan.problems.values()) or "no new or changed prompt tables"
    cursor = json.dumps({name: asdict(seen) for name, seen in scan.seen.items()})
    return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=cursor)


def _memory(cursor: str | None) -> dict[str, _Seen]:
    """What earlier looks remembered. A cursor of another version is forgotten: looking at everything anew is free."""
    try:
        return {name: _Seen(**seen) for name, seen in json.loads(cursor or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _scan(files: FilesResource, memory: Mapping[str, _Seen]) -> _Scan:
    """Compare every table with the memory: size and time decide whether to hash, the hash whether it has changed."""
    scan = _Scan()
    for name, path in files.table_paths().items():
        before = memory.get(name, _Seen())
        scan.seen[name] = before
        stamp = _stamp(path)
        if stamp == before.stamp:
            continue
        scan.seen[name] = replace(before, stamp=stamp)
        try:
            table = files.open_table(name)
            version = content_version(table)
        except TableError as error:
            # Possibly still being written: its stamp is remembered, so that it is told once and looked at again when
            # it has changed.
            scan.problems[name] = str(error)
            continue
        if version != before.version:
            scan.seen[name] = _Seen(stamp=stamp, version=version, change=before.change + 1)
            scan.changed[name] = [shard.key for shard in files.shards(table)]
    return scan


def _stamp(path: UPath) -> str:
    try:
        parts = sorted(path.rglob("*"), key=str) if path.is_dir() else [path]
        stats = [(str(part), part.stat()) for part in parts if part.is_file()]
    except OSError as error:  # a file went away while we looked: another state, which opening the table will judge
        return f"{error.errno}"
    lines = [f"{name}:{stat.st_size}:{getattr(stat, 'st_mtime_ns', stat.st_mtime)}" for name, stat in stats]
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _requests(scan: _Scan, all_keys: Sequence[str]) -> list[dg.RunRequest]:
    """One run for each range of changed shards: tables that came together share a run, and with it one process."""
    table_of = {key: name for name, keys in scan.changed.items() for key in keys}
    requests: list[dg.RunRequest] = []
    for first, last in contiguous_ranges(table_of, all_keys):
        covered = all_keys[all_keys.index(first) : all_keys.index(last) + 1]
        names = sorted({table_of[key] for key in covered})
        contents = json.dumps([[name, scan.seen[name].version, scan.seen[name].change] for name in names])
        requests.append(
            dg.RunRequest(
                run_key=f"{first}..{last}@{sha256(contents.encode()).hexdigest()[:32]}",
                tags={**range_tags(first, last), "banana/prompt_tables": _listed(names)},
            )
        )
    return requests


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
