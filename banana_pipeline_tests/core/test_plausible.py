"""Figures that cannot be true count as not told, and true ones of every size are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from banana_pipeline.core.plausible import (
    plausible_balance,
    plausible_cost,
    plausible_duration_s,
    plausible_end,
    plausible_moment,
)

NAN, INF = float("nan"), float("inf")
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("told", [0.0, 0.25, 18.0, 24.0, 180.0])
def test_a_cost_near_the_price_is_believed(told: float) -> None:
    assert plausible_cost(told, price_credits=18.0) == told


@pytest.mark.parametrize("told", [None, -0.01, -18.0, 180.5, 1e9, NAN, INF, -INF])
def test_a_cost_that_cannot_be_is_not_told(told: float | None) -> None:
    assert plausible_cost(told, price_credits=18.0) is None


@pytest.mark.parametrize("told", [0.0, -36.5, 5916.25, 1e7])
def test_a_balance_may_be_a_debt(told: float) -> None:
    assert plausible_balance(told) == told


@pytest.mark.parametrize("told", [None, 1e10, -1e10, NAN, INF, -INF])
def test_a_balance_beyond_measure_is_not_told(told: float | None) -> None:
    assert plausible_balance(told) is None


@pytest.mark.parametrize("epoch_ms", [None, 0.0, 1_000.0, 1_777_539_190.0, -1.0, 253_402_300_799_000.0, 1e300])
def test_a_moment_in_1970_or_9999_is_not_told(epoch_ms: float | None) -> None:
    assert plausible_moment(epoch_ms) is None


def test_a_moment_of_this_time_is_read_to_the_millisecond() -> None:
    assert plausible_moment(1_777_539_190_339.0) == datetime(2026, 4, 30, 8, 53, 10, 339000, tzinfo=UTC)


@pytest.mark.parametrize(("days", "is_plausible"), [(0, True), (-0.9, True), (0.9, True), (-2, False), (2, False)])
def test_a_task_ended_within_a_day_of_its_order_and_of_its_last_look(days: float, is_plausible: bool) -> None:
    told_at = NOW + timedelta(days=days)
    found = plausible_end(told_at, claimed_at=NOW, seen_at=NOW)
    assert found == (told_at if is_plausible else None)


@pytest.mark.parametrize(("told_s", "is_plausible"), [(30.0, True), (0.0, True), (-1.0, False), (1e6, False)])
def test_a_task_takes_no_longer_than_it_was_waited_for_and_a_day(told_s: float, is_plausible: bool) -> None:
    seen_at = NOW + timedelta(seconds=40)
    assert plausible_duration_s(told_s, claimed_at=NOW, seen_at=seen_at) == (told_s if is_plausible else None)
