"""When to poll, when to give up, how long to wait. Pure functions of numbers passed in; seconds everywhere.

Lives here: formulas. Does not live here: clocks and sleeping (``generate``), the shared limit (``kie.pace``).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

VISIBILITY_GRACE_S = 90.0
"""How long an unknown task id may still become visible after its creation (protocol reference, section 3)."""

EMPTY_RESULT_POLLS = 3
"""How many more times a success without a result URL is asked again (protocol reference, section 7)."""

POST_TIMEOUT_S = 60.0
"""Longest wait for the answer to a paid POST."""

CLAIM_S = POST_TIMEOUT_S + 30.0
"""A ``submitting`` row older than this belongs to a dead process: its own POST must have ended by then."""

LEAST_CALLBACK_PATIENCE_S = 60.0
"""KIE tries a callback again after 1, 5 and 30 s (protocol reference, section 4)."""

PICTURE_AT_RISK_S = 20 * 3600.0
"""Age at which a picture that is not archived is an alarm: KIE deletes it after about 24 h, and a person needs time."""

RATE_WINDOW_PAUSE_S = 10.0
MAINTENANCE_PAUSE_S = 120.0
LONGEST_PAUSE_S = 120.0
"""After a 429, whatever ``Retry-After`` says: a day would stop all buying, and asking again is free."""

NOT_SENT_PAUSE_S = 3.0

_PRIOR_FIRST_POLL_S = 3.0
_PRIOR_LATENCY_S = 90.0  # the upper end of what is typical (protocol reference, section 9)
_SHORTEST_POLL_S = 0.1
_LONGEST_LEARNED_S = 120.0
_LONGEST_POLL_S = 30.0
_LEAST_KNOWN = 5
_STEPS = 13
_LONGEST_UNSEEN_S = _LONGEST_LEARNED_S / 3  # by which `probable_end` lies before the next of the rarest polls


def first_poll_s(latencies_s: Sequence[float]) -> float:
    """Seconds from submission to the first poll.

    With at least five known latencies the moment by which about a seventh of the tasks have ended (`next_poll_s` at
    age 0), two minutes at the most; before that KIE's own advice of 2 to 3 s (protocol reference, section 3).
    """
    if len(latencies_s) < _LEAST_KNOWN:
        return _PRIOR_FIRST_POLL_S
    return min(_LONGEST_LEARNED_S, max(_SHORTEST_POLL_S, _aim_s(0.0, sorted(latencies_s))))


def next_poll_s(*, age_s: float, latencies_s: Sequence[float]) -> float:
    """Seconds until the next poll of a task that is ``age_s`` old and not finished, 0.1 to 120.

    Polls stand at the ages where the square root of the share of tasks that still run has fallen by 1/13 each: close
    together where many tasks end. For a given number of polls hardly anything waits less, and that number is below 5
    on average whatever the latencies are (the sum of the shares at each step, 13/3 + 1/2). Past the longest known
    latency a twelfth of the age, 30 s at the most. Without known latencies KIE's advice: 2.5 s for 30 s, then a
    twelfth of the age, which is 5 to 10 s up to two minutes.
    """
    if len(latencies_s) < _LEAST_KNOWN:
        return min(_LONGEST_POLL_S, max(2.5, age_s / 12))
    aim_s = _aim_s(age_s, sorted(latencies_s))
    return min(_LONGEST_LEARNED_S, max(_SHORTEST_POLL_S, 0.03 * age_s, aim_s - age_s))


def overdue_callback_s(latencies_s: Sequence[float]) -> float:
    """Age at which a task is polled although its callback has not come: the longest latency and a quarter of it."""
    return min(_LONGEST_LEARNED_S, 1.25 * max(latencies_s, default=_PRIOR_LATENCY_S) + _PRIOR_FIRST_POLL_S)


def callback_patience_s(*, latencies_s: Sequence[float], deadline_s: float) -> float:
    """How long after its claim an unanswered order may still be found by a callback: three of the longest latencies."""
    return min(deadline_s, max(LEAST_CALLBACK_PATIENCE_S, 3 * max(latencies_s, default=_PRIOR_LATENCY_S)))


def _aim_s(age_s: float, ordered_s: Sequence[float]) -> float:
    """Age at which a task of ``age_s`` should be looked at next; ``ordered_s``: known latencies, ascending."""
    count = len(ordered_s)
    running = 1.0 - bisect_right(ordered_s, age_s) / count
    if running <= 0.0:
        return age_s + min(_LONGEST_POLL_S, age_s / 12)
    root = max(0.0, math.sqrt(running) - 1 / _STEPS)
    return ordered_s[min(count, math.ceil((1.0 - root * root) * count)) - 1]


def probable_end(*, running_at: datetime, seen_at: datetime) -> datetime:
    """When a task probably ended that was last known to run at one moment and seen finished at another.

    Two thirds of the way: the middle would be the fairest guess, but latencies learned from it lead to 5.0 polls per
    task, and those from this to 4.7, for hardly more waiting.
    """
    return seen_at - max(timedelta(), seen_at - running_at) / 3


def learned_latency_s(
    *, told_s: float | None, claimed_at: datetime, submitted_at: datetime | None, ended_at: datetime, seen_at: datetime
) -> float | None:
    """Seconds that a finished task took, as something to learn from; None where that is not known well enough.

    Args:
        told_s: KIE's own figure. It is the difference of two readings of a clock, and clocks jump: it counts up to the
            time from the claim until the end was seen.
        ended_at: without that figure, the `probable_end`. It counts where the task was followed while it ran: where a
            later run was the first to look again, nobody knows how long it had been finished by then; and where the
            order's answer was lost, ``submitted_at`` is the moment at which the task was found.
    """
    seen_s = (seen_at - claimed_at).total_seconds()
    if told_s is not None:
        return max(0.0, min(told_s, seen_s))
    took_s = (ended_at - claimed_at).total_seconds()
    is_followed = 0.0 <= (seen_at - ended_at).total_seconds() <= _LONGEST_UNSEEN_S
    is_answered = submitted_at is not None and (submitted_at - claimed_at).total_seconds() <= POST_TIMEOUT_S
    return took_s if took_s > 0.0 and is_followed and is_answered else None


def backoff_s(*, tries: int, first_s: float = 1.0, cap_s: float = 30.0) -> float:
    """Exponential back-off before try number ``tries`` (from 1): ``min(cap, first * 2 ** (tries - 1))`` seconds."""
    return min(cap_s, first_s * 2 ** min(tries - 1, 16))


def jittered(seconds: float, fraction: float) -> float:
    """``seconds`` spread over plus or minus 10 %; ``fraction`` is a random number in [0, 1)."""
    return seconds * (0.9 + 0.2 * fraction)
