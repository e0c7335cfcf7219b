"""``banana estimate``: what a table would cost, without spending anything.

Lives here: counting. Does not live here: the rules it counts by (``core.decisions``), printing (``cli``).
"""

from __future__ import annotations

from dataclasses import dataclass

from banana_pipeline.commands.tables import ChosenTable
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.decisions import live_attempt, may_attempt
from banana_pipeline.core.requests import GenerationRequest, usd
from banana_pipeline.core.shards import shards_of
from banana_pipeline.settings import Settings
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_open import ledger_exists
from banana_pipeline.store.references import ReferenceResolver, reference_folders
from banana_pipeline.store.shard_rows import read_shards

_USUAL_GENERATION_S = 60.0


@dataclass(kw_only=True)
class Estimate:
    """Rows and requests of a table, by what would happen to them.

    Attributes:
        rows, rows_rejected: of the table. requests: one per accepted row and sample, equal ones counted once.
        already_paid: requests whose purchase is there or under way. to_pay: would be bought now.
        unconfirmed: perhaps paid; never sent again by themselves. given_up: failed for good; not bought again.
        problems: the first rejected rows, as (row_number, sentence).
    """

    rows: int = 0
    rows_rejected: int = 0
    requests: int = 0
    already_paid: int = 0
    unconfirmed: int = 0
    to_pay: int = 0
    given_up: int = 0
    credits: float = 0.0
    seconds: float = 0.0
    problems: list[tuple[int, str]]

    @property
    def cost_usd(self) -> float:
        return usd(self.credits)

    def as_dict(self) -> dict[str, object]:
        names = ("rows", "rows_rejected", "requests", "already_paid", "unconfirmed", "to_pay", "given_up", "credits")
        return {**{name: getattr(self, name) for name in (*names, "seconds")}, "cost_usd": self.cost_usd}


def estimate(settings: Settings, chosen: ChosenTable) -> Estimate:
    """Validate every row and look every request up in the ledger; nothing is sent, nothing is written.

    Raises:
        TableError, LedgerError: the table or the ledger cannot be read.
    """
    table = chosen.table
    result = Estimate(problems=[])
    seen: set[str] = set()
    resolver = ReferenceResolver(reference_folders(table.path, settings.data_dir))
    shards = shards_of(table.name, row_count=table.row_count, shard_rows=settings.shard_rows)
    slices = [shard.rows(settings.shard_rows) for shard in shards]
    with _ledger(settings) as look_up:
        contents = read_shards(table, slices, resolve_image=resolver, duplicate_ids=table.duplicate_ids())
        for shard in contents:
            result.rows += len(shard.rows)
            result.rows_rejected += shard.rejected_count
            result.problems += [(row.row_number, "; ".join(row.problems)) for row in shard.rows if row.problems]
            requests = {r.request_id: r for row in shard.rows for r in row.requests if r.request_id not in seen}
            seen |= requests.keys()
            _count(result, requests, look_up(list(requests)), settings.max_attempts)
    accounts = max(1, len(settings.api_keys))
    if result.to_pay:
        result.seconds = result.to_pay / (settings.rate_limit.per_second * accounts) + _USUAL_GENERATION_S
    return result


def _count(
    result: Estimate,
    requests: dict[str, GenerationRequest],
    histories: dict[str, list[Attempt]],
    max_attempts: int,
) -> None:
    result.requests += len(requests)
    for request_id, request in requests.items():
        history = histories.get(request_id, [])
        live = live_attempt(history)
        if live is not None:
            is_sure = live.state is not AttemptState.UNCONFIRMED
            result.already_paid += is_sure
            result.unconfirmed += not is_sure
        elif may_attempt(history, max_attempts=max_attempts):
            result.to_pay += 1
            result.credits += request.price_credits
        else:
            result.given_up += 1


class _ledger:  # noqa: N801 - reads as a function in the with statement
    """Look-ups in the ledger; where there is none yet, nothing was ever bought, and none is made."""

    def __init__(self, settings: Settings) -> None:
        self._writer = LedgerWriter(settings.ledger_url) if ledger_exists(settings.ledger_url) else None
        self._service = settings.service

    def __enter__(self):
        return self._look_up

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def _look_up(self, request_ids: list[str]) -> dict[str, list[Attempt]]:
        if self._writer is None:
            return {}
        return self._writer.call(ledger.attempts_of, self._service, request_ids)
