"""Finding a lost order again: is this task the one that an unanswered order has made?

Lives here: which orders have lost their answer, the proof that a task is theirs, and adopting it. Does not live here:
who proposes a task (a callback, a person).

A proposal is a stranger's word. It is believed only if KIE's own record of the task carries our attempt in its callback
address; without such an address a person may adopt a task whose input is, word for word, what the attempt has sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from banana_pipeline.accounts import Account
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import FetchMeaning
from banana_pipeline.kie.wire import Fetched, TaskRecord
from banana_pipeline.store import ledger, ledger_callbacks, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

# Clocks of two machines may differ by minutes; another order of the same prompt is usually further away.
_CLOCKS_DIFFER = timedelta(minutes=10)
_COMPARED = ("prompt", "image_input", "aspect_ratio", "resolution", "output_format")
_DEFAULT_OF = {"image_input": [], "aspect_ratio": "1:1", "resolution": "1K", "output_format": "png"}


class Verdict(StrEnum):
    """What KIE's record says about a proposed task."""

    OURS = "ours"
    SAME_ORDER = "same order"  # no callback address, but the same input at the same time
    NOT_OURS = "not ours"
    NOT_KNOWN = "not known"
    NO_ANSWER = "no answer"


async def look_up(account: Account, attempt: Attempt, task_id: str) -> tuple[Verdict, Fetched]:
    """Ask KIE for a task and compare it with an attempt."""
    await account.query_pace.acquire()
    fetched = await account.client.fetch_task(task_id)
    return verdict_on(attempt, fetched), fetched


def verdict_on(attempt: Attempt, fetched: Fetched) -> Verdict:
    """What an answer about a proposed task proves."""
    if fetched.record is None:
        return Verdict.NOT_KNOWN if fetched.meaning is FetchMeaning.NOT_KNOWN else Verdict.NO_ANSWER
    if fetched.record.attempt_id is not None:
        return Verdict.OURS if fetched.record.attempt_id == attempt.attempt_id else Verdict.NOT_OURS
    return Verdict.SAME_ORDER if _is_same_order(attempt, fetched.record) else Verdict.NOT_OURS


async def adopt(writer: LedgerWriter, attempt: Attempt, task_id: str) -> Attempt:
    """Record a task as the attempt's own; the attempt as it stands now.

    It stays ``unconfirmed`` if the task belongs to another attempt.
    """
    return await writer.do(ledger.save_created, attempt, task_id=task_id, at=datetime.now(UTC))


async def look_into(
    writer: LedgerWriter, account: Account, attempt: Attempt, hint: Hint, *, final: Collection[Verdict]
) -> Attempt:
    """Does the task that a callback names belong to this attempt? If so it is adopted; the attempt as it stands now.

    Args:
        final: verdicts that are remembered, so that nobody looks into this callback again.
    """
    verdict, _ = await look_up(account, attempt, hint.task_id)
    if verdict is Verdict.OURS:
        attempt = await adopt(writer, attempt, hint.task_id)
    if verdict in final:
        await writer.do(ledger_callbacks.judge_callback, hint.id, str(verdict))
    return attempt


async def end_dead_orders(writer: LedgerWriter, service: str, run_id: str, *, attempt_id: str | None = None) -> None:
    """Orders of processes that were killed, or one of them: their answers are lost, and they take up no more room."""
    await writer.do(
        ledger_claims.end_dead_claims,
        service,
        at=datetime.now(UTC),
        run_id=run_id,
        is_there=writer.presence.is_there,
        attempt_id=attempt_id,
    )


def _is_same_order(attempt: Attempt, record: TaskRecord) -> bool:
    sent, asked = json.loads(attempt.input_json), record.asked or {}
    if any(asked.get(name, _DEFAULT_OF.get(name)) != sent.get(name) for name in _COMPARED):
        return False
    return record.created_at is None or abs(record.created_at - attempt.claimed_at) < _CLOCKS_DIFFER
