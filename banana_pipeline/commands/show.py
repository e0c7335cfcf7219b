"""What a person sees in the terminal: a progress bar, tables, sentences.

Lives here: rich. Does not live here: where the numbers come from.
Texts of prompts and of KIE are strangers' input: they are printed as plain text, never as markup.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from banana_pipeline.commands.streams import own_error_stream
from banana_pipeline.core.requests import usd
from banana_pipeline.core.told import one_line
from banana_pipeline.progress import Progress, amount

_MOST_LINES = 10
_REFRESH_S = 0.5
_WIDTH_WITHOUT_TERMINAL = 160
_QUIET_LINE_EVERY = 20  # refreshes between two lines where there is no terminal to draw a bar on


def console() -> Console:
    """Standard output, as wide as it is; wide enough for every table where it is no terminal."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)


@contextlib.contextmanager
def progress_bar(progress: Progress) -> Iterator[None]:
    """Draw ``progress`` while the block runs: a bar on a terminal, a line now and then elsewhere."""
    done = threading.Event()
    with own_error_stream() as stream:
        draw = _draw if stream.isatty() else _write_lines
        thread = threading.Thread(target=_harmless, args=(draw, progress, done, stream), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _harmless(draw: Callable[[Progress, threading.Event, TextIO], None], *args: Any) -> None:
    """A bar that cannot be drawn is no reason to frighten a person with a traceback."""
    with contextlib.suppress(Exception):
        draw(*args)


class _Bar(Bar):
    """A bar with a second line for what does not fit beside it on a terminal of 80 columns."""

    second_line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.second_line)


def _draw(progress: Progress, done: threading.Event, stream: TextIO) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"), TimeElapsedColumn())
    with _Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("reading", total=None, numbers="")
        while not done.wait(_REFRESH_S):
            _update(bar, bar.tasks[task], progress)


def _update(bar: _Bar, task: Task, progress: Progress) -> None:
    elapsed_s = task.elapsed or 0.0
    rate = progress.settled / elapsed_s if elapsed_s > 0 else 0.0
    left_s = (progress.planned - progress.settled) / rate if rate > 0 else None
    left = f"  about {left_s:,.0f} s left" if left_s and left_s > 1 else ""
    is_over = progress.planned > 0 and progress.settled >= progress.planned
    lost = f", {progress.unconfirmed:,} without an answer" if progress.unconfirmed else ""
    bar.second_line = (
        f"{progress.in_flight:,} in flight ({amount(progress.in_flight_credits)} credits), {progress.bought:,} bought "
        f"({amount(progress.spent_credits)} credits, ${usd(progress.spent_credits):.2f})"
        f"{lost}, {progress.archived:,} archived"
    )
    bar.update(
        task.id,
        total=progress.planned or None,
        completed=progress.settled,
        description="archiving" if is_over else "generating" if progress.planned else "reading",
        numbers=f"{progress.settled:,}/{progress.planned:,}  {rate:.1f}/s{left}",
    )


def _write_lines(progress: Progress, done: threading.Event, stream: TextIO) -> None:
    count, last = 0, ""
    while not done.wait(_REFRESH_S):
        count += 1
        line = progress.line()
        if count % _QUIET_LINE_EVERY == 0 and progress.planned and line != last:
            print(line, file=stream, flush=True)
            last = line


def table_of(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """A table whose cells are plain text; numbers to the right, a column ``USD`` to the cent."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for position, column in enumerate(columns):
        is_number = all(isinstance(row[position], int | float) for row in rows) and bool(rows)
        # Folded: the sign for "shortened" is a letter that some encodings lack.
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        cells = (_cell(value, is_money=name == "USD") for name, value in zip(columns, row, strict=True))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _cell(value: object, *, is_money: bool = False) -> str:
    if is_money and isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else "" if value is None else _encodable(one_line(str(value)))


def _encodable(text: str) -> str:
    """As it will be printed, so that columns stay straight where letters have to be written as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 task, 2 tasks."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def sentences(out: Console, title: str, lines: Sequence[str]) -> None:
    """A heading and the first lines; says how many more there are."""
    if not lines:
        return
    out.print(Text(title, style="bold"))
    for line in lines[:_MOST_LINES]:
        out.print(Text(f"  {one_line(line)}"))
    if len(lines) > _MOST_LINES:
        out.print(f"  ... and {len(lines) - _MOST_LINES:,} more")
