"""Which row a purchase is counted at when rows move: the sum over a table stays what was paid."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.decisions import row_outcome
from banana_pipeline.ownership import settle_ownership
from banana_pipeline.store import ledger, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.core.histories import new_attempt, succeeded


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    with LedgerWriter(f"sqlite:///{tmp_path}/ledger.sqlite") as opened:
        yield opened


def bought_at(writer: LedgerWriter, row_number: int) -> Attempt:
    claimed = new_attempt(row_number=row_number)
    writer.call(ledger_claims.claim, claimed)
    return claimed


def settle(writer: LedgerWriter, attempt: Attempt, *, row: int, holds: bool) -> Attempt:
    settled = settle_ownership(
        writer,
        {attempt.request_id: [attempt]},
        prompt_table=attempt.prompt_table,
        rows={attempt.request_id: row},
        holds=lambda row_number, request_id: holds,
    )
    return settled[attempt.request_id][0]


def test_a_purchase_whose_row_asks_for_something_else_is_counted_at_the_row_that_has_the_request(
    writer: LedgerWriter,
) -> None:
    attempt = bought_at(writer, 3)
    assert settle(writer, attempt, row=4, holds=False).row_number == 4
    assert writer.call(ledger.attempt, attempt.attempt_id).row_number == 4


def test_a_purchase_whose_row_still_has_the_request_stays_there(writer: LedgerWriter) -> None:
    attempt = bought_at(writer, 3)
    assert settle(writer, attempt, row=4, holds=True).row_number == 3


def test_after_a_move_the_row_shows_the_credits_again() -> None:
    paid = succeeded(row_number=5)
    outcome = row_outcome([paid], prompt_table=paid.prompt_table, row_number=5, not_submitted_reason=None)
    assert (outcome.credits, outcome.is_reused) == (paid.credits, False)
