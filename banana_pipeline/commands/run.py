"""``banana run``: all shards of some tables through all assets, in this process.

Lives here: the Dagster instance of the data folder, one run per range of shards. Does not live here: the assets
(``defs``), what the runs said and left behind (``commands.outcome``), printing (``commands.show``).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from banana_pipeline.commands.outcome import RunSummary, Told, not_written, summarize, writers
from banana_pipeline.commands.tables import ChosenTable
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.core.shards import shards_of
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.automation import JOB_NAME
from banana_pipeline.defs.launches import LAUNCH_TAG
from banana_pipeline.defs.partitions import contiguous_ranges, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.keys import check_key
from banana_pipeline.kie.proxies import environment_proxies
from banana_pipeline.progress import STOPPED_NOTICE, Progress
from banana_pipeline.settings import Settings
from banana_pipeline.store.files import is_local, local_path
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_reports import LaunchTotals, launch_totals
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.places import place_text

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


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance: that of ``DAGSTER_HOME``, or one inside the data folder.

    Raises:
        SettingsError: the folder cannot be written.
    """
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
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
    """The folder of ``DAGSTER_HOME``, or ``<data>/dagster_home``, made ready; for data in an object store it is here.

    Raises:
        SettingsError: it cannot be written.
    """
    if settings.dagster_home is not None:
        # One that is there is the person's own, with a configuration or without.
        config = "" if settings.dagster_home.exists() else _INSTANCE_SETTINGS
        return _made(settings.dagster_home, "set DAGSTER_HOME to a folder that can", config)
    root = local_path(settings.data_dir) if is_local(settings.data_dir) else Path("data").absolute()
    return _made(root / "dagster_home", "set BANANA_DATA_DIR to a folder that can", _INSTANCE_SETTINGS)


def _made(home: Path, advice: str, config: str) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".banana.lock"):
            if config and not (home / "dagster.yaml").exists():
                (home / "dagster.yaml").write_text(config)
    except OSError as error:
        raise SettingsError(f"The folder {home} cannot be written ({error.strerror or error}); {advice}.") from error
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
        data_dir=place_text(settings.data_dir),
        prompts_dir=place_text(settings.prompts_dir),
        shard_rows=settings.shard_rows,
        extra_tables=outside,
    )
    LedgerWriter(settings.ledger_url).close()  # a ledger that cannot be used is told before anything is started
    launch = uuid.uuid4().hex
    told = Told()
    run_ids: list[str | None] = []
    warehouse = Warehouse(settings.data_dir)
    before = writers(warehouse, shards)
    with open_instance(settings) as instance:
        defs = build_defs({"files": files, "progress": progress})
        job = defs.resolve_job_def(JOB_NAME)
        register_shards(instance, [shard.key for shard in shards])
        all_keys = instance.get_dynamic_partitions("prompt_shards")
        for first, last in contiguous_ranges([shard.key for shard in shards], all_keys):
            tags = {**range_tags(first, last), LAUNCH_TAG: launch}
            run_ids.append(_run_range(job, instance, tags, options, told))
            if told.is_stopped:
                progress.notice(STOPPED_NOTICE)
                break
    tables = [summarize(warehouse, one.table.name, shards) for one in chosen]
    unreadable = [sentence for table in tables for sentence in table.unreadable]
    is_known = told.errors or told.is_stopped or unreadable
    left = [] if is_known else not_written(before, writers(warehouse, shards), run_ids)
    return RunSummary(
        tables=tables,
        errors=[*told.errors, *unreadable, *left],
        notices=told.notices,
        is_stopped=told.is_stopped,
        bought=_bought(settings, launch),
    )


def _run_range(
    job: dg.JobDefinition, instance: dg.DagsterInstance, tags: Mapping[str, str], options: RunOptions, told: Told
) -> str | None:
    """One run over a range of shards; its id, unless a person stopped it before it could tell."""
    try:
        result = job.execute_in_process(
            instance=instance, tags=tags, run_config=_run_config(options), raise_on_error=False
        )
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as stop:
        told.stopped(str(stop))
        return None
    told.listen(result)
    return result.run_id


def _bought(settings: Settings, launch: str) -> LaunchTotals:
    with LedgerWriter(settings.ledger_url) as writer:
        return writer.call(launch_totals, launch)


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


def require_key(settings: Settings) -> None:
    """Raises SettingsError if there is no key to pay with, or one that cannot be sent, or no way to send it."""
    if not settings.api_keys:
        raise SettingsError(
            "KIE_API_KEY is not set; set it to your key from kie.ai, or try 'banana demo', which needs none."
        )
    for key in settings.api_keys:
        check_key(key)
    environment_proxies(ssl_context())
