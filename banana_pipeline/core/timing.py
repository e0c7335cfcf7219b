"""When to poll, when to give up, how long to wait. Pure functions of numbers passed in; seconds everywhere.

Lives here: formulas. Does not live here: clocks and sleeping (``generate``), the shared limit (``kie.pace``).
"""

from __future__ import annotations

from collections.abc import Sequence

VISIBILITY_GRACE_S = 90.0
"""How long an unknown task id may still become visible after its creation (protocol reference, section 3)."""

EMPTY_RESULT_POLLS = 3
"""How many more times a success without a result URL is asked again (protocol reference, section 7)."""

POST_TIMEOUT_S = 60.0
"""Longest wait for the answer to a paid POST."""

CLAIM_S = POST_TIMEOUT_S + 30.0
"""A ``submitting`` row older than this belongs to a dead process: its own POST must have ended by then."""

RATE_WINDOW_PAUSE_S = 10.0
MAINTENANCE_PAUSE_S = 120.0
NOT_SENT_PAUSE_S = 3.0

_PRIOR_FIRST_POLL_S = 3.0
_SHORTEST_POLL_S = 0.1


def first_poll_s(latencies_s: Sequence[float]) -> float:
    """Seconds from submission to the first poll.

    With at least five known latencies it is their lower quartile (less would waste polls, more would make the quick
    ones wait); before that KIE's own advice of 2 to 3 s (protocol reference, section 3).
    """
    if len(latencies_s) < 5:
        return _PRIOR_FIRST_POLL_S
    ordered = sorted(latencies_s)
    return max(_SHORTEST_POLL_S, ordered[len(ordered) // 4])


def next_poll_s(*, age_s: float, latencies_s: Sequence[float]) -> float:
    """Seconds until the next poll of a task that is ``age_s`` old and not finished.

    An eighth of the usual latency while the task is within it, then growing with its age: the mean wait after
    completion is half an interval. Without known latencies KIE's advice: 2.5 s for 30 s, then a twelfth of the age,
    which is 5 to 10 s up to two minutes; 30 s at the most.
    """
    if len(latencies_s) >= 5:
        usual = sorted(latencies_s)[len(latencies_s) // 2]
        base = max(usual, age_s) / 8
        return min(30.0, max(_SHORTEST_POLL_S, base))
    return min(30.0, max(2.5, age_s / 12))


def backoff_s(*, tries: int, first_s: float = 1.0, cap_s: float = 30.0) -> float:
    """Exponential back-off before try number ``tries`` (from 1): ``min(cap, first * 2 ** (tries - 1))`` seconds."""
    return min(cap_s, first_s * 2 ** min(tries - 1, 16))


def jittered(seconds: float, fraction: float) -> float:
    """``seconds`` spread over plus or minus 10 %; ``fraction`` is a random number in [0, 1)."""
    return seconds * (0.9 + 0.2 * fraction)
