"""When to look: bounds, monotony, and how many looks and how much waiting that makes (simulated, no clock)."""

import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.timing import backoff_s, first_poll_s, jittered, next_poll_s

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


def _simulate(draw: Callable[[random.Random], float], tasks: int = 2_000) -> tuple[float, float]:
    """Mean number of polls, and mean seconds between completion and the poll that sees it, once learned."""
    source = random.Random(7)
    known = deque((draw(source) for _ in range(100)), maxlen=100)
    polls, waited_s = 0, 0.0
    for _ in range(tasks):
        latency_s = draw(source)
        age_s = jittered(first_poll_s(known), source.random())
        polls += 1
        while age_s < latency_s:
            age_s += jittered(next_poll_s(age_s=age_s, latencies_s=known), source.random())
            polls += 1
        waited_s += age_s - latency_s
        known.append(latency_s)
    return polls / tasks, waited_s / tasks


@pytest.mark.parametrize(
    ("draw", "most_wait_s"),
    [
        (lambda _: 0.2, 0.1),
        (lambda _: 30.0, 2.0),
        (lambda source: source.uniform(2, 5), 0.5),
        # 95 % between 20 and 90 s. No rule that asks five times waits much less than 4 s here: for a density f and
        # a share still running S, polls x wait is at least (integral of sqrt(f * S)) ** 2 / 2.
        (lambda source: source.lognormvariate(3.75, 0.384), 4.5),
    ],
    ids=["0.2 s", "30 s", "2 to 5 s", "20 to 90 s"],
)
def test_five_polls_find_a_result_soon(draw: Callable[[random.Random], float], most_wait_s: float) -> None:
    polls, waited_s = _simulate(draw)
    assert polls <= 5
    assert waited_s <= most_wait_s


def test_a_service_that_turned_slow_is_not_hammered() -> None:
    known, age_s, polls = [30.0] * 100, 0.0, 1
    age_s = first_poll_s(known)
    while age_s < 900:
        age_s += next_poll_s(age_s=age_s, latencies_s=known)
        polls += 1
    assert polls < 60
