"""The job ``generate_images``, run for real on a Dagster instance of its own against the emulator."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.automation import JOB_NAME, prompt_tables_sensor
from banana_pipeline.defs.partitions import contiguous_ranges, range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource, KieResource, LedgerResource
from banana_pipeline.emulator import EmulatorConfig, RunningEmulator

KEY = "a-key-that-must-not-show-4711"


@dataclass(kw_only=True)
class World:
    folder: Path
    emulator: RunningEmulator
    instance: dg.DagsterInstance
    shard_rows: int = 3
    files: FilesResource = field(init=False)

    def __post_init__(self) -> None:
        self.files = FilesResource(
            data_dir=str(self.folder / "data"), prompts_dir=str(self.folder / "prompts"), shard_rows=self.shard_rows
        )
        (self.folder / "prompts").mkdir()

    @property
    def defs(self) -> dg.Definitions:
        kie = KieResource(
            api_keys=KEY, base_url=self.emulator.base_url, upload_base_url=self.emulator.base_url, rate_limit="2000/10s"
        )
        ledger = LedgerResource(url=f"sqlite:///{self.folder}/data/ledger.sqlite")
        return build_defs({"kie": kie, "ledger": ledger, "files": self.files})

    def write(self, name: str, prompts: list[str | None]) -> None:
        pq.write_table(pa.table({"prompt": prompts}), self.folder / "prompts" / f"{name}.parquet")

    def run(self, first: str, last: str) -> dg.ExecuteInProcessResult:
        job = self.defs.resolve_job_def(JOB_NAME)
        return job.execute_in_process(instance=self.instance, tags=range_tags(first, last), raise_on_error=False)

    def materializations(self, asset: str) -> list[dg.AssetMaterialization]:
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
        return [record.asset_materialization for record in reversed(records) if record.asset_materialization]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    home = tmp_path / "dagster"
    home.mkdir()
    config = EmulatorConfig(keys=(KEY,), rate_limit=None, latency_s=(0.05, 0.1), is_drawing=False)
    with RunningEmulator(config) as emulator, dg.DagsterInstance.local_temp(str(home)) as instance:
        yield World(folder=tmp_path, emulator=emulator, instance=instance)


def test_one_run_over_several_shards_reports_each_shard_of_each_asset_once(world: World) -> None:
    world.write("boats", [f"boat {number}" for number in range(7)])
    register_shards(world.instance, ["boats.0000", "boats.0001", "boats.0002"])
    assert world.run("boats.0000", "boats.0002").success
    for asset in ("prompts", "rejected_prompts", "generations", "images"):
        reported = world.materializations(asset)
        assert sorted(str(one.partition) for one in reported) == ["boats.0000", "boats.0001", "boats.0002"], asset
        versions = {(one.tags or {})["dagster/data_version"] for one in reported}
        assert len(versions) == (1 if asset == "rejected_prompts" else 3), asset
    assert len(world.emulator.books.tasks) == 7


def test_the_metadata_of_a_shard_counts_rows_and_money(world: World) -> None:
    world.write("boats", ["a boat", "[fail:policy] a boat", None])
    register_shards(world.instance, ["boats.0000"])
    world.run("boats.0000", "boats.0000")
    metadata = world.materializations("generations")[0].metadata
    shown = {name: metadata[name].value for name in ("rows_succeeded", "rows_failed", "credits", "cost_usd")}
    assert shown == {"rows_succeeded": 1, "rows_failed": 1, "credits": 18.0, "cost_usd": 0.09}
    assert "content policies" in str(metadata["not_succeeded"].value)


def test_materializing_again_buys_nothing_and_keeps_the_data_versions(world: World) -> None:
    world.write("boats", ["one", "two"])
    register_shards(world.instance, ["boats.0000"])
    world.run("boats.0000", "boats.0000")
    world.run("boats.0000", "boats.0000")
    assert len(world.emulator.books.tasks) == 2
    versions = [(one.tags or {})["dagster/data_version"] for one in world.materializations("generations")]
    assert len(versions) == 2
    assert len(set(versions)) == 1


def test_an_unreadable_table_does_not_stop_the_others(world: World) -> None:
    world.write("boats", ["one", "two"])
    (world.folder / "prompts" / "ships.parquet").write_bytes(b"PAR1 half a file")
    register_shards(world.instance, ["boats.0000", "ships.0000"])
    world.run("boats.0000", "ships.0000")
    assert [one.partition for one in world.materializations("images")] == ["boats.0000"]


def test_a_run_without_any_readable_table_fails_with_its_sentence(world: World) -> None:
    (world.folder / "prompts" / "ships.parquet").write_bytes(b"PAR1 half a file")
    register_shards(world.instance, ["ships.0000"])
    result = world.run("ships.0000", "ships.0000")
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert not result.success
    assert failures[0].user_failure_data is not None
    assert "not a complete Parquet file" in (failures[0].user_failure_data.description or "")


def test_the_key_is_nowhere_in_what_dagster_keeps_or_the_outputs(world: World) -> None:
    world.write("boats", ["one", "[fault:lost_answer] two"])
    register_shards(world.instance, ["boats.0000"])
    world.run("boats.0000", "boats.0000")
    assert KEY not in repr(world.defs.resources)
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_lost_answer_fails_the_check_for_open_rows(world: World) -> None:
    world.write("boats", ["one", "[fault:lost_answer] two"])
    register_shards(world.instance, ["boats.0000"])
    result = world.run("boats.0000", "boats.0000")
    verdicts = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert verdicts["every_row_is_terminal"] is False
    assert verdicts["no_request_is_bought_twice"] is True


def sensor_tick(world: World, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=world.instance, cursor=cursor, definitions=world.defs)
    found = prompt_tables_sensor(context, files=world.files)
    assert isinstance(found, dg.SensorResult)
    return found


def test_the_sensor_registers_new_shards_and_asks_for_one_run(world: World) -> None:
    world.write("boats", [f"boat {number}" for number in range(5)])
    found = sensor_tick(world, None)
    assert list(world.instance.get_dynamic_partitions("prompt_shards")) == ["boats.0000", "boats.0001"]
    assert [request.tags["dagster/asset_partition_range_end"] for request in found.run_requests or []] == ["boats.0001"]


def test_the_sensor_asks_again_only_when_the_content_has_changed(world: World) -> None:
    world.write("boats", ["one"])
    first = sensor_tick(world, None)
    (world.folder / "prompts" / "boats.parquet").touch()
    second = sensor_tick(world, first.cursor)
    world.write("boats", ["one", "two"])
    third = sensor_tick(world, second.cursor)
    assert not second.run_requests
    keys = [request.run_key for tick in (first, third) for request in tick.run_requests or []]
    assert len(set(keys)) == 2


def test_a_file_still_being_written_is_told_once_and_taken_when_it_is_complete(world: World) -> None:
    (world.folder / "prompts" / "boats.parquet").write_bytes(b"PAR1 half a file")
    first = sensor_tick(world, None)
    second = sensor_tick(world, first.cursor)
    world.write("boats", ["one"])
    third = sensor_tick(world, second.cursor)
    assert "not a complete Parquet file" in str(first.skip_reason)
    assert "not a complete Parquet file" not in str(second.skip_reason)
    assert len(third.run_requests or []) == 1


def test_the_sensor_is_off_until_somebody_turns_it_on() -> None:
    assert prompt_tables_sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_ranges_hold_exactly_what_is_wanted() -> None:
    keys = ["a", "b", "c", "d", "e"]
    assert contiguous_ranges(["b", "a", "d"], keys) == [("a", "b"), ("d", "d")]
    assert contiguous_ranges([], keys) == []
