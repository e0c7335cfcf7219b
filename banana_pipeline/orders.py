"""The paid POST: sent once, its answer awaited and recorded, whatever else happens.

Lives here: orders under way, and giving them up after a stop. Does not live here: when one may be sent (``buy``), what
an answer means (``core.failures``), HTTP.

The POST and the record of its answer are shielded together from cancellation: a task id that is not written down is
money lost. An ambiguous answer is recorded as such and never sent again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
from anyio.abc import TaskGroup

from banana_pipeline.accounts import Account
from banana_pipeline.core import attempts as states
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import Ambiguous, Created, CreateOutcome, LedgerError, Refused
from banana_pipeline.progress import Progress
from banana_pipeline.store import ledger, ledger_callbacks
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.work import Wanted


@dataclass(kw_only=True)
class Orders:
    """Orders under way.

    Args:
        tasks: task group they live in; it must outlive everything that is cancelled when a run stops.
        on_ordered: called with the attempt as it stands once an answer is recorded.
    """

    tasks: TaskGroup
    writer: LedgerWriter
    progress: Progress
    run_id: str
    on_ordered: Callable[[Account, Wanted, Attempt], Awaitable[None]]
    _posts: set[anyio.CancelScope] = field(default_factory=set)
    _all_answered: anyio.Event = field(default_factory=anyio.Event)

    def start(self, account: Account, wanted: Wanted, attempt: Attempt, body: dict[str, object]) -> None:
        """Send an order whose claim is committed."""
        self.tasks.start_soon(self._order, account, wanted, attempt, body)

    async def await_answers(self, *, grace_s: float, urgent: anyio.Event) -> None:
        """Wait for the answers of orders already sent, at most ``grace_s`` and not after ``urgent``; then give up."""
        if self._posts:
            with anyio.move_on_after(grace_s):
                async with anyio.create_task_group() as waiting:
                    for event in (urgent, self._all_answered):
                        waiting.start_soon(_cancel_when, event, waiting.cancel_scope)
        for post in list(self._posts):
            post.cancel()

    async def _order(self, account: Account, wanted: Wanted, attempt: Attempt, body: dict[str, object]) -> None:
        outcome: CreateOutcome = Ambiguous(reason="stopped while waiting for the answer to the order")
        post = anyio.CancelScope(shield=True)
        self._posts.add(post)
        try:
            with post:
                outcome = await account.client.create_task(body)
        finally:
            with anyio.CancelScope(shield=True):
                attempt = await self._record(attempt, outcome)
            self._answered(post)
        if (notice := _told_to(account, outcome)) is not None:
            self.progress.notice(notice)
        await self.on_ordered(account, wanted, attempt)

    def _answered(self, post: anyio.CancelScope) -> None:
        self._posts.discard(post)
        if not self._posts:
            self._all_answered.set()
            self._all_answered = anyio.Event()

    async def _record(self, attempt: Attempt, outcome: CreateOutcome) -> Attempt:
        now = datetime.now(UTC)
        if isinstance(outcome, Created):
            return await self._record_created(attempt, outcome.task_id, now)
        if isinstance(outcome, Refused):
            reason = f"{outcome.why}: {outcome.msg}".rstrip(": ")
            after = states.mark_refused(attempt, reason=reason, code=outcome.code, msg=outcome.msg, at=now)
        else:
            if outcome.named_task_id is not None:
                named = {"attempt_id": attempt.attempt_id, "task_id": outcome.named_task_id}
                await self.writer.do(ledger_callbacks.keep_answer, **named, at=now)
            after = states.mark_unconfirmed(attempt, reason=outcome.reason, at=now)
        is_saved = await self.writer.do(ledger.save, attempt, after, run_id=self.run_id)
        return after if is_saved else await self.writer.do(ledger.attempt, attempt.attempt_id)

    async def _record_created(self, attempt: Attempt, task_id: str, now: datetime) -> Attempt:
        try:
            return await self.writer.do(ledger.save_created, attempt, task_id=task_id, at=now)
        except LedgerError:
            # The one moment in which only this process knows of a paid task: say it before it is gone.
            self.progress.notice(
                f"KIE made task {task_id} (row {attempt.row_number} of {attempt.prompt_table}), and the ledger could "
                f"not record it. When the ledger works again: banana resolve {attempt.prompt_table} "
                f"--task-id {attempt.attempt_id}={task_id}"
            )
            raise


def _told_to(account: Account, outcome: CreateOutcome) -> str | None:
    """Let the account draw its conclusions; what a person should know of them."""
    if isinstance(outcome, Refused):
        return account.refused(outcome, fraction=random.random())
    if isinstance(outcome, Ambiguous):
        return account.in_doubt(outcome)
    account.accepted()
    return None


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
