"""``banana status --check``: is the ledger sound, and what to do if it is not.

Lives here: words for each check, and the two forms, lines and JSON. Does not live here: the questions
(``store.ledger_check``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from banana_pipeline.settings import Settings
from banana_pipeline.store.ledger_check import Check, Finding, check_ledger
from banana_pipeline.store.ledger_open import ledger_exists

_SHOWN = 5

_TITLES = {
    Check.FILE: "the file is whole",
    Check.SCHEMA: "all tables, columns and indexes are there",
    Check.VALUES: "every attempt has possible values",
    Check.ONE_LIVE_ATTEMPT: "one live attempt per request",
    Check.TASK_IDS: "each task belongs to one attempt",
    Check.BOUGHT_TWICE: "no request was charged twice",
    Check.HISTORY: "every attempt's history leads to where it stands",
    Check.SPENDING: "the spending counters equal the attempts",
    Check.MISSING_TASK: "what was bought has a task id",
    Check.MISSING_RESULT: "what succeeded has a picture",
    Check.TIMES: "times run forwards",
}

_BACKUP = "Stop all runs, keep a copy of the ledger, and put back a backup that passes this check."
_ASK_KIE = "Compare the tasks with the logs at kie.ai before anything is bought again."
_WHAT_TO_DO = {
    Check.FILE: f"The disk or another program has damaged the file. {_BACKUP}",
    Check.SCHEMA: f"Somebody has changed the tables by hand; no claim is safe without them. {_BACKUP}",
    Check.VALUES: f"Somebody has changed these attempts by hand. {_BACKUP}",
    Check.ONE_LIVE_ATTEMPT: f"Such a request may have been paid twice. {_ASK_KIE}",
    Check.TASK_IDS: f"Only one of the attempts can be the task's own. {_ASK_KIE}",
    Check.BOUGHT_TWICE: "Ask KIE for the money back; the task ids are in the outputs and in the ledger.",
    Check.HISTORY: f"The ledger was changed by hand or by a fault of this program. {_ASK_KIE} Please report it.",
    Check.SPENDING: "Budgets would be kept wrongly: set BANANA_MAX_CREDITS_PER_DAY with care, and please report it.",
    Check.MISSING_TASK: f"These results cannot be collected. {_ASK_KIE}",
    Check.MISSING_RESULT: "Look the tasks up at kie.ai: their pictures are kept there for a while.",
    Check.TIMES: "A clock was set back meanwhile; nothing is broken.",
}


def check(settings: Settings) -> list[Finding]:
    """What the checks found; empty if there is no ledger yet.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return check_ledger(settings.ledger_url) if ledger_exists(settings.ledger_url) else []


def check_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """One line for each check; below a problem the first examples and what to do."""
    if not findings:
        yield "There is no ledger yet: nothing was ever bought."
    for finding in findings:
        yield f"{_result(finding):<12} {_TITLES[finding.check]}" + (f": {finding.count:,}" if finding.count else "")
        if finding.count:
            yield from (f"{'':<13}{example}" for example in finding.examples[:_SHOWN])
            if finding.count > _SHOWN:
                yield f"{'':<13}... and {finding.count - _SHOWN:,} more"
            yield f"{'':<13}{_WHAT_TO_DO[finding.check]}"


def check_dict(findings: Sequence[Finding]) -> dict[str, object]:
    """The same for programs, with more examples."""
    return {
        "is_well": is_well(findings),
        "checks": [
            {
                "check": str(finding.check),
                "title": _TITLES[finding.check],
                "result": _result(finding),
                "count": finding.count,
                "examples": list(finding.examples),
                "what_to_do": _WHAT_TO_DO[finding.check] if finding.count else None,
            }
            for finding in findings
        ],
    }


def is_well(findings: Sequence[Finding]) -> bool:
    return not any(finding.is_problem for finding in findings)


def _result(finding: Finding) -> str:
    if not finding.is_asked:
        return "not checked"
    if finding.is_problem:
        return "problem"
    return "warning" if finding.count else "ok"
