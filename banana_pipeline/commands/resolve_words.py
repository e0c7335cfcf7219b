"""``banana resolve`` in words, for a terminal and as JSON.

Lives here: sentences and tables. Does not live here: what is done (``commands.resolve``).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from banana_pipeline.commands.resolve import SHOWN_ID_CHARACTERS, Resolved
from banana_pipeline.commands.show import table_of
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.requests import usd
from banana_pipeline.resolve import Balance
from banana_pipeline.store.ledger_callbacks import Hint

_SHOWN_PROMPT_CHARACTERS = 60


def print_resolved(out: Console, result: Resolved, table: str | None) -> None:
    """Everything that was done, what is left, and the evidence."""
    run_again = f"Now run: banana run {table or 'TABLE'}"
    if result.found_by_callback:
        out.print(f"{len(result.found_by_callback)} found again and proven. {run_again} (costs nothing).")
    if result.adopted:
        out.print(f"{len(result.adopted)} given their tasks. {run_again} (costs nothing).")
    if result.resubmitted:
        price = sum(attempt.price_credits for attempt in result.resubmitted)
        out.print(
            f"{len(result.resubmitted)} will be bought again for {price:,.10g} credits (${usd(price):.2f}). {run_again}"
        )
    if result.abandoned:
        out.print(f"{len(result.abandoned)} given up; they are not bought again.")
    for problem in result.problems:
        out.print(Text(problem, style="bold"))
    if result.left:
        _print_left(out, result.left, table)
        _print_named(out, result.left, result.named_tasks)
    elif not (result.found_by_callback or result.adopted or result.resubmitted or result.abandoned or result.problems):
        out.print("No order is unconfirmed: the fate of every order is known.")
    for balance in result.balances:
        out.print(Text(balance_sentence(balance)))


def _print_left(out: Console, left: Sequence[Attempt], table: str | None) -> None:
    columns = ["attempt", "table", "row", "sent at (UTC)", "credits", "prompt", "what is known"]
    rows = [
        [
            _short(attempt),
            attempt.prompt_table,
            attempt.row_number,
            f"{attempt.claimed_at:%Y-%m-%d %H:%M:%S}",
            attempt.price_credits,
            prompt_of(attempt)[:_SHOWN_PROMPT_CHARACTERS],
            attempt.status_reason or "",
        ]
        for attempt in left
    ]
    out.print(table_of(columns, rows))
    name = table or "TABLE"
    out.print(
        Text(
            f"{len(left)} orders got no answer: KIE may have made and charged them, and they are never sent again by "
            "themselves. Look for them at https://kie.ai/logs, then\n"
            f"  banana resolve {name} --task-id ATTEMPT=TASK   if the task is there (checked, costs nothing)\n"
            f"  banana resolve {name} --resubmit               to buy them again (only --attempt ATTEMPT: that one)\n"
            f"  banana resolve {name} --abandon                to do without them"
        )
    )


def _print_named(out: Console, left: Sequence[Attempt], named: Mapping[str, Sequence[Hint]]) -> None:
    if not named:
        return
    out.print(Text("A callback or an answer has named a task for some of them, not proven yet. To check and take it:"))
    for attempt in left:
        for hint in named.get(attempt.attempt_id, []):
            # A stranger may have sent the callback, and a person copies the line into a shell.
            pair = shlex.quote(f"{_short(attempt)}={hint.task_id}")
            line = f"  banana resolve {shlex.quote(attempt.prompt_table)} --task-id {pair}   ({_said_of(hint)})"
            out.print(Text(line), soft_wrap=True)


def _said_of(hint: Hint) -> str:
    told = "KIE's answer to the order names it" if hint.is_by_answer else f"named {hint.received_at:%Y-%m-%d %H:%M} UTC"
    return told if hint.is_open else f"{told}; KIE's record: {hint.verdict}"


def balance_sentence(balance: Balance) -> str:
    """What the balance says, in words."""
    unexplained, price = balance.unexplained_credits, balance.unconfirmed_credits
    told = (
        f"Account {balance.account}: {_credits(balance.before_credits)} at {balance.before_at:%Y-%m-%d %H:%M:%S}, "
        f"{_credits(balance.now_credits)} now; orders with an answer took {_credits(balance.explained_credits)}"
    )
    if unexplained == 0:
        return f"{told}, all that is gone: most likely none of the unconfirmed ones was made."
    if unexplained < 0:
        return f"{told}. It was topped up meanwhile ({_credits(-unexplained)} or more), so the balance proves nothing."
    told = f"{told}, and {_credits(unexplained)} are unexplained"
    if unexplained < price:
        return f"{told}: most likely some of the unconfirmed ones ({_credits(price)} in all) were made."
    rest = "" if unexplained == price else "; the rest was spent outside this ledger"
    return f"{told}: most likely all unconfirmed ones ({_credits(price)}) were made{rest}."


def _credits(amount: float) -> str:
    return f"{amount:,.10g} credits"


def resolved_dict(result: Resolved) -> dict[str, object]:
    """The same for programs."""
    ids = {
        name: [attempt.attempt_id for attempt in getattr(result, name)]
        for name in ("found_by_callback", "adopted", "resubmitted", "abandoned")
    }
    unconfirmed = [
        {
            "attempt_id": attempt.attempt_id,
            "prompt_table": attempt.prompt_table,
            "row_number": attempt.row_number,
            "account": attempt.account,
            "claimed_at": attempt.claimed_at.isoformat(),
            "price_credits": attempt.price_credits,
            "prompt": prompt_of(attempt),
            "status_reason": attempt.status_reason,
            "named_task_ids": [hint.task_id for hint in result.named_tasks.get(attempt.attempt_id, [])],
        }
        for attempt in result.left
    ]
    evidence = [
        {
            "account": balance.account,
            "before_at": balance.before_at.isoformat(),
            "before_credits": balance.before_credits,
            "now_credits": balance.now_credits,
            "explained_credits": balance.explained_credits,
            "unexplained_credits": balance.unexplained_credits,
            "unconfirmed_credits": balance.unconfirmed_credits,
        }
        for balance in result.balances
    ]
    return {**ids, "problems": result.problems, "unconfirmed": unconfirmed, "balances": evidence}


def prompt_of(attempt: Attempt) -> str:
    """The prompt that was sent, on one line."""
    return " ".join(str(json.loads(attempt.input_json).get("prompt", "")).split())


def _short(attempt: Attempt) -> str:
    return attempt.attempt_id[:SHOWN_ID_CHARACTERS]
