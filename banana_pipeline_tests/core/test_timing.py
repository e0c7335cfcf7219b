"""When to look: bounds, monotony, and how many looks and how much waiting that makes (simulated, no clock)."""

import random
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.timing import (
    backoff_s,
    first_poll_s,
    jittered,
    learned_latency_s,
    next_poll_s,
    probable_end,
)
from banana_pipeline_tests.core.histories import START

latencies = st.lists(st.floats(0, 1e9), max_size=100)


@given(latencies, st.floats(0, 1e8))
def test_no_wait_is_so_short_that_it_hammers_or_so_long_that_it_forgets(known: list[float], age_s: float) -> None:
    for wait_s in (first_poll_s(known), next_poll_s(age_s=age_s, latencies_s=known)):
        assert 0.1 <= wait_s <= 120.0


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_without_knowledge_older_tasks_are_looked_at_less_often(one: float, other: float) -> None:
    younger, older = sorted((one, other))
    assert next_poll_s(age_s=younger, latencies_s=[]) <= next_poll_s(age_s=older, latencies_s=[])


def test_without_knowledge_kies_own_advice_holds() -> None:
    assert 2 <= first_poll_s([]) <= 3
    assert 2 <= next_poll_s(age_s=20, latencies_s=[]) <= 3
    assert 5 <= next_poll_s(age_s=100, latencies_s=[]) <= 10
    assert 15 <= next_poll_s(age_s=300, latencies_s=[]) <= 30


@given(latencies.filter(lambda known: len(known) >= 5))
def test_the_order_in_which_latencies_were_learned_does_not_matter(known: list[float]) -> None:
    assert first_poll_s(known) == first_poll_s(deque(reversed(known)))


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 100))
def test_back_off_grows_up_to_its_cap(tries: int, first: float, cap: float) -> None:
    wait_s, next_s = (backoff_s(tries=n, first_s=first, cap_s=cap) for n in (tries, tries + 1))
    assert first <= wait_s <= next_s <= cap


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_jitter_is_a_tenth_either_way(seconds: float, fraction: float) -> None:
    assert 0.9 * seconds <= jittered(seconds, fraction) <= 1.1 * seconds + 1e-9


Draw = Callable[[random.Random], float]


def _simulate(draw: Draw, tasks: int = 2_000, *, are_times_told: bool = True) -> tuple[float, float]:
    """Mean number of polls, and mean seconds between completion and the poll that sees it, once learned.

    Where the service tells no times, everything is learned from the looks themselves, from nothing on.
    """
    source = random.Random(7)
    known = deque((draw(source) for _ in range(100)), maxlen=100)
    if not are_times_told:
        known.clear()
    polls, waited_s = 0, 0.0
    for number in range(100 + tasks):
        latency_s = draw(source)
        age_s, running_s, looks = jittered(first_poll_s(known), source.random()), 0.0, 1
        while age_s < latency_s:
            running_s = age_s
            age_s += jittered(next_poll_s(age_s=age_s, latencies_s=known), source.random())
            looks += 1
        if number >= 100:
            polls, waited_s = polls + looks, waited_s + age_s - latency_s
        seen_s = latency_s if are_times_told else _seen_s(running_s, age_s)
        if seen_s is not None:
            known.append(seen_s)
    return polls / tasks, waited_s / tasks


def _seen_s(running_s: float, age_s: float) -> float | None:
    """What is learned of a task that still ran at one age and was finished at another."""
    seen_at = START + timedelta(seconds=age_s)
    ended_at = probable_end(running_at=START + timedelta(seconds=running_s), seen_at=seen_at)
    return learned_latency_s(told_s=None, claimed_at=START, submitted_at=START, ended_at=ended_at, seen_at=seen_at)


_SERVICES: list[tuple[Draw, float]] = [
    (lambda _: 0.2, 0.1),
    (lambda _: 30.0, 2.0),
    (lambda source: source.uniform(2, 5), 0.5),
    # 95 % between 20 and 90 s. No rule that asks five times waits much less than 4 s here: for a density f and
    # a share still running S, polls x wait is at least (integral of sqrt(f * S)) ** 2 / 2.
    (lambda source: source.lognormvariate(3.75, 0.384), 4.5),
]
_IDS = ["0.2 s", "30 s", "2 to 5 s", "20 to 90 s"]


@pytest.mark.parametrize("are_times_told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize(("draw", "most_wait_s"), _SERVICES, ids=_IDS)
def test_five_polls_find_a_result_soon(draw: Draw, most_wait_s: float, are_times_told: bool) -> None:
    polls, waited_s = _simulate(draw, are_times_told=are_times_told)
    assert polls <= 5
    assert waited_s <= most_wait_s


def _learned(**given: Any) -> float | None:
    seen_at = START + timedelta(seconds=40)
    times = {"claimed_at": START, "submitted_at": START + timedelta(seconds=1), "ended_at": seen_at, "seen_at": seen_at}
    return learned_latency_s(**{"told_s": None, **times, **given})


def test_kies_own_figure_counts_up_to_what_was_seen() -> None:
    assert _learned(told_s=31.5) == 31.5
    assert _learned(told_s=3_600.0) == 40.0


def test_without_it_the_time_from_the_claim_to_the_probable_end_counts() -> None:
    assert _learned(ended_at=START + timedelta(seconds=38)) == 38.0


def test_a_result_that_a_later_run_has_found_teaches_nothing() -> None:
    seen_at = START + timedelta(hours=3)
    ended_at = probable_end(running_at=START, seen_at=seen_at)
    assert _learned(ended_at=ended_at, seen_at=seen_at) is None


def test_an_order_that_was_lost_for_a_while_teaches_nothing() -> None:
    found_at = START + timedelta(hours=3)
    assert _learned(submitted_at=found_at, ended_at=found_at, seen_at=found_at) is None
    assert _learned(submitted_at=None) is None


def test_a_clock_that_went_back_teaches_nothing() -> None:
    running_at, seen_at = START + timedelta(seconds=30), START - timedelta(seconds=5)
    ended_at = probable_end(running_at=running_at, seen_at=seen_at)
    assert ended_at == seen_at
    assert _learned(ended_at=ended_at, seen_at=seen_at) is None


def test_a_service_that_turned_slow_is_not_hammered() -> None:
    known, age_s, polls = [30.0] * 100, 0.0, 1
    age_s = first_poll_s(known)
    while age_s < 900:
        age_s += next_poll_s(age_s=age_s, latencies_s=known)
        polls += 1
    assert polls < 60
