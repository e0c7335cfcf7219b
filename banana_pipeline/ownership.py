"""Which row a purchase is counted at, when a table's rows have moved.

Lives here: finding purchases whose row now asks for something else, and counting them at the row that has the request
now. Does not live here: what a row costs (``core.decisions``).

A purchase is counted once, at the row that bought it, so that credits add up to what was paid. If somebody puts a row
on top of a table, every request moves down by one: without this, no row would own its purchase and the sum would be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from banana_pipeline.core.attempts import Attempt
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter

Histories = Mapping[str, Sequence[Attempt]]
Holds = Callable[[int, str], bool]
"""``(row_number, request_id)``: does that row of the table, as it is now, ask for that request?"""


def settle_ownership(
    writer: LedgerWriter, histories: Histories, *, prompt_table: str, rows: Mapping[str, int], holds: Holds
) -> dict[str, list[Attempt]]:
    """Histories in which every purchase of this table is counted at a row that still asks for it.

    Args:
        rows: for each request of a shard its first row there.
        holds: answers for the whole table.
    """
    settled: dict[str, list[Attempt]] = {}
    for request_id, history in histories.items():
        row_number = rows[request_id]
        moved = [
            attempt
            for attempt in history
            if attempt.prompt_table == prompt_table
            and attempt.row_number != row_number
            and not holds(attempt.row_number, request_id)
        ]
        for attempt in moved:
            writer.call(ledger.move_to_row, attempt.attempt_id, row_number)
        settled[request_id] = [replace(a, row_number=row_number) if a in moved else a for a in history]
    return settled
