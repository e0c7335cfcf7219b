"""What the page of ``generations`` shows of a shard.

Lives here: counts, money and times as numbers that Dagster plots, and tables of what did not succeed. Does not live
here: Markdown (``metadata``), the sums over all shards (``banana_pipeline.report``).
"""

from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.decisions import RowStatus
from banana_pipeline.core.requests import usd
from banana_pipeline.defs.column_lineage import lineage_metadata
from banana_pipeline.defs.metadata import counted, preview_md
from banana_pipeline.store.schemas import GENERATIONS

KIE_LOGS = {"kie_logs": dg.MetadataValue.url("https://kie.ai/logs")}
"""Where KIE shows each task of an account, for the definition of the asset."""

_QUANTILES = {"generation_s_median": 0.5, "generation_s_p95": 0.95, "generation_s_max": 1.0}


def status_metadata(generations: pa.Table) -> dict[str, Any]:
    """Numbers of a shard, then tables to read."""
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": generations.num_rows,
        **overall_metadata(generations),
        **lineage_metadata(GENERATIONS),
    }
    hosts = _hosts(generations)
    if hosts.num_rows:
        metadata["result_hosts"] = preview_md(hosts, hosts.column_names)
    unwell = generations.filter(pc.field("status") != "succeeded")
    if unwell.num_rows:
        reasons = reasons_of(unwell)
        metadata["reasons"] = preview_md(reasons, reasons.column_names)
        metadata["not_succeeded"] = preview_md(unwell, ["row_number", "id", "prompt", "status", "status_reason"])
    return metadata


def overall_metadata(generations: pa.Table) -> dict[str, float]:
    """Counts, money and times of some rows, under names that are always there, so that Dagster plots them."""
    statuses = generations["status"].to_pylist()
    credits_sum = float(sum(amount or 0.0 for amount in generations["credits"].to_pylist()))
    return {
        **{f"rows_{status}": statuses.count(status) for status in RowStatus},
        "rows_reused": generations["is_reused"].to_pylist().count(True),
        "credits": credits_sum,
        "cost_usd": usd(credits_sum),
        "success_rate": round(statuses.count("succeeded") / len(statuses), 4) if statuses else 1.0,
        **_times(generations),
    }


def _times(generations: pa.Table) -> dict[str, float]:
    """Quantiles of the seconds a picture took; 0 where none is known, because a gap is no point of a plot."""
    known = generations["generation_s"].drop_null().to_pandas()
    values = known.quantile(list(_QUANTILES.values())) if len(known) else [0.0] * len(_QUANTILES)
    return {name: round(float(value), 2) for name, value in zip(_QUANTILES, values, strict=True)}


def reasons_of(unwell: pa.Table) -> pa.Table:
    """Why rows did not succeed, the most frequent reason first. Columns: status, status_reason, rows."""
    groups = unwell.select(["status", "status_reason"]).group_by(["status", "status_reason"])
    rows = groups.aggregate([([], "count_all")]).rename_columns(["status", "status_reason", "rows"])
    return rows.sort_by([("rows", "descending"), ("status", "ascending")])


def _hosts(generations: pa.Table) -> pa.Table:
    urls = [url for urls in generations["result_urls"].to_pylist() for url in urls or ()]
    found = counted(_host(url) for url in urls)
    return pa.table({"host": [host for host, _ in found], "pictures": [count for _, count in found]})


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"
