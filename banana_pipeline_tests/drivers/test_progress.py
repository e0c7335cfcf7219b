"""The line that tells a person how far a run is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.progress import Progress
from banana_pipeline_tests.core.histories import START, failed, new_attempt, submitted, succeeded

ENDS = [
    succeeded(),
    succeeded(24.5),
    failed("500", "Internal Error"),
    failed("500", "no picture", charged=18.0),
    submitted(),
    moves.mark_overdue(submitted(), reason="late", at=START, credits_consumed=20.0),
    moves.mark_unconfirmed(new_attempt(), reason="no answer", at=START),
    moves.mark_refused(new_attempt(), reason="no", code=422, msg="no", at=START),
]


def test_the_first_line_tells_what_is_known() -> None:
    told = Progress(planned=200, settled=3, bought=10, spent_credits=180.0).line(now_s=0.0)
    assert told == "3 of 200 requests settled, 0 in flight, 10 bought, 180 credits ($0.90) spent"


def test_an_order_under_way_is_in_flight_and_nothing_is_bought_or_spent() -> None:
    progress = Progress(planned=1)
    progress.begin_order(new_attempt())
    told = progress.line(now_s=0.0)
    assert told == ("0 of 1 requests settled, 1 in flight, 0 bought, 0 credits ($0.00) spent, 18 credits in flight")


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (succeeded(), "0 in flight, 1 bought, 18 credits ($0.09) spent"),
        (succeeded(20.0), "0 in flight, 1 bought, 20 credits ($0.10) spent"),
        (failed("500", "Internal Error"), "0 in flight, 0 bought, 0 credits ($0.00) spent"),
        (submitted(), "1 in flight, 0 bought, 0 credits ($0.00) spent, 18 credits in flight"),
        (
            moves.mark_unconfirmed(new_attempt(), reason="no answer", at=START),
            "0 in flight, 0 bought, 0 credits ($0.00) spent, 1 without an answer (perhaps 18 credits)",
        ),
    ],
)
def test_an_order_that_comes_to_its_end_moves_to_its_place(end: Attempt, told: str) -> None:
    progress = Progress(planned=1)
    progress.begin_order(end)
    progress.end_order(end)
    assert progress.line(now_s=0.0) == f"0 of 1 requests settled, {told}"


@given(st.lists(st.tuples(st.sampled_from(ENDS), st.booleans())))
def test_in_flight_spent_and_unconfirmed_add_up_to_what_the_ledger_counts(orders: list[tuple[Attempt, bool]]) -> None:
    progress, committed = Progress(), 0.0
    for attempt, has_ended in orders:
        progress.begin_order(attempt)
        committed += attempt.committed_credits if has_ended else attempt.price_credits
        if has_ended:
            progress.end_order(attempt)
        shown = progress.in_flight_credits + progress.spent_credits + progress.unconfirmed_credits
        assert shown == pytest.approx(committed)


def test_a_listener_that_fails_stops_nothing() -> None:
    def fail(_: Progress) -> None:
        raise BrokenPipeError

    Progress(tick=fail).show()


def test_a_later_line_tells_the_rate_and_the_time_left() -> None:
    progress = Progress(planned=200)
    progress.line(now_s=0.0)
    progress.settled = 20
    assert progress.line(now_s=10.0).endswith("spent, 2 per s, about 90 s left")


def test_the_rate_is_that_of_the_last_minute() -> None:
    progress = Progress(planned=10_000)
    for now_s in range(0, 201, 5):
        progress.settled = 5_000 if now_s else 0  # five thousand were there already
        progress.settled += now_s
        told = progress.line(now_s=float(now_s))
    assert told.endswith("1 per s, about 80 min left")


def test_hours_are_told_as_hours() -> None:
    progress = Progress(planned=100_000)
    progress.line(now_s=0.0)
    progress.settled = 20
    assert progress.line(now_s=10.0).endswith("2 per s, about 13.9 h left")


def test_what_stands_still_tells_no_rate() -> None:
    progress = Progress(planned=5)
    progress.line(now_s=0.0)
    assert progress.line(now_s=5.0).endswith("spent")


def test_what_is_over_tells_no_time_left() -> None:
    progress = Progress(planned=5)
    progress.line(now_s=0.0)
    progress.settled, progress.archived = 5, 4
    assert progress.line(now_s=5.0).endswith("spent, 4 archived")
