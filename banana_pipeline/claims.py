"""Claims as the driver makes them: an attempt of this run, within the run's limits.

Lives here: filling in a new attempt, and waiting for room. Does not live here: what forbids a claim
(``store.ledger_claims``), the order that follows one (``orders``).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio

from banana_pipeline.accounts import Account
from banana_pipeline.core import attempts as states
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.timing import CLAIM_S
from banana_pipeline.store import ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline.work import Rules, Wanted

_NO_ROOM_PAUSE_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Makes the claims of one run."""

    writer: LedgerWriter
    rules: Rules

    async def claim(self, account: Account, wanted: Wanted, sent: Mapping[str, object]) -> tuple[Claim, Attempt]:
        """Claim a request; the attempt counts only if the answer is ``MADE``. ``sent``: the task's input."""
        attempt = self._attempt(account, wanted, json.dumps(sent, ensure_ascii=False))
        limits = Limits(
            max_attempts=self.rules.max_attempts,
            max_in_flight=self.rules.max_in_flight,
            in_flight_since=self._in_flight_since(attempt.claimed_at),
            max_credits=self.rules.max_credits,
            max_credits_per_day=self.rules.max_credits_per_day,
        )
        return await self.writer.do(ledger_claims.claim_next, attempt, limits)

    async def await_room(self, account: Account) -> None:
        """Wait until the account may have one more under way; other processes make room as well."""
        while account.stopped is None:
            await anyio.sleep(_NO_ROOM_PAUSE_S)
            since = self._in_flight_since(datetime.now(UTC))
            count = await self.writer.do(ledger_claims.in_flight_count, self.rules.service, account.name, since=since)
            if count < self.rules.max_in_flight:
                return

    def _in_flight_since(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self.rules.deadline_s)

    def _attempt(self, account: Account, wanted: Wanted, input_json: str) -> Attempt:
        now = datetime.now(UTC)
        return states.claim(
            attempt_id=uuid.uuid4().hex,
            service=self.rules.service,
            account=account.name,
            request_id=wanted.request_id,
            number=1,
            price_credits=wanted.request.price_credits,
            resolution=wanted.request.resolution,
            prompt_table=wanted.prompt_table,
            row_number=wanted.row_number,
            run_id=self.rules.run_id,
            table_version=wanted.table_version,
            input_json=input_json,
            at=now,
            expires_at=now + timedelta(seconds=CLAIM_S),
            owner=self.writer.presence.owner,
        )
