"""Schedules and what follows by itself: what they start, and what they leave alone."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from banana_pipeline.commands.run import _INSTANCE_SETTINGS
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.partitions import RANGE_END_TAG, RANGE_START_TAG
from banana_pipeline.defs.schedules import daily_report_schedule, retry_schedule
from banana_pipeline.defs.sensor_following import following_sensor
from banana_pipeline_tests.defs.conftest import NewWorld
from banana_pipeline_tests.defs.test_definitions import ROOT
from banana_pipeline_tests.defs.world import World

MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def kept(new_world: NewWorld, tmp_path: Path) -> Iterator[World]:
    """A world whose instance is kept in files: schedules open it anew."""
    home = tmp_path / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}}) as instance:
        yield new_world(instance=instance)


def _retries(world: World) -> Sequence[dg.RunRequest]:
    context = dg.build_schedule_context(instance=world.instance, scheduled_execution_time=MIDNIGHT)
    with context:
        asked = retry_schedule(context, files=world.files, kie=world.kie)
    return asked if isinstance(asked, list) else []


def test_every_schedule_and_sensor_is_off_until_a_person_turns_it_on() -> None:
    definitions = build_defs()
    assert {one.default_status for one in definitions.schedules or []} == {dg.DefaultScheduleStatus.STOPPED}
    assert {one.default_status for one in definitions.sensors or []} == {dg.DefaultSensorStatus.STOPPED}


def test_every_schedule_and_sensor_says_what_turning_it_on_means() -> None:
    definitions = build_defs()
    every = [*(definitions.schedules or []), *(definitions.sensors or [])]
    assert [one.name for one in every if "urning it on" not in (one.description or "")] == []


def test_retrying_says_that_it_spends_money() -> None:
    assert "spends money without asking" in (retry_schedule.description or "")


def test_rows_that_a_budget_left_out_are_tried_again(kept: World) -> None:
    kept.add_table("boats", [f"boat {number}" for number in range(6)])
    kept.run(ops={"buy_generations": {"max_credits": 60}})
    (request,) = _retries(kept)
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("boats.0001", "boats.0001")


def test_the_run_it_asks_for_buys_what_was_left_out(kept: World) -> None:
    kept.add_table("boats", ["boat 1", "boat 2"])
    kept.run(ops={"buy_generations": {"max_credits": 20}})
    (request,) = _retries(kept)
    assets = [key.to_user_string() for key in request.asset_selection or []]
    assert kept.run(request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG], assets=assets).success
    assert kept.warehouse.dataset("images").count_rows() == 2


def test_rows_that_failed_for_a_passing_reason_are_tried_again(kept: World) -> None:
    kept.add_table("boats", ["boat [fail:internal:1]"])
    kept.run(ops={"buy_generations": {"retry_failed": False}})
    assert len(_retries(kept)) == 1


@pytest.mark.parametrize("prompt", ["boat", "boat [fail:policy]", "boat [fail:internal]", "boat [fault:lost_answer]"])
def test_rows_that_are_done_refused_exhausted_or_unconfirmed_are_left_alone(kept: World, prompt: str) -> None:
    kept.add_table("boats", [prompt])
    kept.run()
    assert _retries(kept) == []


def test_a_run_that_retries_nothing_buys_no_second_task(world: World) -> None:
    world.add_table("boats", ["boat [fail:internal:1]"])
    world.run(ops={"buy_generations": {"retry_failed": False}})
    row = world.warehouse.dataset("generations").to_table(columns=["status", "status_reason"]).to_pylist()[0]
    assert row["status"] == "failed"
    assert "this run does not retry failed tasks" in row["status_reason"]
    assert len(world.bought) == 1


def test_the_daily_report_costs_nothing_and_makes_report_and_gallery() -> None:
    definitions = build_defs()
    made = {
        key.to_user_string() for key in definitions.resolve_job_def("daily_report").asset_layer.executable_asset_keys
    }
    assert made == {"generation_report", "gallery"}
    assert "costs nothing" in (daily_report_schedule.description or "")


# What follows


def _followed(
    world: World, definitions: dg.Definitions, cursor: object = None
) -> tuple[dict[str, set[str | None]], object]:
    """What would be made now. The definitions are built before anything runs: Dagster reads what is built later with a
    run's own instance, which is gone after the run."""
    result = dg.evaluate_automation_conditions(definitions, world.instance, cursor=cursor)
    names = [one.key.to_user_string() for one in result.results]
    asked = {name: result.get_requested_partitions(dg.AssetKey(name)) for name in names}
    asked = {name: found for name, found in asked.items() if found}
    return asked, result.cursor


def test_new_generations_are_followed_by_images_of_their_shards_report_and_gallery(world: World) -> None:
    world.add_table("boats", [f"boat {number}" for number in range(6)])
    world.register()
    definitions = world.definitions()
    _, cursor = _followed(world, definitions)
    world.run("boats.0001", assets=["prompts", "rejected_prompts", "generations"])
    asked, _ = _followed(world, definitions, cursor)
    assert asked == {"images": {"boats.0001"}, "generation_report": {None}, "gallery": {None}}


def test_images_made_in_the_same_run_are_not_made_again(world: World) -> None:
    world.add_table("boats", ["boat"])
    world.register()
    definitions = world.definitions()
    _, cursor = _followed(world, definitions)
    world.run(assets=["prompts", "rejected_prompts", "generations", "images"])
    asked, _ = _followed(world, definitions, cursor)
    assert "images" not in asked


def test_nothing_new_is_followed_by_nothing(world: World) -> None:
    world.add_table("boats", ["boat"])
    definitions = world.definitions()
    definitions.get_repository_def()
    world.run()
    _, cursor = _followed(world, definitions)
    assert _followed(world, definitions, cursor)[0] == {}


def test_what_follows_costs_no_credits() -> None:
    assert "costs no credits" in (following_sensor.description or "")


def test_the_instance_of_a_data_folder_is_the_one_that_is_explained() -> None:
    assert yaml.safe_load(_INSTANCE_SETTINGS) == yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
