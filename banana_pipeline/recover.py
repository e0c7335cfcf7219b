"""Finding a lost order again: is this task the one that an unanswered order has made?

Lives here: which orders have lost their answer, the proof that a task is theirs, and adopting it. Does not live here:
who proposes a task (a callback, a person).

A proposal is a stranger's word. It is believed only if KIE's own record of the task carries our attempt in its callback
address. Without such an address a task whose input is, word for word, what the attempt has sent is adopted if KIE's own
answer to the order has named it, or a person does.

"Not known" is believed from KIE alone, three times, and not within the time in which a new task may be invisible: a
gateway's page, or KIE in a bad minute, must not settle what became of a paid order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from banana_pipeline.accounts import Account
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import FetchMeaning
from banana_pipeline.core.timing import VISIBILITY_GRACE_S
from banana_pipeline.kie.records import TaskRecord
from banana_pipeline.kie.wire import Fetched
from banana_pipeline.store import ledger, ledger_callbacks, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

# Clocks of two machines may differ by minutes; another order of the same prompt is usually further away.
_CLOCKS_DIFFER = timedelta(minutes=10)
_COMPARED = ("prompt", "image_input", "aspect_ratio", "resolution", "output_format")
_SURE_AFTER = 3
_DEFAULT_OF = {"image_input": [], "aspect_ratio": "1:1", "resolution": "1K", "output_format": "png"}


class Verdict(StrEnum):
    """What KIE's record says about a proposed task."""

    OURS = "ours"
    SAME_ORDER = "same order"  # no callback address, but the same input at the same time
    NOT_OURS = "not ours"
    NO_PROOF = "no proof"  # KIE's record does not say what was ordered
    NOT_KNOWN = "not known"
    NO_ANSWER = "no answer"


_PROVEN = frozenset({Verdict.OURS, Verdict.SAME_ORDER, Verdict.NOT_OURS})


@dataclass(kw_only=True)
class Inquiry:
    """The looks that one process has taken at a proposed task.

    ``unproven``: how often in a row KIE itself did not know it, or did not say what was ordered.
    """

    looks: int = 0
    unproven: int = 0

    def is_worth_another(self, hint: Hint, now: datetime, *, is_early: bool) -> bool:
        """May the next look, soon, show more than the last? ``is_early``: the run still waits for this order."""
        return self.looks < _SURE_AFTER or (is_early and _is_new(hint, now))

    def note(self, verdict: Verdict) -> None:
        self.looks += 1
        self.unproven = self.unproven + 1 if verdict in {Verdict.NOT_KNOWN, Verdict.NO_PROOF} else 0

    def settles(self, hint: Hint, verdict: Verdict, now: datetime) -> bool:
        """Is nobody to look again?"""
        return verdict in _PROVEN or (self.unproven >= _SURE_AFTER and not _is_new(hint, now))


async def look_up(account: Account, attempt: Attempt, task_id: str) -> tuple[Verdict, Fetched]:
    """Ask KIE for a task and compare it with an attempt."""
    await account.query_pace.acquire()
    fetched = await account.client.fetch_task(task_id)
    return verdict_on(attempt, fetched), fetched


def verdict_on(attempt: Attempt, fetched: Fetched) -> Verdict:
    """What an answer about a proposed task proves."""
    if fetched.record is None:
        return Verdict.NOT_KNOWN if fetched.meaning is FetchMeaning.NOT_KNOWN else Verdict.NO_ANSWER
    if not fetched.record.is_about(attempt.attempt_id):
        return Verdict.NO_ANSWER
    if fetched.record.attempt_id is not None:
        return Verdict.OURS if fetched.record.attempt_id == attempt.attempt_id else Verdict.NOT_OURS
    if fetched.record.asked is None:
        return Verdict.NO_PROOF
    return Verdict.SAME_ORDER if _is_same_order(attempt, fetched.record) else Verdict.NOT_OURS


async def adopt(writer: LedgerWriter, attempt: Attempt, task_id: str) -> Attempt:
    """Record a task as the attempt's own; the attempt as it stands now.

    It stays ``unconfirmed`` if the task belongs to another attempt.
    """
    return await writer.do(ledger.save_created, attempt, task_id=task_id, at=datetime.now(UTC))


async def look_into(writer: LedgerWriter, account: Account, attempt: Attempt, hint: Hint, inquiry: Inquiry) -> Attempt:
    """Does the task that a hint names belong to this attempt? If so it is adopted; the attempt as it stands now."""
    verdict, _ = await look_up(account, attempt, hint.task_id)
    inquiry.note(verdict)
    if verdict is Verdict.OURS or (verdict is Verdict.SAME_ORDER and hint.is_by_answer):
        attempt = await adopt(writer, attempt, hint.task_id)
    if inquiry.settles(hint, verdict, datetime.now(UTC)):
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
    told = {name: _DEFAULT_OF.get(name) if asked.get(name) is None else asked[name] for name in _COMPARED}
    if any(told[name] != sent.get(name) for name in _COMPARED):
        return False
    return record.created_at is None or abs(record.created_at - attempt.claimed_at) < _CLOCKS_DIFFER


def _is_new(hint: Hint, now: datetime) -> bool:
    return (now - hint.received_at).total_seconds() < VISIBILITY_GRACE_S
