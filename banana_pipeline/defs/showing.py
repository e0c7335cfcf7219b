"""What is only shown never hurts what is paid, kept or asked for.

Lives here: the places where an exception of something shown ends: told once in the log, with nothing else lost. Does
not live here: what is shown (each asset), the sentences of a user's mistakes (``events``).
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec

import dagster as dg

from banana_pipeline.core.told import sentences_of
from banana_pipeline.progress import Progress

P = ParamSpec("P")


def _told(error: Exception) -> str:
    return " ".join(sentences_of(error))


def shown(context: dg.AssetExecutionContext, what: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What ``make`` has to show; nothing, and a line in the log, where it fails."""
    try:
        return dict(make())
    except Exception as error:
        context.log.warning(f"{what} cannot be shown: {_told(error)}")
        return {}


@contextlib.contextmanager
def told_only(context: dg.AssetExecutionContext, progress: Progress, what: str) -> Iterator[None]:
    """For an asset that is only looked at: where it cannot be made, the one of before stays and a sentence says why."""
    try:
        yield
    except Exception as error:
        sentence = f"{what} could not be made: {_told(error)}"
        context.log.error(sentence)
        progress.notice(sentence)


def never_fails(check: Callable[P, dg.AssetCheckResult]) -> Callable[P, dg.AssetCheckResult]:
    """A check that cannot look is a warning that says why. It fails no run, least of all that of another table."""

    @functools.wraps(check)
    def looked(*args: P.args, **kwargs: P.kwargs) -> dg.AssetCheckResult:
        try:
            return check(*args, **kwargs)
        except Exception as error:
            return dg.AssetCheckResult(
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"This check could not look: {_told(error)}",
            )

    return looked
