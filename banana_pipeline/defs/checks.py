"""Asset checks: may an analyst trust ``generations`` and ``images`` as they stand?

Lives here: one question each, with what to do when the answer is no. A warning is something that a further run or a
look at the prompts settles; an error is about money or pictures that may be lost. Does not live here: the data.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.decisions import TERMINAL_STATUSES
from banana_pipeline.core.pixels import expected_size
from banana_pipeline.core.timing import PICTURE_AT_RISK_S
from banana_pipeline.defs.events import told_in_words
from banana_pipeline.defs.metadata import counted, preview_md
from banana_pipeline.defs.resources import FilesResource, LedgerResource
from banana_pipeline.store import ledger_reports
from banana_pipeline.store.schemas import GENERATIONS, IMAGES

_LEAST_SUCCESS_RATE = 0.9

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
_ROW = ["prompt_table", "row_number", "id", "prompt"]


def _column(files: FilesResource, asset: str, name: str) -> list:
    return files.warehouse.dataset(asset).to_table(columns=[name])[name].to_pylist()


def _verdict(passed: bool, severity: dg.AssetCheckSeverity, todo: str, **metadata) -> dg.AssetCheckResult:
    description = None if passed else todo
    return dg.AssetCheckResult(passed=passed, severity=severity, description=description, metadata=metadata)


@dg.asset_check(asset=GENERATIONS, description="Every row is succeeded, failed or refused: nothing is left open.")
@told_in_words()
def every_row_is_terminal(files: FilesResource) -> dg.AssetCheckResult:
    open_rows = counted(name for name in _column(files, GENERATIONS, "status") if name not in TERMINAL_STATUSES)
    todo = "Materialize 'generations' again: it collects what is pending and sends what was not sent."
    return _verdict(not open_rows, _WARN, todo, **{f"rows_{name}": count for name, count in open_rows})


@dg.asset_check(asset=GENERATIONS, description="The fate of every order is known.")
@told_in_words()
def no_order_is_unconfirmed(files: FilesResource) -> dg.AssetCheckResult:
    is_unconfirmed = pc.field("status") == "unconfirmed"
    rows = files.warehouse.dataset(GENERATIONS).to_table(columns=[*_ROW, "status_reason"], filter=is_unconfirmed)
    todo = (
        "KIE may have charged for these and did not say so. They are never sent again by themselves: `banana resolve "
        "TABLE` shows the evidence and settles them."
    )
    details = {"rows": preview_md(rows, rows.column_names)} if rows.num_rows else {}
    return _verdict(not rows.num_rows, _ERROR, todo, rows_unconfirmed=rows.num_rows, **details)


@dg.asset_check(asset=GENERATIONS, description="KIE charged no request for two tasks.")
@told_in_words()
def no_request_is_bought_twice(ledger: LedgerResource) -> dg.AssetCheckResult:
    with ledger.open() as writer:
        twice = writer.call(ledger_reports.requests_bought_twice)
    details = {"request_ids": ", ".join(twice[:20])} if twice else {}
    todo = "Look these requests up in the ledger; this must never happen."
    return _verdict(not twice, _ERROR, todo, bought_twice=len(twice), **details)


@dg.asset_check(asset=GENERATIONS, description="No two requests name the same task at KIE.")
@told_in_words()
def no_task_is_named_twice(files: FilesResource) -> dg.AssetCheckResult:
    pairs = files.warehouse.dataset(GENERATIONS).to_table(
        columns=["task_id", "request_id"], filter=pc.field("task_id").is_valid()
    )
    distinct = pairs.group_by(["task_id", "request_id"]).aggregate([])
    per_task = distinct.group_by("task_id").aggregate([("request_id", "count")])
    twice = per_task.filter(pc.field("request_id_count") > 1)["task_id"].to_pylist()
    details = {"task_ids": ", ".join(twice[:20])} if twice else {}
    todo = "Two requests show one picture; look these tasks up in the ledger."
    return _verdict(not twice, _ERROR, todo, tasks_named_twice=len(twice), **details)


@dg.asset_check(asset=GENERATIONS, description="At least 90 % of the finished rows have a picture.")
@told_in_words()
def success_rate_is_high(files: FilesResource) -> dg.AssetCheckResult:
    finished = [name for name in _column(files, GENERATIONS, "status") if name in TERMINAL_STATUSES]
    rate = finished.count("succeeded") / len(finished) if finished else 1.0
    todo = "See 'reasons' in generation_report for what KIE said."
    is_high = rate >= _LEAST_SUCCESS_RATE
    return _verdict(is_high, _WARN, todo, success_rate=round(rate, 4), finished_rows=len(finished))


@dg.asset_check(
    asset=IMAGES,
    additional_deps=[GENERATIONS],
    description="Every picture KIE made is archived; an error once one is older than 20 hours, because KIE deletes it.",
)
@told_in_words()
def every_picture_is_archived(files: FilesResource) -> dg.AssetCheckResult:
    missing = _not_archived(files)
    until = datetime.now(UTC) - timedelta(seconds=PICTURE_AT_RISK_S)
    at_risk = [at for at in missing["completed_at"].to_pylist() if at and at < until]
    details = {"rows": preview_md(missing, [*_ROW, "archive_error"])} if missing.num_rows else {}
    todo = "Materialize 'images' again soon: KIE deletes its pictures after a while."
    counts = {"pictures_missing": missing.num_rows, "missing_for_over_20_h": len(at_risk)}
    return _verdict(not missing.num_rows, _ERROR if at_risk else _WARN, todo, **counts, **details)


def _not_archived(files: FilesResource) -> pa.Table:
    """Pictures that could not be archived, and succeeded rows that ``images`` does not know yet."""
    columns, keys = [*_ROW, "request_id", "completed_at"], ["prompt_table", "row_number", "request_id"]
    images = files.warehouse.dataset(IMAGES)
    failed = images.to_table(columns=[*columns, "archive_error"], filter=pc.field("image_path").is_null())
    succeeded = files.warehouse.dataset(GENERATIONS).to_table(columns=columns, filter=pc.field("status") == "succeeded")
    unknown = succeeded.join(images.to_table(columns=keys), keys, join_type="left anti")
    return pa.concat_tables([failed, unknown], promote_options="default")


@dg.asset_check(
    asset=IMAGES, description="Pictures have the pixel size that their aspect ratio and resolution stand for."
)
@told_in_words()
def pixel_sizes_are_as_asked(files: FilesResource) -> dg.AssetCheckResult:
    columns = ["aspect_ratio", "resolution", "width_px", "height_px"]
    sizes = files.warehouse.dataset(IMAGES).to_table(columns=columns, filter=pc.field("width_px").is_valid())
    groups = sizes.group_by(columns).aggregate([([], "count_all")]).rename_columns([*columns, "pictures"])
    others = pa.Table.from_pylist([group for group in groups.to_pylist() if _is_other(group)], schema=groups.schema)
    details = {"sizes": preview_md(others, others.column_names)} if others.num_rows else {}
    todo = "KIE made other sizes than its own table says; look whether the pictures are still good for their use."
    return _verdict(not others.num_rows, _WARN, todo, pictures_of_other_size=_total(others["pictures"]), **details)


def _is_other(group: dict) -> bool:
    expected = expected_size(group["aspect_ratio"], group["resolution"])
    return expected is not None and expected != (group["width_px"], group["height_px"])


def _total(counts: pa.ChunkedArray) -> int:
    return sum(counts.to_pylist())


CHECKS = [
    every_row_is_terminal,
    no_order_is_unconfirmed,
    no_request_is_bought_twice,
    no_task_is_named_twice,
    success_rate_is_high,
    every_picture_is_archived,
    pixel_sizes_are_as_asked,
]
