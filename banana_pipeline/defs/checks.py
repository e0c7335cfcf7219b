"""Asset checks of ``generations``: may an analyst trust it as it stands?

Lives here: three questions, each with what to do when the answer is no. Does not live here: the data.
"""

import dagster as dg

from banana_pipeline.core.decisions import TERMINAL_STATUSES
from banana_pipeline.defs.metadata import counted
from banana_pipeline.defs.resources import FilesResource, LedgerResource
from banana_pipeline.store import ledger_reports
from banana_pipeline.store.schemas import GENERATIONS

_LEAST_SUCCESS_RATE = 0.9


def _statuses(files: FilesResource) -> list[str]:
    return files.warehouse.dataset(GENERATIONS).to_table(columns=["status"])["status"].to_pylist()


@dg.asset_check(asset=GENERATIONS, description="Every row is succeeded, failed or refused: nothing is left open.")
def every_row_is_terminal(files: FilesResource) -> dg.AssetCheckResult:
    open_rows = counted(status for status in _statuses(files) if status not in TERMINAL_STATUSES)
    return dg.AssetCheckResult(
        passed=not open_rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(open_rows),
        description="Materialize 'generations' again: it collects what is pending and sends what was not sent."
        if open_rows
        else None,
    )


@dg.asset_check(asset=GENERATIONS, description="KIE charged no request for two tasks.")
def no_request_is_bought_twice(ledger: LedgerResource) -> dg.AssetCheckResult:
    with ledger.open() as writer:
        twice = writer.call(ledger_reports.requests_bought_twice)
    return dg.AssetCheckResult(
        passed=not twice,
        metadata={"bought_twice": len(twice), "request_ids": ", ".join(twice[:20])},
        description="Look these requests up in the ledger; this must never happen." if twice else None,
    )


@dg.asset_check(asset=GENERATIONS, description="At least 90 % of the finished rows have a picture.")
def success_rate_is_high(files: FilesResource) -> dg.AssetCheckResult:
    finished = [status for status in _statuses(files) if status in TERMINAL_STATUSES]
    rate = finished.count("succeeded") / len(finished) if finished else 1.0
    return dg.AssetCheckResult(
        passed=rate >= _LEAST_SUCCESS_RATE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"success_rate": rate, "finished_rows": len(finished)},
        description="See 'reasons' in generation_report for what KIE said." if rate < _LEAST_SUCCESS_RATE else None,
    )
