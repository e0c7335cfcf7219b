"""The asset ``generation_report``: totals over all shards.

Lives here: wiring. Does not live here: the sums (``banana_pipeline.report``).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from banana_pipeline import report
from banana_pipeline.core.decisions import RowStatus
from banana_pipeline.defs.events import CODE_VERSION, GROUP
from banana_pipeline.defs.metadata import OWNERS, preview_md
from banana_pipeline.defs.metadata_generations import overall_metadata
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.defs.showing import told_only
from banana_pipeline.progress import Progress
from banana_pipeline.store.schemas import GENERATIONS, IMAGES

_COLUMNS = [
    ("prompt_table", "string", "Name of the prompt table."),
    ("rows", "int64", "Requests of the table."),
    ("reused", "int64", "Requests that another row bought."),
    ("success_rate", "double", "Share of the rows that have succeeded, 0 to 1."),
    ("credits", "double", "Credits the table's own purchases took."),
    ("cost_usd", "double", "The same in US dollars."),
    ("generation_s_median", "double", "Median of the seconds a picture took."),
    ("generation_s_p95", "double", "Nineteen of twenty pictures took at most so many seconds."),
    *((status.value, "int64", f"Rows with the status {status}; absent where none has it.") for status in RowStatus),
]


@dg.asset(
    name="generation_report",
    deps=[
        dg.AssetDep(GENERATIONS, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(IMAGES, partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name=GROUP,
    description="Rows by status, cost and latency per prompt table, and the reasons of failures, over all shards.",
    code_version=CODE_VERSION,
    kinds={"parquet"},
    owners=OWNERS,
    metadata={"dagster/column_schema": dg.TableSchema(columns=[dg.TableColumn(*column) for column in _COLUMNS])},
    output_required=False,
)
def generation_report(
    context: dg.AssetExecutionContext, files: FilesResource, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult[Any]]:
    with told_only(context, progress, "The report"):
        yield _made(context, files)


def _made(context: dg.AssetExecutionContext, files: FilesResource) -> dg.MaterializeResult[Any]:
    scanned = files.warehouse.scan(GENERATIONS, report.COLUMNS)
    for problem in scanned.problems:
        context.log.warning(problem)
    generations = scanned.rows
    per_table = pa.Table.from_pandas(report.totals(generations), preserve_index=False)
    reasons = pa.Table.from_pandas(report.failures(generations), preserve_index=False)
    path = files.warehouse.write_summary("generation_report", per_table, {"run_id": context.run.run_id})
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": per_table.num_rows,
            "requests": generations.num_rows,
            **overall_metadata(generations),
            "per_table": preview_md(per_table, per_table.column_names),
            "reasons": preview_md(reasons, reasons.column_names),
            "dagster/uri": path,
        }
    )
