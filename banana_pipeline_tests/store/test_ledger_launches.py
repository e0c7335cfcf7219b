"""The budget of a launch: one count over all its runs, accounts and processes, wherever a refund is learnt of."""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.store import ledger, ledger_claims, ledger_money, ledger_reports
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_check import check_ledger
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline_tests.core.histories import START, new_attempt

PRICE, BUDGET = 18.0, 3 * 18.0
RUNS = {"first": "a", "second": "a", "third": "b", "alone": None}
ACCOUNTS = ["accountaaaaa", "accountbbbbb"]
ENDS = ["succeeded", "dearer", "refunded", "refused", "lost"]
_numbers = count(1)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.sampled_from(sorted(RUNS)), st.sampled_from(ACCOUNTS)),
        st.tuples(st.just("end"), st.sampled_from(ENDS), st.integers(0, 30)),
    ),
    max_size=30,
)


def order(run_id: str, account: str = ACCOUNTS[0]) -> Attempt:
    number = next(_numbers)
    return new_attempt(
        run_id=run_id, account=account, request_id=f"{number:032x}", attempt_id=f"{number:032x}", row_number=number
    )


def ended(attempt: Attempt, end: str) -> list[Attempt]:
    """The steps of an order to its end."""
    if end == "refused":
        return [moves.mark_refused(attempt, reason="no", code=422, msg="no", at=START)]
    if end == "lost":
        return [moves.mark_unconfirmed(attempt, reason="no answer", at=START)]
    made = moves.mark_submitted(attempt, task_id=f"task-{attempt.attempt_id}", at=START)
    about = {"generation_s": 1.0, "completed_at": START, "at": START}
    if end == "refunded":
        said = {"reason": "no", "fail_code": "500", "fail_msg": "no"}
        return [made, moves.mark_failed(made, **said, credits_consumed=0.0, **about)]
    paid = PRICE if end == "succeeded" else PRICE + 2.5
    return [made, moves.mark_succeeded(made, result_urls=("https://h/a.png",), credits_consumed=paid, **about)]


@dataclass(kw_only=True)
class Books:
    """What launches have committed, counted in the plainest way."""

    under_way: list[Attempt] = field(default_factory=list)
    all: dict[str, Attempt] = field(default_factory=dict)

    def spent(self, run_id: str) -> float:
        launch = RUNS[run_id]
        runs = {run_id} if launch is None else {run for run, its in RUNS.items() if its == launch}
        return sum(one.committed_credits for one in self.all.values() if one.run_id in runs)


def live(writer: LedgerWriter, books: Books, step: tuple) -> None:
    if step[0] == "claim":
        attempt = order(step[1], step[2])
        expected = Claim.MADE if books.spent(step[1]) + PRICE <= BUDGET else Claim.OVER_RUN_BUDGET
        assert writer.call(ledger_claims.claim, attempt, Limits(max_credits=BUDGET)) is expected
        if expected is Claim.MADE:
            books.under_way.append(attempt)
            books.all[attempt.attempt_id] = attempt
    elif books.under_way:
        before = books.under_way.pop(step[2] % len(books.under_way))
        for after in ended(before, step[1]):
            # Whoever learns of an end writes it under its own run, which may be one of another launch.
            assert writer.call(ledger.save, before, after, run_id="a later run")
            before = after
        books.all[before.attempt_id] = before


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_whatever_the_order_of_claims_ends_and_refunds_each_launch_keeps_its_budget(history: list[tuple]) -> None:
    folder, books = Path(tempfile.mkdtemp(prefix="launches-")), Books()
    url = f"sqlite:///{folder}/ledger.sqlite"
    with LedgerWriter(url) as writer:
        for run_id, launch in RUNS.items():
            if launch is not None:
                writer.call(ledger_money.join_launch, run_id, launch)
        for step in history:
            live(writer, books, step)
            for run_id in RUNS:
                assert writer.call(ledger_money.spent_by_launch, run_id) == pytest.approx(books.spent(run_id))
        totals = writer.call(ledger_reports.launch_totals, "a")
        shown = totals.spent_credits + totals.in_flight_credits + totals.unconfirmed_credits
        assert shown == pytest.approx(books.spent("first"))
    assert [found for found in check_ledger(url) if found.is_problem] == []
    shutil.rmtree(folder)


def test_two_runs_of_a_launch_at_once_share_its_budget_to_the_last_image(ledger_url: str) -> None:
    def buy(run_id: str) -> int:
        with LedgerWriter(ledger_url) as writer:
            writer.call(ledger_money.join_launch, run_id, "a")
            attempts = [order(run_id, account) for account in ACCOUNTS * 5]
            return sum(
                writer.call(ledger_claims.claim, one, Limits(max_credits=7 * PRICE)) is Claim.MADE for one in attempts
            )

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(buy, ["first", "second"])) == 7


def test_a_run_that_joins_twice_keeps_its_first_launch(writer: LedgerWriter) -> None:
    for launch in ("a", "b", "a"):
        writer.call(ledger_money.join_launch, "first", launch)
    assert writer.call(ledger_money.runs_of_launch, "a") == ["first"]
    assert writer.call(ledger_money.runs_of_launch, "b") == []


def test_a_launch_that_ordered_nothing_has_bought_nothing(writer: LedgerWriter) -> None:
    writer.call(ledger_money.join_launch, "first", "a")
    assert writer.call(ledger_reports.launch_totals, "a") == ledger_reports.LaunchTotals()
