"""Jobs and sensors.

Lives here: what starts runs by itself. Does not live here: what runs do. Sensors are off until a person turns them on,
because what they start spends money.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg

from banana_pipeline.core.failures import TableError
from banana_pipeline.defs.partitions import contiguous_ranges, prompt_shards, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, REJECTED
from banana_pipeline.store.tables import content_version

JOB_NAME = "generate_images"

generate_images = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets(PROMPTS, REJECTED, GENERATIONS, IMAGES, "generation_report"),
    partitions_def=prompt_shards,
    description="From prompt tables to archived images: reads, buys what was never bought, downloads, reports.",
)


@dataclass(kw_only=True)
class _Scan:
    """What one look into the prompts folder found. ``seen`` and ``reported`` are the sensor's memory."""

    seen: dict[str, list[str]]
    changed: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
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
    scan = _scan(files, json.loads(context.cursor or "{}"))
    for name, sentence in scan.problems.items():
        context.log.warning(f"{name}: {sentence}")
    for _, keys in scan.changed.values():
        register_shards(context.instance, keys)
    all_keys = context.instance.get_dynamic_partitions("prompt_shards")
    requests = [request for name, found in scan.changed.items() for request in _requests(name, *found, all_keys)]
    skip = None if requests else "; ".join(scan.problems.values()) or "no new or changed prompt tables"
    return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=json.dumps(scan.seen))


def _scan(files: FilesResource, seen: dict[str, list[str]]) -> _Scan:
    """Compare every table with the memory: size and time decide whether to hash, the hash whether it has changed."""
    scan = _Scan(seen={})
    for name, path in files.table_paths().items():
        stamp = _stamp(path)
        before = seen.get(name, ["", ""])
        if before[0] == stamp:
            scan.seen[name] = before
            continue
        try:
            table = files.open_table(name)
            version = content_version(table)
        except TableError as error:
            # Possibly still being written: remembered, so that it is told once and looked at again when it changes.
            scan.problems[name] = str(error)
            scan.seen[name] = [stamp, before[1]]
            continue
        scan.seen[name] = [stamp, version]
        if version != before[1]:
            scan.changed[name] = (version, [shard.key for shard in files.shards(table)])
    return scan


def _stamp(path) -> str:
    parts = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [part.stat() for part in parts if part.is_file()]
    return ",".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)


def _requests(name: str, version: str, keys: list[str], all_keys) -> Iterator[dg.RunRequest]:
    for first, last in contiguous_ranges(keys, all_keys):
        yield dg.RunRequest(
            run_key=f"{name}@{version}:{first}..{last}",
            tags={**range_tags(first, last), "banana/prompt_table": name, "banana/table_version": version},
        )
