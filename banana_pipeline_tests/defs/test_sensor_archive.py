"""The sensor for pictures that are not archived: what it starts a run for, and that such a run costs no credits."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from banana_pipeline.core.shards import parse_key
from banana_pipeline.defs.sensor_archive import unarchived_images_sensor
from banana_pipeline_tests.defs.watch import Watch, range_of
from banana_pipeline_tests.defs.world import World


def age(world: World, shard_key: str, hours: float) -> None:
    """As if the pictures of a shard had been made so long ago."""
    shard = parse_key(shard_key)
    table = world.warehouse.read("generations", shard)
    position = table.column_names.index("completed_at")
    at = [value and datetime.now(UTC) - timedelta(hours=hours) for value in table["completed_at"].to_pylist()]
    column = pa.array(at, table.field(position).type)
    images = world.warehouse.path("images", shard)
    before = images.stat() if images.is_file() else None
    world.warehouse.write("generations", shard, table.set_column(position, table.field(position), column), {})
    if before is not None:  # the pictures were looked for after the rows were written
        os.utime(str(images))


@pytest.fixture
def watch(world: World) -> Watch:
    return Watch(sensor=unarchived_images_sensor, world=world)


@pytest.fixture
def unarchived(watch: Watch) -> Watch:
    """Three shards of pictures that were made two hours ago and never downloaded."""
    watch.world.add_table("boats", [f"boat {number}" for number in range(8)])
    watch.world.run(assets=["prompts", "rejected_prompts", "generations"])
    for shard in ("boats.0000", "boats.0001", "boats.0002"):
        age(watch.world, shard, hours=2)
    return watch


def test_it_is_off_until_a_person_turns_it_on() -> None:
    assert unarchived_images_sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_it_says_that_turning_it_on_costs_no_credits() -> None:
    assert "costs no credits" in (unarchived_images_sensor.description or "")


def test_pictures_that_were_never_downloaded_are_one_run_of_images_alone(unarchived: Watch) -> None:
    (request,) = unarchived.requests()
    assert range_of(request) == ("boats.0000", "boats.0002")
    assert request.asset_selection == [dg.AssetKey("images")]


def test_the_run_it_asks_for_archives_everything_and_ends_its_work(unarchived: Watch) -> None:
    ((first, last),) = unarchived.ranges()
    assert unarchived.world.run(first, last, assets=["images"]).success
    assert unarchived.world.warehouse.dataset("images").count_rows() == 8
    assert "every picture is archived" in unarchived.reason()


def test_pictures_of_this_minute_are_left_alone(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run(assets=["prompts", "rejected_prompts", "generations"])
    assert watch.requests() == []


def test_archived_pictures_are_left_alone(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat", "boat [fail:policy]"])
    watch.world.run()
    age(watch.world, "boats.0000", hours=2)
    assert watch.requests() == []


def test_archived_pictures_whose_rows_were_written_again_are_left_alone(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.run()
    watch.world.run(assets=["generations"])
    age(watch.world, "boats.0000", hours=2)
    assert watch.requests() == []


def test_a_picture_whose_download_failed_is_tried_again(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat 1", "boat 2"])
    watch.world.run()
    table = watch.world.warehouse.read("images", parse_key("boats.0000"))
    for name, values in (("archive_error", ["HTTP 500", None]), ("image_path", [None, "picture.png"])):
        position = table.column_names.index(name)
        table = table.set_column(position, table.field(position), pa.array(values, table.field(position).type))
    age(watch.world, "boats.0000", hours=2)
    watch.world.warehouse.write("images", parse_key("boats.0000"), table, {})
    assert watch.ranges() == [("boats.0000", "boats.0000")]


def test_what_was_just_asked_for_is_not_asked_for_again(unarchived: Watch) -> None:
    unarchived.look()
    assert unarchived.requests() == []


def test_shards_that_a_run_works_on_are_left_alone(unarchived: Watch) -> None:
    unarchived.started("boats.0001", "boats.0001")
    assert unarchived.ranges() == [("boats.0000", "boats.0000"), ("boats.0002", "boats.0002")]


def test_a_damaged_output_does_not_stop_the_others(unarchived: Watch) -> None:
    unarchived.world.warehouse.path("generations", parse_key("boats.0000")).write_bytes(b"PAR1 half of it")
    assert unarchived.ranges() == [("boats.0001", "boats.0002")]


def test_it_needs_no_ledger(unarchived: Watch) -> None:
    with sqlite3.connect(unarchived.world.folder / "ledger.sqlite") as connection:
        connection.execute("DROP TABLE attempts")
    connection.close()
    assert len(unarchived.requests()) == 1
