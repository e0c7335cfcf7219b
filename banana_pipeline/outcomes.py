"""From the ledger's attempts to the columns of ``generations``.

Lives here: one record per output row. Does not live here: the status rules (``core.decisions``) and Arrow
(``store.output_tables``).
"""

from __future__ import annotations

from importlib.metadata import version

import pyarrow as pa

from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.decisions import RowOutcome, refusal_of, row_outcome
from banana_pipeline.core.failures import task_failure
from banana_pipeline.work import ShardDone

CODE_VERSION = version("banana-pipeline")


def outcome_records(prompts: pa.Table, done: ShardDone) -> list[dict[str, object]]:
    """For each row of a ``prompts`` output what became of its request."""
    keys = zip(*(prompts[name].to_pylist() for name in ("request_id", "prompt_table", "row_number")), strict=True)
    records: list[dict[str, object]] = []
    for request_id, prompt_table, row_number in keys:
        outcome = row_outcome(
            done.histories.get(request_id, ()),
            prompt_table=prompt_table,
            row_number=row_number,
            not_submitted_reason=done.reasons.get(request_id),
        )
        records.append(_record(outcome))
    return records


def _record(outcome: RowOutcome) -> dict[str, object]:
    attempt = outcome.attempt
    record: dict[str, object] = {
        "status": str(outcome.status),
        "status_reason": outcome.status_reason,
        "credits": outcome.credits,
        "is_reused": outcome.is_reused,
        "code_version": CODE_VERSION,
    }
    if attempt is not None:
        record |= {
            "failure": _failure(attempt),
            "attempt": attempt.number,
            "attempt_id": attempt.attempt_id,
            "task_id": attempt.task_id,
            "fail_code": attempt.fail_code,
            "fail_msg": attempt.fail_msg,
            "result_urls": list(attempt.result_urls),
            "account": attempt.account,
            "submitted_at": attempt.submitted_at,
            "completed_at": attempt.completed_at,
            "generation_s": attempt.generation_s,
            "run_id": attempt.run_id,
        }
    return record


def _failure(attempt: Attempt) -> str | None:
    """One word for what went wrong: a task's failure, or why the order was refused."""
    if attempt.state is AttemptState.FAILED:
        return str(task_failure(fail_code=attempt.fail_code, fail_msg=attempt.fail_msg))
    return str(refusal_of(attempt)) if attempt.state is AttemptState.REFUSED else None
