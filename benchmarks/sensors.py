"""Seconds that each sensor takes for one look at 1,000 tables and 25,000 shards: the first look, and later ones.

Everything is real but the rows: a data folder with an output file for every shard, a ledger with open orders, a Dagster
instance in files. Sensors run in this process, as they do in Dagster's code server.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.automation_tick_evaluation_context import AutomationTickEvaluationContext
from upath import UPath

from banana_pipeline.core.requests import account_name
from banana_pipeline.core.shards import Shard
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.partitions import register_shards
from banana_pipeline.defs.resources import AlertsResource, FilesResource, KieResource, LedgerResource
from banana_pipeline.defs.schedules import retry_schedule
from banana_pipeline.defs.sensor_alerts import alerts_sensor
from banana_pipeline.defs.sensor_archive import unarchived_images_sensor
from banana_pipeline.defs.sensor_tables import prompt_tables_sensor
from banana_pipeline.defs.sensor_unfinished import unfinished_generations_sensor
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline.store.ledger_schema import attempts
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, contract_schema

TABLES, SHARDS, SHARD_ROWS = 1_000, 25, 20
ORDERS = 100_000
KEY = "sk-benchmark-of-the-sensors"


def main() -> None:
    """Build the world, look with each sensor three times, print the seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_tables(folder)
        _write_outputs(folder)
        _write_ledger(folder)
        (folder / "dagster_home").mkdir()
        with dg.DagsterInstance.local_temp(str(folder / "dagster_home")) as instance:
            print(f"{'following_sensor':32} {_following(folder, instance)}")
            for sensor, look in _looks(folder, instance).items():
                seconds = [_timed(look) for _ in range(4)]
                print(f"{sensor:32} first {seconds[0]:6.2f} s, then {', '.join(f'{one:.2f}' for one in seconds[1:])} s")


def _timed(work: Callable[[], object]) -> float:
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s


def _looks(folder: Path, instance: dg.DagsterInstance) -> dict[str, Callable[[], object]]:
    files = FilesResource(data_dir=str(folder), prompts_dir=str(folder / "prompts"), shard_rows=SHARD_ROWS)
    ledger = LedgerResource(url=f"sqlite:///{folder}/ledger.sqlite")
    kie = KieResource(api_keys=KEY, base_url="http://127.0.0.1:1", upload_base_url="http://127.0.0.1:1")
    keyless = KieResource(api_keys="", base_url="http://127.0.0.1:1", upload_base_url="http://127.0.0.1:1")
    # Nothing is posted: there is no cause in this world, and no balance is asked for.
    alerts = AlertsResource(webhook_url="http://127.0.0.1:1/")
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return {
        "prompt_tables_sensor": _remembering(prompt_tables_sensor, instance, files=files),
        "unfinished_generations_sensor": _remembering(
            unfinished_generations_sensor, instance, files=files, ledger=ledger, kie=kie
        ),
        "unarchived_images_sensor": _remembering(unarchived_images_sensor, instance, files=files, kie=kie),
        "alerts_sensor": _remembering(alerts_sensor, instance, files=files, ledger=ledger, kie=keyless, alerts=alerts),
        "retry_schedule": lambda: retry_schedule(
            dg.build_schedule_context(instance=instance, scheduled_execution_time=at), files=files, kie=kie
        ),
    }


def _remembering(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, **resources: object
) -> Callable[[], object]:
    cursors: list[str | None] = [None]

    def look() -> None:
        result = sensor(dg.build_sensor_context(instance=instance, cursor=cursors[-1]), **resources)
        assert isinstance(result, dg.SensorResult)
        cursors.append(result.cursor)

    return look


def _following(folder: Path, instance: dg.DagsterInstance) -> str:
    os.environ["BANANA_DATA_DIR"] = str(folder)
    graph, cursor, seconds = build_defs().resolve_asset_graph(), AssetDaemonCursor.empty(), []
    shards = [Shard(table=_table(number), index=index) for number in range(TABLES) for index in range(SHARDS)]
    register_shards(instance, [shard.key for shard in shards])
    for number in range(4):
        started_s = time.monotonic()
        # What the daemon does in one look.
        tick = AutomationTickEvaluationContext(
            evaluation_id=number,
            instance=instance,
            asset_graph=graph,
            cursor=cursor,
            materialize_run_tags={},
            observe_run_tags={},
            auto_observe_asset_keys=set(),
            asset_selection=dg.AssetSelection.all(),
            logger=logging.getLogger(__name__),
            emit_backfills=True,
        )
        _, cursor, _ = tick.evaluate()
        seconds.append(time.monotonic() - started_s)
    return f"first {seconds[0]:6.2f} s, then {', '.join(f'{one:.2f}' for one in seconds[1:])} s"


def _table(number: int) -> str:
    return f"table_{number:04}"


def _write_tables(folder: Path) -> None:
    (folder / "prompts").mkdir()
    for number in range(TABLES):
        prompts = [f"a red boat, {number} of {row}" for row in range(SHARDS * SHARD_ROWS)]
        pq.write_table(pa.table({"prompt": prompts}), folder / "prompts" / f"{_table(number)}.parquet")


def _write_outputs(folder: Path) -> None:
    """One real file of each output, and a copy of it for every other shard."""
    warehouse, at = Warehouse(UPath(folder)), datetime.now(UTC) - timedelta(hours=1)
    first = Shard(table=_table(0), index=0)
    for asset in (PROMPTS, GENERATIONS, IMAGES):
        rows = [
            {"status": "succeeded", "completed_at": at, "attempt_id": f"{row:032}", "prompt": "a red boat"}
            for row in range(SHARD_ROWS)
        ]
        warehouse.write(asset, first, pa.Table.from_pylist(rows, schema=contract_schema(asset)))
        source = Path(warehouse.path(asset, first).path)
        for number in range(TABLES):
            target = source.parent.parent / f"source={_table(number)}"
            target.mkdir(exist_ok=True)
            for index in range(SHARDS):
                if (number, index) != (0, 0):
                    shutil.copy(source, target / f"{index:04}.parquet")


def _write_ledger(folder: Path) -> None:
    """Open orders of a run that is over, spread over half of the tables."""
    at = datetime.now(UTC) - timedelta(hours=1)
    common = {
        "service": "127.0.0.1",
        "account": account_name(KEY),
        "number": 1,
        "state": "submitted",
        "price_credits": 18.0,
        "resolution": "1K",
        "run_id": "a run that is over",
        "table_version": "",
        "input_json": "{}",
        "result_urls": "[]",
        "claimed_at": at,
        "claim_expires_at": at,
        "submitted_at": at,
        "updated_at": at,
        "owner": 1,
    }
    rows = [
        {
            **common,
            "attempt_id": f"{number:032}",
            "request_id": f"{number:032}",
            "task_id": f"task-{number}",
            "prompt_table": _table(2 * (number % (TABLES // 2))),
            "row_number": (number // (TABLES // 2)) % (SHARDS * SHARD_ROWS),
        }
        for number in range(ORDERS)
    ]
    engine = open_engine(f"sqlite:///{folder}/ledger.sqlite")
    with engine.begin() as connection:
        connection.execute(sa.insert(attempts), rows)
    engine.dispose()
