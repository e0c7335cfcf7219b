"""The asset ``generation_report``: totals over all shards.

Lives here: wiring. Does not live here: the sums (``banana_pipeline.report``).
"""

from typing import Any

import dagster as dg
import pyarrow as pa

from banana_pipeline import report
from banana_pipeline.core.requests import usd
from banana_pipeline.defs.events import CODE_VERSION, GROUP, told_in_words
from banana_pipeline.defs.metadata import preview_md
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.store.schemas import GENERATIONS, IMAGES


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
)
@told_in_words()
def generation_report(context: dg.AssetExecutionContext, files: FilesResource) -> dg.MaterializeResult[Any]:
    generations = files.warehouse.dataset(GENERATIONS).to_table(columns=report.COLUMNS)
    per_table = pa.Table.from_pandas(report.totals(generations), preserve_index=False)
    reasons = pa.Table.from_pandas(report.failures(generations), preserve_index=False)
    path = files.warehouse.write_summary("generation_report", per_table, {"run_id": context.run.run_id})
    credits_sum = float(sum(value or 0.0 for value in generations["credits"].to_pylist()))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": per_table.num_rows,
            "requests": generations.num_rows,
            "credits": credits_sum,
            "cost_usd": usd(credits_sum),
            "per_table": preview_md(per_table, per_table.column_names),
            "reasons": preview_md(reasons, reasons.column_names),
            "dagster/uri": path,
        }
    )
