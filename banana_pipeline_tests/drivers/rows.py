"""Rows to buy and rows as they end: building shards of requests, and what the outputs would say of them.

Here: values only. Not here: running anything (world).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.requests import GenerationRequest, account_name
from banana_pipeline.outcomes import outcome_records
from banana_pipeline.progress import Progress
from banana_pipeline.work import ShardDone, ShardWork, Wanted

KEY = "sk-0123456789abcdef0123456789abcdef"
OTHER_KEY = "sk-fedcba9876543210fedcba9876543210"
PRICE = 18.0
_KEYS = pa.schema([("request_id", pa.string()), ("prompt_table", pa.string()), ("row_number", pa.int64())])
_numbers = count(1)


def shard(*asked: str | GenerationRequest, table: str = "boats", number: int = 0) -> ShardWork:
    """One row per prompt or request, numbered from ``number * 1000``."""
    requests = [one if isinstance(one, GenerationRequest) else GenerationRequest(prompt=one) for one in asked]
    return ShardWork(
        key=f"{table}.{number:04}",
        wanted=[
            Wanted(
                request=request,
                request_id=request.request_id,
                prompt_table=table,
                row_number=number * 1000 + position,
                table_version="v1",
            )
            for position, request in enumerate(requests)
        ],
    )


def boats(number: int) -> list[str]:
    """As many different prompts."""
    return [f"boat {position}" for position in range(number)]


@dataclass(kw_only=True)
class Run:
    """What one run left: its rows as the output table tells them, in order of shards and rows."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    @property
    def statuses(self) -> dict[str, int]:
        return dict(Counter(row["status"] for row in self.rows))

    @property
    def credits(self) -> float:
        return sum(row["credits"] or 0.0 for row in self.rows)

    @property
    def by_prompt(self) -> dict[str, dict[str, Any]]:
        return {row["prompt"]: row for row in self.rows}


def rows_of(work: ShardWork, done: ShardDone) -> list[dict[str, Any]]:
    keys = [
        {"request_id": one.request_id, "prompt_table": one.prompt_table, "row_number": one.row_number}
        for one in work.wanted
    ]
    records = outcome_records(pa.Table.from_pylist(keys, _KEYS), done)
    prompts = [{"prompt": one.request.prompt} for one in work.wanted]
    return [{**key, **prompt, **record} for key, prompt, record in zip(keys, prompts, records, strict=True)]


def claimed(service: str, wanted: Wanted, *, at: datetime, run_id: str) -> Attempt:
    return moves.claim(
        attempt_id=f"{next(_numbers):032x}",
        service=service,
        account=account_name(KEY),
        request_id=wanted.request_id,
        number=1,
        price_credits=PRICE,
        resolution=wanted.request.resolution,
        prompt_table=wanted.prompt_table,
        row_number=wanted.row_number,
        run_id=run_id,
        table_version=wanted.table_version,
        input_json="{}",
        at=at,
        expires_at=at + timedelta(seconds=90),
    )


def most_at_once(tasks: Iterable[Mapping[str, Any]]) -> int:
    """The most tasks that KIE had under way at one moment, by its own times."""
    events = [(task["created_at"], 1) for task in tasks] + [(task["completes_at"], -1) for task in tasks]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most
