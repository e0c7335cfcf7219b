"""What a run is given and what it hands back: plain values between Dagster, the driver and the ledger.

Lives here: the work of a shard, its outcome, the rules of a run. Does not live here: doing it (``generate``, ``buy``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.requests import GenerationRequest

COLLECTS_ONLY = "this run collects only; nothing new was bought"
NOT_RETRIED = "this run does not retry failed tasks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One request as a row asks for it."""

    request: GenerationRequest
    request_id: str
    prompt_table: str
    row_number: int
    table_version: str


@dataclass(frozen=True, kw_only=True)
class ShardWork:
    """The requests of one shard, in row order; the same request may stand in several rows."""

    key: str
    wanted: Sequence[Wanted]


@dataclass(frozen=True, kw_only=True)
class ShardDone:
    """Where the requests of a shard stand: attempts by request_id, and why a request was not sent."""

    key: str
    histories: Mapping[str, Sequence[Attempt]]
    reasons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a run may do.

    Attributes:
        service: host of the KIE service; purchases belong to it.
        max_in_flight: orders and tasks under way per account, over all processes.
        deadline_s: how long a task may take before it is overdue.
        max_attempts: tasks bought for one request whose failures are passing.
        launch: name of what this run was started by, together with other runs: they share one budget; None: alone.
        max_credits: budget of the launch; max_credits_per_day: of each account for a UTC day; None: no limit.
        callback_url: where KIE reports the end of a task; None: nowhere.
        is_waiting: False submits and does not wait for results.
        is_buying: False collects what is paid and makes no order.
        is_retrying: False leaves requests alone whose task has failed, in this run or before.
    """

    service: str
    run_id: str
    max_in_flight: int
    deadline_s: float
    max_attempts: int
    launch: str | None = None
    max_credits: float | None = None
    max_credits_per_day: float | None = None
    callback_url: str | None = None
    is_waiting: bool = True
    is_buying: bool = True
    is_retrying: bool = True

    def why_left(self, history: Sequence[Attempt]) -> str | None:
        """Why this run makes no new attempt, although the history would allow one; None if it may."""
        if not self.is_buying:
            return COLLECTS_ONLY
        if not self.is_retrying and any(attempt.state is AttemptState.FAILED for attempt in history):
            return NOT_RETRIED
        return None
