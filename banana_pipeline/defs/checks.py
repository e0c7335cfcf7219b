"""Asset checks: may an analyst trust ``generations`` and ``images`` as they stand?

Lives here: one question each, with what to do when the answer is no. A warning is something that a further run or a
look at the prompts settles; an error is about money or pictures that may be lost. Does not live here: the data.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.decisions import TERMINAL_STATUSES
from banana_pipeline.core.requests import PRICE_CREDITS, account_name
from banana_pipeline.core.shards import Shard
from banana_pipeline.core.timing import PICTURE_AT_RISK_S
from banana_pipeline.defs.balances import ask_balances
from banana_pipeline.defs.metadata import counted, preview_md
from banana_pipeline.defs.metadata_generations import reasons_of
from banana_pipeline.defs.metadata_images import other_sizes
from banana_pipeline.defs.resources import AlertsResource, FilesResource, KieResource, LedgerResource
from banana_pipeline.defs.showing import never_fails
from banana_pipeline.store import ledger_money, ledger_reports
from banana_pipeline.store.schemas import GENERATIONS, IMAGES

_LEAST_SUCCESS_RATE = 0.9
_MOST_UNREAD = 3

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
_IS_TERMINAL = pc.field("status").isin([str(status) for status in TERMINAL_STATUSES])
_ROW = ["prompt_table", "row_number", "id", "prompt"]


def _verdict(
    passed: bool, severity: dg.AssetCheckSeverity, todo: str, unread: Sequence[str] = (), **metadata
) -> dg.AssetCheckResult:
    """``unread``: a sentence for each file that nobody could look into; what is not known is not well."""
    told = [*([] if passed else [todo]), *unread[:_MOST_UNREAD]]
    return dg.AssetCheckResult(
        passed=passed and not unread,
        severity=_WARN if passed else severity,
        description=" ".join(told) or None,
        metadata={**metadata, **({"files_not_read": len(unread)} if unread else {})},
    )


@dg.asset_check(asset=GENERATIONS, description="Every row is succeeded, failed or refused: nothing is left open.")
@never_fails
def every_row_is_terminal(files: FilesResource) -> dg.AssetCheckResult:
    columns = ["prompt_table", "row_number", "status", "status_reason"]
    scanned = files.warehouse.scan(GENERATIONS, columns, ~_IS_TERMINAL)
    rows = scanned.rows
    details = {f"rows_{name}": count for name, count in counted(rows["status"].to_pylist())}
    if rows.num_rows:
        reasons, shards = reasons_of(rows), _shards_of(rows, files.shard_rows)
        details |= {
            "reasons": preview_md(reasons, reasons.column_names),
            "shards": preview_md(shards, ["shard", "rows"]),
        }
    todo = (
        "Materialize 'generations' again for the shards below: it collects what is pending and sends what was not "
        "sent. The reasons tell what has to be mended first."
    )
    return _verdict(not rows.num_rows, _WARN, todo, scanned.problems, rows_open=rows.num_rows, **details)


def _shards_of(rows: pa.Table, shard_rows: int) -> pa.Table:
    """The shards that rows lie in, and how many in each."""
    pairs = zip(*(rows[name].to_pylist() for name in ("prompt_table", "row_number")), strict=True)
    found = counted(Shard(table=table, index=row // shard_rows).key for table, row in pairs)
    return pa.table({"shard": [key for key, _ in found], "rows": [count for _, count in found]})


@dg.asset_check(asset=GENERATIONS, description="The fate of every order is known.")
@never_fails
def no_order_is_unconfirmed(files: FilesResource) -> dg.AssetCheckResult:
    is_unconfirmed = pc.field("status") == "unconfirmed"
    scanned = files.warehouse.scan(GENERATIONS, [*_ROW, "status_reason"], is_unconfirmed)
    rows = scanned.rows
    todo = (
        "KIE may have charged for these and did not say so. They are never sent again by themselves: `banana resolve "
        "TABLE` shows the evidence and settles them."
    )
    details = {"rows": preview_md(rows, rows.column_names)} if rows.num_rows else {}
    return _verdict(not rows.num_rows, _ERROR, todo, scanned.problems, rows_unconfirmed=rows.num_rows, **details)


@dg.asset_check(asset=GENERATIONS, description="KIE charged no request for two tasks.")
@never_fails
def no_request_is_bought_twice(ledger: LedgerResource) -> dg.AssetCheckResult:
    with ledger.open() as writer:
        twice = writer.call(ledger_reports.requests_bought_twice)
    details = {"request_ids": ", ".join(twice[:20])} if twice else {}
    todo = "Look these requests up in the ledger; this must never happen."
    return _verdict(not twice, _ERROR, todo, bought_twice=len(twice), **details)


@dg.asset_check(asset=GENERATIONS, description="No two requests name the same task at KIE.")
@never_fails
def no_task_is_named_twice(files: FilesResource) -> dg.AssetCheckResult:
    scanned = files.warehouse.scan(GENERATIONS, ["task_id", "request_id"], pc.field("task_id").is_valid())
    distinct = scanned.rows.group_by(["task_id", "request_id"]).aggregate([])
    per_task = distinct.group_by("task_id").aggregate([("request_id", "count")])
    twice = per_task.filter(pc.field("request_id_count") > 1)["task_id"].to_pylist()
    details = {"task_ids": ", ".join(twice[:20])} if twice else {}
    todo = "Two requests show one picture; look these tasks up in the ledger."
    return _verdict(not twice, _ERROR, todo, scanned.problems, tasks_named_twice=len(twice), **details)


@dg.asset_check(asset=GENERATIONS, description="At least 90 % of the finished rows have a picture.")
@never_fails
def success_rate_is_high(files: FilesResource) -> dg.AssetCheckResult:
    scanned = files.warehouse.scan(GENERATIONS, ["status"], _IS_TERMINAL)
    finished = scanned.rows.num_rows
    succeeded = scanned.rows.filter(pc.field("status") == "succeeded").num_rows
    rate = succeeded / finished if finished else 1.0
    todo = "See 'reasons' in generation_report for what KIE said."
    is_high = rate >= _LEAST_SUCCESS_RATE
    return _verdict(is_high, _WARN, todo, scanned.problems, success_rate=round(rate, 4), finished_rows=finished)


@dg.asset_check(asset=GENERATIONS, description="Neither this run nor an account's day has spent more than it may.")
@never_fails
def spend_is_within_budget(
    context: dg.AssetCheckExecutionContext, ledger: LedgerResource, kie: KieResource
) -> dg.AssetCheckResult:
    run_budget = _launch_options(context.run).get("max_credits")
    day, accounts = ledger_money.day_of(datetime.now(UTC)), [account_name(key) for key in kie.key_list]
    with ledger.open() as writer:
        by_run = writer.call(ledger_money.spent_by_launch, context.run.run_id)
        by_day = [writer.call(ledger_money.spent_on_day, kie.service, account, day) for account in accounts]
    is_within = ledger_money.fits(by_run, 0.0, run_budget) and all(
        ledger_money.fits(spent, 0.0, kie.max_credits_per_day) for spent in by_day
    )
    todo = (
        "KIE has charged more than its price list says, or somebody has lowered a budget: compare 'credits' in the "
        "latest rows with https://kie.ai/logs."
    )
    limits = {"run_budget_credits": run_budget, "day_budget_credits": kie.max_credits_per_day}
    given = {name: float(limit) for name, limit in limits.items() if limit is not None}
    spent: dict[str, Any] = {"run_credits": by_run, "most_day_credits": max(by_day, default=0.0), **given}
    return _verdict(is_within, _ERROR, todo, **spent)


@dg.asset_check(asset=GENERATIONS, description="Every account can buy, and has as much as BANANA_ALERT_BELOW_CREDITS.")
@never_fails
def credits_are_left(kie: KieResource, alerts: AlertsResource) -> dg.AssetCheckResult:
    least = max(min(PRICE_CREDITS.values()), alerts.below_credits or 0.0)
    balances = ask_balances(kie)
    is_enough = bool(balances) and all(one.credits is not None and one.credits >= least for one in balances)
    told = {f"credits_of_{one.account}": one.credits for one in balances if one.credits is not None}
    refused = {f"refused_{one.account}": one.refused for one in balances if one.refused is not None}
    todo = (
        "Top up the accounts at kie.ai, or check KIE_API_KEY where KIE tells no balance. Rows without credits stay "
        "not_submitted; a later run buys them."
    )
    return _verdict(is_enough, _WARN, todo, least_credits=least, **told, **refused)


def _launch_options(run: dg.DagsterRun) -> dict[str, Any]:
    """What a person has set for ``buy_generations`` in the launchpad."""
    config: dict[str, Any] = dict(run.run_config)
    return config.get("ops", {}).get("buy_generations", {}).get("config", {})


@dg.asset_check(
    asset=IMAGES,
    additional_deps=[GENERATIONS],
    description="Every picture KIE made is archived; an error once one is older than 20 hours, because KIE deletes it.",
)
@never_fails
def every_picture_is_archived(files: FilesResource) -> dg.AssetCheckResult:
    missing, unread = _not_archived(files)
    until = datetime.now(UTC) - timedelta(seconds=PICTURE_AT_RISK_S)
    at_risk = [at for at in missing["completed_at"].to_pylist() if at and at < until]
    details = {"rows": preview_md(missing, [*_ROW, "archive_error"])} if missing.num_rows else {}
    todo = "Materialize 'images' again soon: KIE deletes its pictures after a while."
    counts = {"pictures_missing": missing.num_rows, "missing_for_over_20_h": len(at_risk)}
    return _verdict(not missing.num_rows, _ERROR if at_risk else _WARN, todo, unread, **counts, **details)


def _not_archived(files: FilesResource) -> tuple[pa.Table, tuple[str, ...]]:
    """Pictures that could not be archived, and succeeded rows that ``images`` does not know yet; files not read."""
    columns, keys = [*_ROW, "request_id", "completed_at"], ["prompt_table", "row_number", "request_id"]
    images = files.warehouse.scan(IMAGES, [*columns, "image_path", "archive_error"])
    made = files.warehouse.scan(GENERATIONS, columns, pc.field("status") == "succeeded")
    failed = images.rows.filter(pc.field("image_path").is_null()).select([*columns, "archive_error"])
    unknown = made.rows.join(images.rows.select(keys), keys, join_type="left anti")
    missing = pa.concat_tables([failed, unknown], promote_options="default")
    return missing, (*made.problems, *images.problems)


@dg.asset_check(
    asset=IMAGES, description="Pictures have the pixel size that their aspect ratio and resolution stand for."
)
@never_fails
def pixel_sizes_are_as_asked(files: FilesResource) -> dg.AssetCheckResult:
    columns = ["aspect_ratio", "resolution", "width_px", "height_px"]
    scanned = files.warehouse.scan(IMAGES, columns, pc.field("width_px").is_valid())
    others = other_sizes(scanned.rows)
    details = {"sizes": preview_md(others, others.column_names)} if others.num_rows else {}
    todo = "KIE made other sizes than its own table says; look whether the pictures are still good for their use."
    count = sum(others["pictures"].to_pylist())
    return _verdict(not others.num_rows, _WARN, todo, scanned.problems, pictures_of_other_size=count, **details)


CHECKS = [
    every_row_is_terminal,
    no_order_is_unconfirmed,
    no_request_is_bought_twice,
    no_task_is_named_twice,
    success_rate_is_high,
    spend_is_within_budget,
    credits_are_left,
    every_picture_is_archived,
    pixel_sizes_are_as_asked,
]
