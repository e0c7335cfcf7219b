"""Totals per prompt table, from the ``generations`` output.

Lives here: the sums analysts and the command line show. Does not live here: reading files (``store.outputs``) and
Dagster.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

COLUMNS = ["prompt_table", "status", "credits", "cost_usd", "generation_s", "is_reused", "status_reason"]


def totals(generations: pa.Table) -> pd.DataFrame:
    """One line per prompt table.

    Returns:
        Columns: prompt_table, rows, one count per status that occurs, reused, success_rate (0..1), credits, cost_usd,
        generation_s_median, generation_s_p95.
    """
    frame = generations.select(COLUMNS).to_pandas()
    if frame.empty:
        return pd.DataFrame(columns=["prompt_table", "rows", "success_rate", "credits", "cost_usd"])
    by_table = frame.groupby("prompt_table", sort=True)
    counts = pd.crosstab(frame["prompt_table"], frame["status"])
    result = pd.DataFrame({"rows": by_table.size()}).join(counts)
    result["reused"] = by_table["is_reused"].sum().astype(int)
    result["success_rate"] = counts.get("succeeded", 0) / result["rows"]
    result["credits"] = by_table["credits"].sum()
    result["cost_usd"] = by_table["cost_usd"].sum().round(6)
    result["generation_s_median"] = by_table["generation_s"].median()
    result["generation_s_p95"] = by_table["generation_s"].quantile(0.95)
    return result.reset_index()


def failures(generations: pa.Table) -> pd.DataFrame:
    """Reasons for rows that did not succeed, the most frequent first. Columns: status, status_reason, rows."""
    frame = generations.select(COLUMNS).to_pandas()
    unwell = frame[frame["status"] != "succeeded"]
    counted = unwell.groupby(["status", "status_reason"], dropna=False).size().reset_index(name="rows")
    return counted.sort_values(["rows", "status"], ascending=[False, True], ignore_index=True)
