"""Runs that were started together share the budget that each of them was given."""

import dagster as dg
import pytest

from banana_pipeline.defs.automation import JOB_NAME
from banana_pipeline.defs.launches import LAUNCH_TAG, launch_of
from banana_pipeline.defs.partitions import range_tags
from banana_pipeline_tests.defs.world import World


@pytest.mark.parametrize(("tags", "launch"), [
    ({}, None),
    ({"dagster/root_run_id": "first"}, "first"),
    ({"dagster/backfill": "monday", "dagster/root_run_id": "first"}, "monday"),
    ({LAUNCH_TAG: "mine", "dagster/backfill": "monday"}, "mine"),
])  # fmt: skip
def test_a_launch_is_the_widest_thing_that_started_a_run(tags: dict[str, str], launch: str | None) -> None:
    assert launch_of(dg.DagsterRun(job_name="generate_images", tags=tags)) == launch


@pytest.mark.parametrize("tag", ["dagster/backfill", "dagster/root_run_id", LAUNCH_TAG])
def test_runs_of_a_backfill_and_runs_tried_again_keep_one_budget(world: World, tag: str) -> None:
    for name in ("boats", "cars"):
        world.add_table(name, [f"{name} 1", f"{name} 2"])
    job = world.definitions().resolve_job_def(JOB_NAME)
    for key in world.register():
        result = job.execute_in_process(
            instance=world.instance,
            tags={**range_tags(key, key), tag: "together"},
            run_config={"ops": {"buy_generations": {"config": {"max_credits": 3 * 18.0}}}},
        )
        assert result.success
    assert len(world.bought) == 3
    failed = [one for one in result.get_asset_check_evaluations() if one.check_name == "spend_is_within_budget"]
    assert [one.passed for one in failed] == [True]
