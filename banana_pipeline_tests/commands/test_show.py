"""What a person sees while a run is under way, on a terminal of 80 columns and on none."""

import io
import os
import pty
import sys
import threading
import time

import pytest
from rich.console import Console

from banana_pipeline.commands.show import progress_bar, table_of
from banana_pipeline.commands.streams import own_error_stream
from banana_pipeline.progress import Progress
from banana_pipeline_tests.core.histories import new_attempt

UNDER_WAY = "1 in flight (18 credits), 0 bought (0 credits, $0.00), 0 archived"


@pytest.fixture
def under_way() -> Progress:
    progress = Progress(planned=2)
    progress.begin_order(new_attempt())
    return progress


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_bar_tells_what_is_in_flight_apart_from_what_is_bought(
    under_way: Progress, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    seen = bytearray()

    def read() -> None:
        while UNDER_WAY.encode() not in seen:
            seen.extend(os.read(master, 4096))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with io.TextIOWrapper(io.FileIO(slave, "w"), encoding=encoding) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar(under_way):
            reader.join(10)
    assert UNDER_WAY in seen.decode()
    assert "\\u" not in seen.decode()


def test_a_terminal_that_is_closed_ends_nothing(under_way: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with io.TextIOWrapper(io.FileIO(slave, "w"), encoding="ascii") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar(under_way):
            os.close(master)
            time.sleep(0.7)  # one drawing


def test_it_is_drawn_where_standard_error_was_when_it_began(capfd: pytest.CaptureFixture[str]) -> None:
    """Dagster leads standard error into a file while a step works."""
    with own_error_stream() as stream:
        kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        print("still here", file=stream)
        os.dup2(kept, 2)
    assert "still here" in capfd.readouterr().err


def test_a_table_that_is_too_wide_is_folded_and_not_shortened() -> None:
    out = io.StringIO()
    Console(file=out, width=20).print(table_of(["table", "succeeded"], [["a table with a long name", 1_000]]))
    assert "…" not in out.getvalue()
    assert "1,000" in out.getvalue()


def test_what_a_terminal_obeys_is_shown_and_not_obeyed() -> None:
    out = io.StringIO()
    Console(file=out, width=60).print(table_of(["table"], [["red \x1b[31m"]]))
    assert "red \\x1b[31m" in out.getvalue()
