"""Settling orders whose answer was lost, as a person decides.

Lives here: the evidence, adopting a task after proof, giving an order up. Does not live here: words and arguments
(``commands.resolve``), the proof itself (``recover``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from banana_pipeline import recover
from banana_pipeline.accounts import Account
from banana_pipeline.core.attempts import Attempt, AttemptState, mark_abandoned
from banana_pipeline.core.failures import KieError
from banana_pipeline.recover import Inquiry, Verdict
from banana_pipeline.store import ledger, ledger_callbacks, ledger_evidence, ledger_money
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint

RUN_ID = "banana resolve"


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What an account's balance says about its unconfirmed orders.

    Attributes:
        before_credits, before_at: the last reading before the first of them; now_credits: the balance now.
        explained_credits: what orders with a known fate took between the two.
        unconfirmed_credits: the price of the unconfirmed ones.
    """

    account: str
    before_at: datetime
    before_credits: float
    now_credits: float
    explained_credits: float
    unconfirmed_credits: float

    @property
    def unexplained_credits(self) -> float:
        return round(self.before_credits - self.now_credits - self.explained_credits, 6)


@dataclass(kw_only=True)
class Resolver:
    """Settles the unconfirmed orders of one service. ``accounts`` by name; may be empty: then nothing can be proven."""

    writer: LedgerWriter
    service: str
    accounts: Mapping[str, Account]

    async def unresolved(self, prompt_table: str | None) -> list[Attempt]:
        """Unconfirmed attempts of this service, those of processes that were killed included; oldest first."""
        await recover.end_dead_orders(self.writer, self.service, RUN_ID)
        found = await self.writer.do(ledger_evidence.unconfirmed, prompt_table=prompt_table)
        return [attempt for attempt in found if attempt.service == self.service]

    async def follow_hints(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Look into the tasks that callbacks and answers have named; the attempts that were found again.

        What a run has given up as not known is looked at once more: a person has time.
        """
        by_id = {attempt.attempt_id: attempt for attempt in attempts}
        found: list[Attempt] = []
        for hint in await self.writer.do(ledger_callbacks.callbacks_of, list(by_id)):
            attempt = by_id[hint.attempt_id]
            account = self.accounts.get(attempt.account)
            is_open = hint.is_open or hint.verdict == Verdict.NOT_KNOWN
            if account is None or not is_open or attempt.state is not AttemptState.UNCONFIRMED:
                continue
            by_id[hint.attempt_id] = await recover.look_into(self.writer, account, attempt, hint, Inquiry())
            if by_id[hint.attempt_id].state is AttemptState.SUBMITTED:
                found.append(by_id[hint.attempt_id])
        return found

    async def named_tasks(self, attempts: Sequence[Attempt]) -> dict[str, list[Hint]]:
        """For each attempt the tasks that a callback or an answer has named and that are not shown to be another's."""
        named: dict[str, list[Hint]] = {}
        for hint in await self.writer.do(ledger_callbacks.callbacks_of, [one.attempt_id for one in attempts]):
            if hint.verdict != Verdict.NOT_OURS:
                named.setdefault(hint.attempt_id, []).append(hint)
        return named

    async def balances(self, attempts: Sequence[Attempt]) -> list[Balance]:
        """What the balance says, for each account that can be asked and was read before its first lost answer."""
        found: list[Balance] = []
        for name in dict.fromkeys(attempt.account for attempt in attempts):
            own = [attempt for attempt in attempts if attempt.account == name]
            account = self.accounts.get(name)
            first_at = min(attempt.claimed_at for attempt in own)
            before = await self.writer.do(ledger_money.balance_before, self.service, name, first_at)
            if account is None or before is None:
                continue
            try:
                now_credits = await account.client.credits()
            except KieError:
                continue
            explained = await self.writer.do(ledger_evidence.explained_credits, self.service, name, since=before.at)
            found.append(
                Balance(
                    account=name,
                    before_at=before.at,
                    before_credits=before.credits,
                    now_credits=now_credits,
                    explained_credits=explained,
                    unconfirmed_credits=sum(attempt.price_credits for attempt in own),
                )
            )
        return found

    async def adopt(self, attempt: Attempt, task_id: str) -> str | None:
        """Give an attempt its task after KIE's record has proven it; otherwise a sentence saying why not."""
        account = self.accounts.get(attempt.account)
        if account is None:
            return f"account {attempt.account} made this order; set KIE_API_KEY to its key, so that KIE can be asked"
        verdict, fetched = await recover.look_up(account, attempt, task_id)
        is_named = verdict is Verdict.NO_PROOF and await self._is_named(attempt, task_id)
        if verdict in {Verdict.OURS, Verdict.SAME_ORDER} or is_named:
            adopted = await recover.adopt(self.writer, attempt, task_id)
            if adopted.state is AttemptState.SUBMITTED and adopted.task_id == task_id:
                return None
            return "the ledger has this task for another order already"
        if verdict is Verdict.NO_PROOF:
            return "KIE's record of it does not say what was ordered, and no callback has named it for this order"
        if verdict is Verdict.NOT_OURS:
            return "KIE made this task from another order (its prompt, parameters, time or callback address differ)"
        if verdict is Verdict.NOT_KNOWN:
            return "KIE does not know this task; check the id, and that it was made with this account"
        return f"KIE gave no usable answer ({fetched.msg}); try again"

    async def _is_named(self, attempt: Attempt, task_id: str) -> bool:
        """Has a callback to this attempt's own address, or the answer to its order, named the task?"""
        hints = await self.writer.do(ledger_callbacks.callbacks_of, [attempt.attempt_id])
        return any(hint.task_id == task_id for hint in hints)

    async def give_up(self, attempt: Attempt, *, is_given_up: bool) -> bool:
        """Abandon an attempt; False if it was settled meanwhile. ``is_given_up``: nobody buys the request again."""
        now = datetime.now(UTC)
        told = "given up" if is_given_up else "to be bought again"
        reason = f"{told} by a person on {now:%Y-%m-%d}; KIE may have charged {attempt.price_credits:,.10g} credits"
        after = mark_abandoned(attempt, reason=reason, is_given_up=is_given_up, at=now)
        return await self.writer.do(ledger.save, attempt, after, run_id=RUN_ID)
