"""Alerts for people who do not look at the Dagster UI at night.

Lives here: sending each alert once per cause, and the alert about a run that failed. Does not live here: the causes
(``alert_causes``), the request (``banana_pipeline.alerts``).
"""

import json

import dagster as dg

from banana_pipeline.alerts import AlertNotSent, send_alert
from banana_pipeline.defs.alert_causes import causes
from banana_pipeline.defs.resources import AlertsResource, FilesResource, KieResource, LedgerResource

_NO_WEBHOOK = "BANANA_ALERT_WEBHOOK_URL is not set; set it to the address that alerts are posted to"
_MOST_CHARACTERS = 500


@dg.run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Posts an alert for every run that failed and is not tried again. Turning it on costs nothing.",
)
def run_failure_alert(context: dg.RunFailureSensorContext, alerts: AlertsResource) -> dg.SkipReason | None:
    if not alerts.webhook_url:
        return dg.SkipReason(_NO_WEBHOOK)
    run = context.dagster_run
    if run.tags.get("dagster/will_retry") == "true":
        return dg.SkipReason(f"run {run.run_id} is tried again")
    send_alert(alerts.webhook_url, failure_text(context))
    return None


def failure_text(context: dg.RunFailureSensorContext) -> str:
    """Which run failed, why, and what to do."""
    run = context.dagster_run
    reasons = [_reason(event) for event in context.get_step_failure_events()] or [context.failure_event.message or ""]
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    shards = f" over {first} to {last}" if first and last else ""
    said = " ".join(" ".join(dict.fromkeys(reasons)).split())[:_MOST_CHARACTERS]
    return (
        f"Dagster run {run.run_id[:8]} ({run.job_name}{shards}) failed: {said} "
        "What is paid is in the ledger: mend the cause, then materialize the same shards again; nothing is bought "
        "twice."
    )


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error.message if data.error is not None else event.message or ""


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Posts an alert when credits run low, orders have lost their answer, runs hang, or pictures are about to "
        "vanish; once per cause. Turning it on costs nothing."
    ),
)
def alerts_sensor(
    context: dg.SensorEvaluationContext,
    files: FilesResource,
    ledger: LedgerResource,
    kie: KieResource,
    alerts: AlertsResource,
) -> dg.SensorResult:
    if not alerts.webhook_url:
        return dg.SensorResult(skip_reason=_NO_WEBHOOK, cursor=context.cursor)
    found = causes(context.instance, files, ledger, kie, below_credits=alerts.below_credits)
    told = {cause for cause in _told(context.cursor) if cause in found.texts or not found.is_known(cause)}
    for cause, text in found.texts.items():
        if cause in told:
            continue
        try:
            send_alert(alerts.webhook_url, text)
            told.add(cause)
        except AlertNotSent as error:
            context.log.error(str(error))
    known = f"{len(found.texts)} causes for an alert" if found.texts else "nothing to warn of"
    return dg.SensorResult(skip_reason=known, cursor=json.dumps(sorted(told)))


def _told(cursor: str | None) -> list[str]:
    try:
        told = json.loads(cursor or "[]")
    except ValueError:
        return []
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
