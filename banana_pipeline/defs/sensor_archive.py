"""The sensor for pictures that KIE has and the archive has not.

Lives here: which shards miss pictures, and asking for runs of ``images`` alone. Does not live here: looking into output
files (``store.shard_states``), downloading (``archive``).
"""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from banana_pipeline.defs.automation import generate_images
from banana_pipeline.defs.resources import FilesResource, KieResource
from banana_pipeline.defs.sensor_runs import LOOK_S, Patience, ask_for_runs
from banana_pipeline.store.schemas import IMAGES
from banana_pipeline.store.shard_states import states_of

_SETTLED_AFTER = timedelta(minutes=3)
_FIRST_PATIENCE_S = 300.0


@dg.sensor(
    job=generate_images,
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Looks for pictures that were made some minutes ago and are not archived, and starts 'images' for their "
        "shards. Turning it on costs no credits: downloads are free."
    ),
)
def unarchived_images_sensor(
    context: dg.SensorEvaluationContext, files: FilesResource, kie: KieResource
) -> dg.SensorResult:
    now_s = time.time()
    patience = Patience.read(context.cursor, first_s=_FIRST_PATIENCE_S)
    look = states_of(files.data_dir, kie.max_attempts).look(budget_s=LOOK_S)
    if look.unseen:
        context.log.info(f"{look.unseen:,} shards are still to be looked into; the next looks go on.")
    until = datetime.now(UTC) - _SETTLED_AFTER
    reasons = {
        shard.key: f"{state.unarchived} since {state.oldest_at}"
        for shard, state in look.states.items()
        if state.oldest_at is not None and state.oldest_at < until
    }
    due = patience.due(reasons, now_s)
    asked = ask_for_runs(context.instance, due, started_by="unarchived_images", assets=[IMAGES])
    nothing = f"{len(reasons)} shards miss pictures; runs work on them or have just tried"
    skip = None if asked.requests else nothing if reasons else "every picture is archived"
    cursor = patience.after(asked.shards, reasons, now_s)
    return dg.SensorResult(run_requests=asked.requests, skip_reason=skip, cursor=cursor)
