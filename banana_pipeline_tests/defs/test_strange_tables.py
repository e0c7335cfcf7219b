"""Thirty strange tables among ten good ones: good rows are made, strange tables explained, and none hurts another."""

from pathlib import Path
from urllib.parse import unquote

import pytest
from dagster._core.definitions.observe import observe

from banana_pipeline.defs.prompts import prompt_tables
from banana_pipeline.defs.sensor_tables import prompt_tables_sensor
from banana_pipeline_tests.defs.strange_tables import REFUSED, USABLE, write_all
from banana_pipeline_tests.defs.watch import Watch
from banana_pipeline_tests.defs.world import World

GOOD = {f"good_{number}": [f"good {number}, one", f"good {number}, two"] for number in range(10)}


@pytest.fixture
def crowd(world: World) -> World:
    for name, prompts in GOOD.items():
        world.add_table(name, prompts)
    write_all(world.prompts)
    return world


def _registered(crowd: World) -> set[str]:
    keys = crowd.instance.get_dynamic_partitions("prompt_shards")
    return {unquote(key.rpartition(".")[0]) for key in keys}


def test_the_sensor_starts_every_usable_table_and_explains_the_others(
    crowd: World, capfd: pytest.CaptureFixture[str]
) -> None:
    requests = Watch(sensor=prompt_tables_sensor, world=crowd).requests()
    assert requests
    assert _registered(crowd) >= {*GOOD, *USABLE}
    assert not _registered(crowd) & REFUSED.keys()
    told = capfd.readouterr().err
    assert {name: name in told for name in REFUSED} == dict.fromkeys(REFUSED, True)
    assert "Traceback" not in told


def test_every_good_row_is_made_and_every_page_written(crowd: World, capfd: pytest.CaptureFixture[str]) -> None:
    result = crowd.run()
    told = capfd.readouterr().err
    assert result.success, told
    images = crowd.warehouse.scan("images", ["prompt_table", "archive_error"])
    assert images.problems == ()
    made = images.rows.filter(images.rows["archive_error"].is_null())["prompt_table"].to_pylist()
    assert {name: made.count(name) for name in [*GOOD, *USABLE]} == dict.fromkeys([*GOOD, *USABLE], 2)
    assert Path(crowd.folder, "gallery", "index.html").is_file()
    assert "cannot be shown" not in told
    assert "could not look" not in told
    assert len(crowd.bought) == 2 * len(GOOD) + 2  # all strange tables ask for the same two pictures


def test_observing_the_tables_sees_every_usable_one(crowd: World) -> None:
    assert observe([prompt_tables], instance=crowd.instance, resources={"files": crowd.files}).success
    assert _registered(crowd) >= {*GOOD, *USABLE}
