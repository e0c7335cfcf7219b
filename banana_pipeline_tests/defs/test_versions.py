"""Data versions: Dagster knows which shards are out of date, and why."""

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# The same resolver that the UI asks; it has no public name.
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.observe import observe
from dagster._core.loader import LoadingContextForTest

from banana_pipeline.defs.prompts import prompt_tables
from banana_pipeline.store.tables import content_version
from banana_pipeline_tests.defs.world import World, tags_of

ASSETS = ("prompts", "rejected_prompts", "generations", "images")


def _statuses(world: World, shard: str) -> dict[str, StaleStatus]:
    graph = world.definitions().resolve_asset_graph()
    loading = LoadingContextForTest(world.instance)
    resolver = CachingStaleStatusResolver(world.instance, graph, loading)
    return {asset: resolver.get_status(dg.AssetKey(asset), shard) for asset in ASSETS}


def _versions(world: World, asset: str, shard: str) -> list[str]:
    return [tags_of(event)["dagster/data_version"] for event in world.events(asset)[shard]]


def _observe(world: World) -> None:
    """As a person does with "Observe" on ``prompt_tables``."""
    assert observe([prompt_tables], instance=world.instance, resources={"files": world.files}).success


@pytest.fixture
def made(world: World) -> World:
    """A table of two shards and another table, all made once."""
    world.add_table("boats", ["boat 1", "boat 2", "boat 3", "boat 4"])
    world.add_table("cars", ["car 1"])
    assert world.run().success
    return world


def test_right_after_a_run_everything_is_up_to_date(made: World) -> None:
    assert _statuses(made, "boats.0000") == dict.fromkeys(ASSETS, StaleStatus.FRESH)


def test_observing_an_unchanged_table_keeps_everything_up_to_date(made: World) -> None:
    _observe(made)
    assert _statuses(made, "boats.0000") == dict.fromkeys(ASSETS, StaleStatus.FRESH)


def test_a_changed_table_makes_its_own_shards_out_of_date(made: World) -> None:
    made.add_table("boats", ["boat 1", "boat 2", "boat 3", "another boat"])
    _observe(made)
    found = _statuses(made, "boats.0001")
    assert {found["prompts"], found["rejected_prompts"]} == {StaleStatus.STALE}
    assert set(_statuses(made, "cars.0000").values()) == {StaleStatus.FRESH}


def test_prompts_read_again_make_generations_out_of_date(made: World) -> None:
    made.add_table("boats", ["boat 1", "boat 2", "boat 3", "another boat"])
    made.run(assets=["prompts", "rejected_prompts"])
    found = _statuses(made, "boats.0001")
    assert (found["prompts"], found["generations"]) == (StaleStatus.FRESH, StaleStatus.STALE)


def test_observing_registers_the_shards_of_a_new_table(world: World) -> None:
    world.add_table("trains", ["one", "two", "three", "four"])
    _observe(world)
    assert list(world.instance.get_dynamic_partitions("prompt_shards")) == ["trains.0000", "trains.0001"]


def test_data_versions_stay_the_same_when_nothing_has_changed(made: World) -> None:
    made.run()
    for asset in ASSETS:
        before, after = _versions(made, asset, "boats.0000")
        assert before == after


def test_only_the_version_of_the_shard_with_the_changed_row_is_new(made: World) -> None:
    pq.write_table(pa.table({"prompt": ["boat 1", "boat 2", "boat 3", "another boat"]}), made.prompts / "boats.parquet")
    made.run()
    pictures = {
        shard: made.warehouse.read("images", next(one for one in made.warehouse.shards("images") if one.key == shard))
        for shard in ("boats.0000", "boats.0001")
    }
    assert pictures["boats.0001"]["prompt"].to_pylist() == ["another boat"]
    before, after = _versions(made, "images", "boats.0001")
    assert before != after


def test_each_output_names_the_version_of_its_input(made: World) -> None:
    for asset, source in (("generations", "prompts"), ("images", "generations")):
        event = made.events(asset)["boats.0001"][-1]
        (version,) = _versions(made, source, "boats.0001")
        assert tags_of(event)[f"dagster/input_data_version/{source}"] == version


def test_prompts_name_the_content_hash_of_their_table(made: World) -> None:
    event = made.events("prompts")["boats.0001"][-1]
    version = content_version(made.files.open_table("boats"))
    assert tags_of(event)["dagster/input_data_version/prompt_tables"] == version
