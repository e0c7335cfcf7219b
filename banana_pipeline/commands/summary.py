"""The end of a run, told to a person.

Lives here: the table of rows by status, and what to do about rows that did not succeed. Does not live here: counting
(``commands.outcome``).
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from banana_pipeline.commands.outcome import RunSummary, TableSummary
from banana_pipeline.commands.show import counted, sentences, table_of
from banana_pipeline.core.decisions import RowStatus
from banana_pipeline.core.requests import usd
from banana_pipeline.core.told import printable
from banana_pipeline.gallery.write import page_in
from banana_pipeline.progress import Progress, amount
from banana_pipeline.settings import Settings
from banana_pipeline.store.files import is_local

_SAID_CHARACTERS = 160
_MOST_ROWS = 4


def print_summary(out: Console, settings: Settings, summary: RunSummary, progress: Progress, elapsed_s: float) -> None:
    """Rows by status, money, failures in words, and where everything is."""
    statuses = [str(status) for status in RowStatus if any(t.rows_by_status.get(status) for t in summary.tables)]
    columns = ["table", *(status.replace("_", " ") for status in statuses), "rejected", "images", "credits", "USD"]
    rows = [
        [
            table.name,
            *(table.rows_by_status.get(status, 0) for status in statuses),
            table.rows_rejected,
            table.images,
            table.credits,
            usd(table.credits),
        ]
        for table in summary.tables
    ]
    out.print(table_of(columns, rows))
    for table in summary.tables:
        _print_problems(out, table)
        _print_unconfirmed(out, table)
    for sentence in [*progress.notices, *summary.errors]:
        out.print(Text(printable(sentence), style="bold"))
    for sentence in summary.notices:
        out.print(Text(printable(sentence)))
    out.print(Text(_spent(summary, progress, elapsed_s)))
    how = "open it in a browser" if is_local(settings.data_dir) else "docs/gallery.md tells how to look at a bucket's"
    out.print(Text(f"Gallery: {page_in(settings.data_dir)} ({how})"))
    out.print(Text(f"Images: {settings.data_dir / 'images'}"))
    out.print(Text(f"Tables: {settings.data_dir / 'warehouse'} (Parquet, one folder per asset)"))


def _print_problems(out: Console, table: TableSummary) -> None:
    rejected = [f"{_row(number, name)}: {problem}" for number, name, problem in table.rejected]
    sentences(out, f"{table.name}: rows that cannot be sent", rejected)
    sentences(out, f"{table.name}: rows without a picture", _grouped(table))
    missing = [f"row {number}: {error}" for number, error in table.not_archived]
    sentences(out, f"{table.name}: pictures that could not be archived", missing)


def _print_unconfirmed(out: Console, table: TableSummary) -> None:
    count = table.rows_by_status.get(RowStatus.UNCONFIRMED, 0)
    if count:
        told = "1 row got no answer to its order" if count == 1 else f"{count:,} rows got no answer to their orders"
        advice = f"never sent again by itself. 'banana resolve {table.name}' shows the evidence and settles it."
        out.print(Text(f"{table.name}: {told}. KIE may have charged for it, so it is {advice}", style="bold"))


def _grouped(table: TableSummary) -> list[str]:
    """Rows with the same status and reason on one line, the largest group first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for number, name, status, reason in table.not_succeeded:
        told = reason or "no reason known"
        groups.setdefault((status, told[:_SAID_CHARACTERS]), []).append(_row(number, name))
    lines = []
    for (status, reason), rows in sorted(groups.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(rows[:_MOST_ROWS]) + (
            f" and {len(rows) - _MOST_ROWS:,} more" if len(rows) > _MOST_ROWS else ""
        )
        lines.append(f"{status.replace('_', ' ')}: {reason} ({shown})")
    return lines


def _row(number: int, name: str | None) -> str:
    return f"row {number} ({name})" if name else f"row {number}"


def _spent(summary: RunSummary, progress: Progress, elapsed_s: float) -> str:
    """What this command has bought, as the ledger has it. Only what was found again is the run's own count."""
    bought = summary.bought
    lines: list[str] = []
    if bought.bought:
        spent = f"{amount(bought.spent_credits)} credits (${usd(bought.spent_credits):.2f})"
        lines.append(f"Bought {counted(bought.bought, 'task')} for {spent} in {elapsed_s:.0f} s.")
    elif not (bought.in_flight or bought.unconfirmed):
        unsent = sum(table.rows_by_status.get(RowStatus.NOT_SUBMITTED, 0) for table in summary.tables)
        is_over = not (unsent or summary.errors or summary.is_stopped)
        why = ": everything that could be bought is already paid for" if is_over else ""
        lines.append(f"Bought nothing{why}. {elapsed_s:.0f} s.")
    if bought.in_flight:
        credits_held = f"{amount(bought.in_flight_credits)} credits"
        lines.append(f"{counted(bought.in_flight, 'task')} for {credits_held} still in flight: run again to collect.")
    if bought.unconfirmed:
        perhaps = f"perhaps {amount(bought.unconfirmed_credits)} credits more"
        lines.append(f"{counted(bought.unconfirmed, 'order')} without an answer, {perhaps}.")
    if progress.recovered:
        lines.append(f"{counted(progress.recovered, 'lost order')} found again.")
    return " ".join(lines)
