"""``banana resolve``: orders whose answer was lost, shown with the evidence and settled by a person.

Lives here: which orders are meant, and what is done in which order. Does not live here: evidence and proof
(``resolve``), words (``commands.resolve_words``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from banana_pipeline.accounts import accounts_of
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.resolve import Balance, Resolver
from banana_pipeline.settings import Settings
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_callbacks import Hint
from banana_pipeline.store.ledger_open import ledger_exists

SHOWN_ID_CHARACTERS = 12
_LEAST_PREFIX = 6


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a person has decided.

    Attributes:
        task_ids: (attempt, task) pairs to adopt; attempts by their first characters.
        attempts: which attempts ``is_resubmitted`` or ``is_abandoned`` mean; empty: all that are listed.
    """

    task_ids: Sequence[tuple[str, str]] = ()
    attempts: Sequence[str] = ()
    is_resubmitted: bool = False
    is_abandoned: bool = False


@dataclass(kw_only=True)
class Resolved:
    """What was found and done.

    Attributes:
        problems: one sentence for each decision that could not be carried out.
        named_tasks: by attempt id, the tasks that a callback or an answer has named without being proven right.
    """

    found_by_callback: list[Attempt] = field(default_factory=list)
    adopted: list[Attempt] = field(default_factory=list)
    resubmitted: list[Attempt] = field(default_factory=list)
    abandoned: list[Attempt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left: list[Attempt] = field(default_factory=list)
    named_tasks: dict[str, list[Hint]] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.problems and not self.left


def parse_pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """``ATTEMPT=TASK`` texts as pairs.

    Raises:
        SettingsError: one has another form.
    """
    pairs = []
    for text in texts:
        attempt, equals, task = (part.strip() for part in text.partition("="))
        if not (attempt and equals and task):
            raise SettingsError(
                f"--task-id {text!r} is not of the form ATTEMPT=TASK; write the attempt as it is listed"
            )
        pairs.append((attempt, task))
    return pairs


def resolve(settings: Settings, prompt_table: str | None, decisions: Decisions) -> Resolved:
    """List and settle. Without a key the list is shown all the same, without evidence.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    if not ledger_exists(settings.ledger_url):
        return Resolved()
    return anyio.run(_resolve, settings, prompt_table, decisions)


async def _resolve(settings: Settings, prompt_table: str | None, decisions: Decisions) -> Resolved:
    with LedgerWriter(settings.ledger_url) as writer:
        async with accounts_of(settings) as accounts:
            by_name = {account.name: account for account in accounts}
            resolver = Resolver(writer=writer, service=settings.service, accounts=by_name)
            listed = await resolver.unresolved(prompt_table)
            result = Resolved(found_by_callback=await resolver.follow_hints(listed))
            await _adopt_all(resolver, listed, decisions, result)
            await _give_up_all(resolver, await resolver.unresolved(prompt_table), decisions, result)
            result.left = await resolver.unresolved(prompt_table)
            result.named_tasks = await resolver.named_tasks(result.left)
            result.balances = await resolver.balances(result.left)
            return result


async def _adopt_all(resolver: Resolver, listed: Sequence[Attempt], decisions: Decisions, result: Resolved) -> None:
    for text, task_id in decisions.task_ids:
        attempt = _named(listed, text, result.problems)
        if attempt is None:
            continue
        name, problem = attempt.attempt_id[:SHOWN_ID_CHARACTERS], await resolver.adopt(attempt, task_id)
        if problem is None:
            result.adopted.append(attempt)
        else:
            result.problems.append(f"Task {task_id} was not taken for attempt {name}: {problem}.")


async def _give_up_all(resolver: Resolver, listed: Sequence[Attempt], decisions: Decisions, result: Resolved) -> None:
    if not (decisions.is_resubmitted or decisions.is_abandoned):
        return
    named = [_named(listed, text, result.problems) for text in decisions.attempts]
    for attempt in [one for one in named if one is not None] if decisions.attempts else listed:
        if await resolver.give_up(attempt, is_given_up=decisions.is_abandoned):
            (result.abandoned if decisions.is_abandoned else result.resubmitted).append(attempt)


def _named(listed: Sequence[Attempt], text: str, problems: list[str]) -> Attempt | None:
    found = [attempt for attempt in listed if attempt.attempt_id.startswith(text)]
    if len(found) == 1 and len(text) >= _LEAST_PREFIX:
        return found[0]
    why = "there is no unconfirmed attempt of that name" if not found else "write more of its name"
    problems.append(f"Attempt {text!r}: {why}.")
    return None
