"""Schedules: what a person would start every day.

Lives here: when, and over which shards. Does not live here: which rows may be retried (``store.shard_states``,
``core.decisions``), the assets.
"""

import dagster as dg

from banana_pipeline.defs.automation import generate_images
from banana_pipeline.defs.resources import FilesResource, KieResource
from banana_pipeline.defs.sensor_runs import ask_for_runs
from banana_pipeline.store.schemas import GENERATIONS, IMAGES
from banana_pipeline.store.shard_states import states_of

_LOOK_S = 40.0

daily_report = dg.define_asset_job(
    "daily_report",
    # By name, so that it also loads where there is no gallery.
    selection=dg.AssetSelection.from_string('key:"generation_report" or key:"gallery"'),
    description="The report and the gallery over everything there is. Costs nothing.",
)

daily_report_schedule = dg.ScheduleDefinition(
    name="daily_report_schedule",
    job=daily_report,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Makes the report and the gallery at six in the morning (UTC). Turning it on costs nothing.",
)


@dg.schedule(
    job=generate_images,
    cron_schedule="0 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        "Every six hours tries again what was not sent, and what failed for a reason that may have passed. Turning it "
        "on spends money without asking, also for rows that a budget has left out: set BANANA_MAX_CREDITS_PER_DAY."
    ),
)
def retry_schedule(
    context: dg.ScheduleEvaluationContext, files: FilesResource, kie: KieResource
) -> list[dg.RunRequest] | dg.SkipReason:
    look = states_of(files.data_dir, kie.max_attempts).look(budget_s=_LOOK_S)
    if look.unseen:
        context.log.info(f"{look.unseen:,} shards could not be looked into in time; the next look goes on.")
    at = context.scheduled_execution_time.isoformat()
    reasons = {shard.key: f"{state.retryable} rows at {at}" for shard, state in look.states.items() if state.retryable}
    asked = ask_for_runs(context.instance, reasons, started_by="retry", assets=[GENERATIONS, IMAGES])
    return asked.requests or dg.SkipReason(
        "nothing may be retried" if not reasons else "runs work on all that may be retried"
    )
