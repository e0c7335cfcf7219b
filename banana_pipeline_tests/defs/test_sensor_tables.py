"""The sensor on the prompts folder: what it starts a run for, and what it leaves alone."""

import os
from itertools import pairwise

import dagster as dg
import pytest

from banana_pipeline.defs.sensor_tables import prompt_tables_sensor
from banana_pipeline_tests.defs.watch import Watch
from banana_pipeline_tests.defs.world import World


@pytest.fixture
def watch(world: World) -> Watch:
    return Watch(sensor=prompt_tables_sensor, world=world)


def test_it_is_off_until_a_person_turns_it_on() -> None:
    assert prompt_tables_sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_it_says_that_turning_it_on_spends_money() -> None:
    assert "bought without asking" in (prompt_tables_sensor.description or "")


def test_a_new_table_is_registered_and_started_as_one_range(watch: Watch) -> None:
    watch.world.add_table("boats", [f"boat {number}" for number in range(8)])
    assert watch.ranges() == [("boats.0000", "boats.0002")]
    assert list(watch.world.instance.get_dynamic_partitions("prompt_shards")) == [
        "boats.0000",
        "boats.0001",
        "boats.0002",
    ]


def test_a_request_names_its_tables(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    (request,) = watch.requests()
    assert request.tags["banana/prompt_tables"] == "boats"


def test_a_table_that_grew_is_started_in_as_many_ranges_as_needed(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.world.add_table("cars", ["car"])
    watch.look()
    watch.world.add_table("boats", [f"boat {number}" for number in range(6)])
    assert watch.ranges() == [("boats.0000", "boats.0000"), ("boats.0001", "boats.0001")]


def test_nothing_new_is_nothing_to_do(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.look()
    assert watch.reason() == "no new or changed prompt tables"


def test_a_touched_file_with_the_same_content_is_left_alone(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    watch.look()
    os.utime(path, ns=(1, 1))
    assert watch.requests() == []


def test_changed_content_has_a_new_run_key(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    first = watch.run_keys()
    watch.world.add_table("boats", ["another boat"])
    second = watch.run_keys()
    assert len({*first, *second}) == 2


def test_content_that_comes_back_is_started_again(watch: Watch) -> None:
    keys = []
    for prompt in ("boat", "another boat", "boat", "another boat"):
        watch.world.add_table("boats", [prompt])
        keys += watch.run_keys()
    assert len(set(keys)) == 4


def test_a_look_whose_memory_was_lost_asks_for_the_same_runs(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    first = watch.run_keys()
    watch.cursor = None
    assert watch.run_keys() == first


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"boats": ["1:2", "abc"]}', '{"boats": {"other": 1}}'])
def test_a_memory_it_cannot_read_is_forgotten(watch: Watch, cursor: str) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.cursor = cursor
    assert len(watch.requests()) == 1


def test_a_half_written_file_is_told_once(watch: Watch) -> None:
    watch.world.prompts.mkdir()
    (watch.world.prompts / "half.parquet").write_bytes(b"PAR1 half of it")
    assert "not a complete Parquet file" in watch.reason()
    assert watch.reason() == "no new or changed prompt tables"


def test_a_half_written_file_is_picked_up_when_it_is_complete(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert watch.requests() == []
    path.write_bytes(whole)
    assert watch.ranges() == [("boats.0000", "boats.0000")]


def test_a_half_written_file_does_not_stop_the_others(watch: Watch) -> None:
    watch.world.add_table("a", ["one"])
    (watch.world.prompts / "b.parquet").write_bytes(b"PAR1 half of it")
    watch.world.add_table("c", ["three"])
    assert watch.ranges() == [("a.0000", "c.0000")]


def test_a_damaged_table_that_is_whole_again_unchanged_is_left_alone(watch: Watch) -> None:
    path = watch.world.add_table("boats", ["boat"])
    whole = path.read_bytes()
    watch.look()
    path.write_bytes(b"PAR1 half of it")
    watch.look()
    path.write_bytes(whole)
    assert watch.requests() == []


def test_a_folder_of_parts_is_one_table_and_notices_a_new_part(watch: Watch) -> None:
    part = watch.world.add_table("part-0", ["one"])
    folder = watch.world.prompts / "boats"
    folder.mkdir()
    part.rename(folder / "part-0.parquet")
    assert watch.ranges() == [("boats.0000", "boats.0000")]
    watch.world.add_table("part-1", ["two", "three", "four"]).rename(folder / "part-1.parquet")
    assert watch.ranges() == [("boats.0000", "boats.0001")]


def test_forty_tables_at_once_are_one_run(watch: Watch) -> None:
    for number in range(40):
        watch.world.add_table(f"table {number:02}", ["one", "two"])
    assert watch.ranges() == [("table%2000.0000", "table%2039.0000")]
    assert len(watch.world.instance.get_dynamic_partitions("prompt_shards")) == 40


def test_names_with_spaces_and_letters_of_any_language_are_safe_keys(watch: Watch) -> None:
    for name in ("été 2026", "雨の日", "a.b", "50%"):
        watch.world.add_table(name, ["one"])
    watch.look()
    keys = watch.world.instance.get_dynamic_partitions("prompt_shards")
    assert len(keys) == 4
    assert all(key.isascii() and not set(key) & set(" /\\\n,") for key in keys)


def test_a_folder_that_is_not_there_is_nothing_to_do(watch: Watch) -> None:
    assert watch.reason() == "no new or changed prompt tables"


def test_what_it_asks_for_is_what_the_job_runs(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat 1", "boat 2", "boat 3", "boat 4"])
    ((first, last),) = watch.ranges()
    assert watch.world.run(first, last).success
    assert sorted(watch.world.events("images")) == ["boats.0000", "boats.0001"]


def test_shards_keep_their_order_of_arrival(watch: Watch) -> None:
    for name in ("cars", "boats"):
        watch.world.add_table(name, ["one"])
        watch.look()
    keys = watch.world.instance.get_dynamic_partitions("prompt_shards")
    assert list(pairwise(keys)) == [("cars.0000", "boats.0000")]


def test_forty_tables_at_once_with_a_half_written_one_among_them_are_all_run_but_that_one(watch: Watch) -> None:
    for number in range(40):
        watch.world.add_table(f"t{number:02}", [f"boat of table {number}"])
    half = watch.world.prompts / "t20.parquet"
    half.write_bytes(half.read_bytes()[:-10])
    ((first, last),) = watch.ranges()
    assert watch.world.run(first, last).success
    assert sorted(watch.world.events("images")) == [f"t{number:02}.0000" for number in range(40) if number != 20]


def test_a_table_replaced_while_a_run_works_on_it_waits_for_the_end_of_that_run(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.look()
    run = watch.started("boats.0000", "boats.0000")
    watch.world.add_table("boats", ["another boat"])
    assert f"it is started when run {run.run_id[:8]} has ended" in watch.reason()
    watch.world.instance.report_run_failed(run)
    assert watch.ranges() == [("boats.0000", "boats.0000")]


def test_a_run_on_another_table_is_not_waited_for(watch: Watch) -> None:
    watch.world.add_table("boats", ["boat"])
    watch.look()
    watch.started("boats.0000", "boats.0000")
    watch.world.add_table("cars", ["car"])
    assert watch.ranges() == [("cars.0000", "cars.0000")]


def test_more_ranges_than_one_look_asks_for_are_asked_for_by_the_next(watch: Watch) -> None:
    names = [f"t{number:02}" for number in range(60)]
    for name in names:
        watch.world.add_table(name, ["boat"])
    watch.look()
    for name in names[::2]:
        watch.world.add_table(name, ["another boat"])
    looks = [watch.ranges() for _ in range(3)]
    assert [len(ranges) for ranges in looks] == [25, 5, 0]
    assert sorted(first for ranges in looks for first, _ in ranges) == [f"{name}.0000" for name in names[::2]]
