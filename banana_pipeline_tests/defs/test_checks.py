"""Asset checks pass and fail for the right reasons: outputs of real runs, spoilt where no run spoils them."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from banana_pipeline.core.requests import account_name
from banana_pipeline.core.shards import parse_key
from banana_pipeline.defs.checks import (
    credits_are_left,
    every_picture_is_archived,
    no_task_is_named_twice,
    pixel_sizes_are_as_asked,
)
from banana_pipeline.defs.resources import AlertsResource
from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline_tests.defs.conftest import NewWorld
from banana_pipeline_tests.defs.world import World

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def _verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def _failed(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckSeverity]:
    return {name: one.severity for name, one in _verdicts(result).items() if not one.passed}


def _spoil(world: World, asset: str, column: str, values: list) -> None:
    """Write other values into one column of the only shard."""
    shard = parse_key("boats.0000")
    table = world.warehouse.read(asset, shard)
    position = table.column_names.index(column)
    spoilt = table.set_column(position, table.field(position), pa.array(values, table.field(position).type))
    world.warehouse.write(asset, shard, spoilt, {})


@pytest.fixture
def made(world: World) -> World:
    world.add_table("boats", ["boat 1", "boat 2"])
    assert _failed(world.run()) == {}
    return world


def test_every_check_runs_with_the_job(world: World) -> None:
    world.add_table("boats", ["boat"])
    assert sorted(_verdicts(world.run())) == [
        "credits_are_left",
        "every_picture_is_archived",
        "every_row_is_terminal",
        "no_order_is_unconfirmed",
        "no_request_is_bought_twice",
        "no_task_is_named_twice",
        "pixel_sizes_are_as_asked",
        "spend_is_within_budget",
        "success_rate_is_high",
    ]


def test_a_low_success_rate_is_a_warning(world: World) -> None:
    world.add_table("boats", ["boat", "boat [fail:policy]"])
    result = world.run()
    assert _failed(result) == {"success_rate_is_high": WARN}
    assert _verdicts(result)["success_rate_is_high"].metadata["success_rate"].value == 0.5


def test_one_failure_in_ten_is_still_high(world: World) -> None:
    world.add_table("boats", [*(f"boat {number}" for number in range(9)), "boat [fail:policy]"])
    assert _failed(world.run()) == {}


def test_a_lost_answer_is_an_error_until_a_person_decides(world: World) -> None:
    world.add_table("boats", ["boat", "boat [fault:lost_answer]"])
    result = world.run()
    assert _failed(result) == {"every_row_is_terminal": WARN, "no_order_is_unconfirmed": ERROR}
    assert "&#91;fault:lost&#95;answer&#93;" in str(_verdicts(result)["no_order_is_unconfirmed"].metadata["rows"].value)


def test_a_run_over_its_budget_leaves_open_rows(world: World) -> None:
    world.add_table("boats", ["boat 1", "boat 2"])
    result = world.run(ops={"buy_generations": {"max_credits": 20.0}})
    assert _failed(result) == {"every_row_is_terminal": WARN}
    verdict = _verdicts(result)["every_row_is_terminal"]
    assert "Materialize 'generations' again" in (verdict.description or "")
    assert verdict.metadata["rows_open"].value == verdict.metadata["rows_not_submitted"].value == 1
    assert "budget" in str(verdict.metadata["reasons"].value)
    assert "boats.0000 | 1" in str(verdict.metadata["shards"].value)


def test_what_a_run_has_spent_stands_beside_its_budget(world: World) -> None:
    world.add_table("boats", ["boat 1", "boat 2"])
    verdict = _verdicts(world.run(ops={"buy_generations": {"max_credits": 20.0}}))["spend_is_within_budget"]
    assert verdict.passed
    assert [verdict.metadata[name].value for name in ("run_credits", "run_budget_credits")] == [18.0, 20.0]


def test_a_service_that_charges_more_than_its_price_breaks_the_budget(new_world: NewWorld) -> None:
    prices = {"1K": 30.0}
    with RunningEmulator(EmulatorConfig(latency_s=(0.02, 0.1), is_drawing=False, prices_credits=prices)) as dear:
        world = new_world(emulator=dear)
        world.add_table("boats", ["boat 1"])
        assert _failed(world.run(ops={"buy_generations": {"max_credits": 20.0}})) == {"spend_is_within_budget": ERROR}


def test_an_account_that_can_buy_no_more_is_a_warning_with_its_balance(new_world: NewWorld) -> None:
    with RunningEmulator(EmulatorConfig(latency_s=(0.02, 0.1), is_drawing=False, opening_credits=30.0)) as poor:
        world = new_world(emulator=poor)
        world.add_table("boats", ["boat 1"])
        result = world.run()
    assert _failed(result) == {"credits_are_left": WARN}
    told = _verdicts(result)["credits_are_left"].metadata
    assert (told["least_credits"].value, told[f"credits_of_{account_name(world.key)}"].value) == (18.0, 12.0)


def test_a_key_that_is_not_accepted_is_told(new_world: NewWorld) -> None:
    with RunningEmulator(EmulatorConfig(latency_s=(0.02, 0.1), is_drawing=False, keys=("another",))) as strange:
        world = new_world(emulator=strange)
        verdict = credits_are_left(world.kie, AlertsResource())
    assert (verdict.passed, verdict.severity) == (False, WARN)
    assert f"refused_{account_name(world.key)}" in verdict.metadata


def test_two_requests_with_one_task_are_an_error(made: World) -> None:
    _spoil(made, "generations", "task_id", ["same", "same"])
    verdict = no_task_is_named_twice(made.files)
    assert (verdict.passed, verdict.severity) == (False, ERROR)


def test_two_rows_that_share_one_purchase_are_well(world: World) -> None:
    world.add_table("boats", ["the same boat", "the same boat"])
    assert _failed(world.run()) == {}
    assert len(world.bought) == 1


def test_a_picture_that_could_not_be_fetched_is_a_warning(made: World) -> None:
    _spoil(made, "images", "archive_error", [None, "KIE answers 404"])
    _spoil(made, "images", "image_path", ["picture.png", None])
    verdict = every_picture_is_archived(made.files)
    assert (verdict.passed, verdict.severity) == (False, WARN)


def test_a_picture_missing_for_20_hours_is_an_error(made: World) -> None:
    _spoil(made, "images", "archive_error", [None, "KIE answers 404"])
    _spoil(made, "images", "image_path", ["picture.png", None])
    _spoil(made, "images", "completed_at", [datetime.now(UTC) - timedelta(hours=21)] * 2)
    verdict = every_picture_is_archived(made.files)
    assert (verdict.passed, verdict.severity) == (False, ERROR)


def test_a_success_that_images_does_not_know_counts_as_missing(made: World) -> None:
    assert made.warehouse.remove("images", parse_key("boats.0000"))
    verdict = every_picture_is_archived(made.files)
    assert not verdict.passed
    assert verdict.metadata["pictures_missing"].value == 2


def test_a_picture_of_another_size_is_a_warning(made: World) -> None:
    _spoil(made, "images", "width_px", [1024, 512])
    verdict = pixel_sizes_are_as_asked(made.files)
    assert (verdict.passed, verdict.severity) == (False, WARN)
    assert verdict.metadata["pictures_of_other_size"].value == 1


def test_before_anything_was_made_all_checks_of_the_outputs_pass(world: World) -> None:
    for check in (every_picture_is_archived, no_task_is_named_twice, pixel_sizes_are_as_asked):
        assert check(world.files).passed
