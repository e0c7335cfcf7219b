"""Tables that are gone or shorter: which of their shards the sensor on the prompts folder keeps, and says so."""

import pytest

from banana_pipeline.defs.sensor_tables import prompt_tables_sensor
from banana_pipeline_tests.defs.watch import Watch
from banana_pipeline_tests.defs.world import World


@pytest.fixture
def watch(world: World) -> Watch:
    return Watch(sensor=prompt_tables_sensor, world=world)


def _shards(watch: Watch) -> list[str]:
    return list(watch.world.instance.get_dynamic_partitions("prompt_shards"))


def test_shards_of_a_table_that_is_gone_and_was_never_run_are_removed(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    watch.world.add_table("cars", ["car"])
    watch.look()
    path.unlink()
    watch.look()
    assert _shards(watch) == ["cars.0000"]


def test_shards_of_a_table_that_is_gone_are_kept_with_their_outputs_and_marked_once(watch: Watch) -> None:
    path = watch.world.add_table("boats", [f"boat {number}" for number in range(5)])
    watch.look()
    watch.world.run()
    path.unlink()
    (event,) = watch.look().asset_events
    assert event.description == (
        "Table 'boats' is not in the prompts folder; 2 of its shards are kept, because they hold outputs."
    )
    assert watch.look().asset_events == []
    assert _shards(watch) == ["boats.0000", "boats.0001"]


def test_shards_beyond_the_end_of_a_shorter_table_are_kept_with_their_outputs(watch: Watch) -> None:
    watch.world.add_table("boats", [f"boat {number}" for number in range(5)])
    watch.look()
    watch.world.run()
    watch.world.add_table("boats", ["boat 0"])
    (event,) = watch.look().asset_events
    assert "Table 'boats' has become shorter; 1 of its shards are kept" in (event.description or "")


def test_shards_beyond_the_end_of_a_shorter_table_that_were_never_run_are_removed(watch: Watch) -> None:
    watch.world.add_table("boats", [f"boat {number}" for number in range(5)])
    watch.look()
    watch.world.add_table("boats", ["boat 0"])
    watch.look()
    assert _shards(watch) == ["boats.0000"]


def test_shards_of_a_table_that_cannot_be_read_now_are_kept(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    watch.look()
    path.write_bytes(b"PAR1 half of it")
    watch.look()
    assert _shards(watch) == ["boats.0000"]


def test_a_folder_that_is_not_mounted_says_nothing_about_its_tables(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.look()
    watch.world.prompts.rename(watch.world.folder / "elsewhere")
    watch.look()
    assert _shards(watch) == ["boats.0000"]


def test_shards_that_a_run_works_on_are_not_removed(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    watch.look()
    watch.started("boats.0000", "boats.0000")
    path.unlink()
    watch.look()
    assert _shards(watch) == ["boats.0000"]


def test_a_partition_that_somebody_else_has_added_is_left_alone(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.instance.add_dynamic_partitions("prompt_shards", ["not ours"])
    watch.look()
    assert "not ours" in _shards(watch)


def test_a_table_taken_away_is_forgotten_and_started_when_it_is_back(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    watch.look()
    path.unlink()
    assert watch.requests() == []
    watch.world.add_table("boats", ["another boat"])
    assert len(watch.requests()) == 1
