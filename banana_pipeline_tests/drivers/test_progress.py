"""The line that tells a person how far a run is."""

from banana_pipeline.progress import Progress


def test_the_first_line_tells_what_is_known() -> None:
    told = Progress(planned=200, settled=3, in_flight=7, bought=10, spent_credits=180.0).line(now_s=0.0)
    assert told == "3 of 200 requests settled, 7 in flight, 10 bought, 180 credits ($0.90) spent"


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
