"""``banana run``: all shards of some tables through all assets, in this process.

Lives here: the Dagster instance of the data folder, one run per range of shards, the summary. Does not live here: the
assets (``defs``), printing (``commands.show``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from banana_pipeline.commands.tables import ChosenTable
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.core.shards import Shard, shards_of
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.automation import JOB_NAME
from banana_pipeline.defs.partitions import contiguous_ranges, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.keys import check_key
from banana_pipeline.kie.proxies import environment_proxies
from banana_pipeline.progress import STOPPED_NOTICE, Progress
from banana_pipeline.settings import Settings
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, REJECTED

_INSTANCE_SETTINGS = """\
# Explained in deploy/dagster.yaml.
telemetry: {enabled: false}
nux: {enabled: false}
python_logs: {python_log_level: INFO}
concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits: [{key: banana/started_by, value: {applyLimitPerUniqueValue: true}, limit: 1}]
run_monitoring: {enabled: true}
retention: {sensor: {purge_after_days: {skipped: 3, success: 30, failure: 30}}, schedule: {purge_after_days: 30}}
"""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of one run; ``regenerate``: a label under which everything is bought again, or empty."""

    max_credits: float | None = None
    is_waiting: bool = True
    regenerate: str = ""


@dataclass(kw_only=True)
class TableSummary:
    """Rows of one table as its outputs show them after the run."""

    name: str
    rows_by_status: Mapping[str, int]
    rows_rejected: int
    credits: float
    images: int
    rejected: Sequence[tuple[int, str | None, str]] = field(default_factory=list)
    not_succeeded: Sequence[tuple[int, str | None, str, str]] = field(default_factory=list)
    not_archived: Sequence[tuple[int, str]] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not (self.rejected or self.not_succeeded or self.not_archived)


@dataclass(kw_only=True)
class RunSummary:
    """What a run left behind. ``errors``: sentences of steps that failed; ``is_stopped``: a person stopped it."""

    tables: list[TableSummary]
    errors: list[str]
    is_stopped: bool

    @property
    def is_well(self) -> bool:
        return not self.errors and not self.is_stopped and all(table.is_well for table in self.tables)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance: that of ``DAGSTER_HOME``, or one inside the data folder.

    Raises:
        SettingsError: the folder cannot be written.
    """
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    if not os.environ.get("DAGSTER_HOME"):
        os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    # Dagster makes its SQLite files when they are first used, without a lock: two commands that start together on a
    # new folder would make them at the same time, and both fail.
    with FileLock(Path(os.environ["DAGSTER_HOME"]) / ".banana.lock"):
        instance = dg.DagsterInstance.get()
        instance.get_runs_count()
        instance.get_dynamic_partitions("prompt_shards")
        instance.all_instigator_state()
    return instance


def dagster_home(settings: Settings) -> Path:
    """``<data>/dagster_home``, made ready. For data in an object store: ``data/dagster_home`` here."""
    root = Path(settings.data_dir.path) if settings.data_dir.protocol in {"", "file"} else Path("data").absolute()
    home = root / "dagster_home"
    try:
        home.mkdir(parents=True, exist_ok=True)
        config = home / "dagster.yaml"
        with FileLock(home / ".banana.lock"):
            if not config.exists():
                config.write_text(_INSTANCE_SETTINGS)
    except OSError as error:
        raise SettingsError(
            f"The folder {home} cannot be written ({error.strerror or error}); "
            "set BANANA_DATA_DIR to a folder that can."
        ) from error
    return home


def run_tables(
    settings: Settings, chosen: Sequence[ChosenTable], options: RunOptions, progress: Progress
) -> RunSummary:
    """Materialize every shard of the tables.

    Raises:
        UserError: before anything was started.
    """
    shards = [
        shard
        for one in chosen
        for shard in shards_of(one.table.name, row_count=one.table.row_count, shard_rows=settings.shard_rows)
    ]
    outside = {one.table.name: one.outside_path for one in chosen if one.outside_path is not None}
    files = FilesResource(
        data_dir=str(settings.data_dir),
        prompts_dir=str(settings.prompts_dir),
        shard_rows=settings.shard_rows,
        extra_tables=outside,
    )
    LedgerWriter(settings.ledger_url).close()  # a ledger that cannot be used is told before anything is started
    errors: list[str] = []
    is_stopped = False
    with open_instance(settings) as instance:
        defs = build_defs({"files": files, "progress": progress})
        job = defs.resolve_job_def(JOB_NAME)
        register_shards(instance, [shard.key for shard in shards])
        all_keys = instance.get_dynamic_partitions("prompt_shards")
        for first, last in contiguous_ranges([shard.key for shard in shards], all_keys):
            try:
                result = job.execute_in_process(
                    instance=instance,
                    tags=range_tags(first, last),
                    run_config=_run_config(options),
                    raise_on_error=False,
                )
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                is_stopped = True
                break
            if _was_interrupted(result):
                is_stopped = True
                break
            errors += _sentences(result)
    if is_stopped:
        progress.notice(STOPPED_NOTICE)
    return RunSummary(
        tables=[summarize(Warehouse(settings.data_dir), one.table.name, shards) for one in chosen],
        errors=list(dict.fromkeys(errors)),
        is_stopped=is_stopped,
    )


def _run_config(options: RunOptions) -> dict[str, Any]:
    return {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "ops": {
            "read_prompts": {"config": {"regenerate": options.regenerate}},
            "buy_generations": {
                "config": {"wait_for_results": options.is_waiting}
                | ({} if options.max_credits is None else {"max_credits": options.max_credits})
            },
        },
    }


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [getattr(event.event_specific_data, "error", None) for event in result.all_events if event.is_step_failure]
    return any(error is not None and error.cls_name == "DagsterExecutionInterruptedError" for error in errors)


def _sentences(result: dg.ExecuteInProcessResult) -> list[str]:
    """Why steps failed, in words for a person; a fault of ours keeps its class name."""
    found: list[str] = []
    for event in result.all_events:
        if event.event_type_value not in {"STEP_FAILURE", "PIPELINE_FAILURE"}:
            continue
        data = event.event_specific_data
        failure = getattr(data, "user_failure_data", None)
        error = getattr(data, "error", None)
        if failure is not None and failure.description:
            found.append(failure.description)
        elif error is not None and event.event_type_value == "STEP_FAILURE":
            cause = error.cause or error
            found.append(f"{event.step_key}: {cause.cls_name}: {cause.message.strip().splitlines()[-1]}")
    return found


def summarize(warehouse: Warehouse, name: str, shards: Sequence[Shard]) -> TableSummary:
    """Read a table's outputs back: what an analyst will see."""
    own = [shard for shard in shards if shard.table == name]
    generations = _read(warehouse, GENERATIONS, own, ["row_number", "id", "status", "status_reason", "credits"])
    rejected = _read(warehouse, REJECTED, own, ["row_number", "id", "problem"])
    images = _read(warehouse, IMAGES, own, ["row_number", "archive_error"])
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
    )


def _read(warehouse: Warehouse, asset: str, shards: Sequence[Shard], columns: list[str]) -> pa.Table | None:
    tables = [warehouse.read(asset, shard, columns) for shard in shards if warehouse.exists(asset, shard)]
    return pa.concat_tables(tables) if tables else None


def _tuples(table: pa.Table | None) -> list[Any]:
    return [] if table is None else [tuple(row.values()) for row in table.to_pylist()]


def require_key(settings: Settings) -> None:
    """Raises SettingsError if there is no key to pay with, or one that cannot be sent, or no way to send it."""
    if not settings.api_keys:
        raise SettingsError(
            "KIE_API_KEY is not set; set it to your key from kie.ai, or try 'banana demo', which needs none."
        )
    for key in settings.api_keys:
        check_key(key)
    environment_proxies(ssl_context())
