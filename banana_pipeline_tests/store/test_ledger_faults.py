"""The ledger's Postgres fails: lost connections, lost commits, read-only. Nothing is counted twice, nothing is answered
that is not kept, and what cannot go on says so in one sentence. Not here: files (test_ledger_file_faults).
"""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
import stamina

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import group_commit, ledger, ledger_claims, ledger_money
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_check import check_ledger
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline_tests.core.histories import START, new_attempt
from banana_pipeline_tests.databases import become_read_only, become_writable, database_or_skip, end_connections
from banana_pipeline_tests.store.proxy import Cut, Door, open_door

PRICE = 18.0
CUTS = [Cut.BEFORE, Cut.AFTER]


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    """stamina's own switch for tests: no waits between tries."""
    with stamina.set_testing(True, attempts=20):
        yield


@pytest.fixture
def own_url() -> Iterator[str]:
    """An empty database that a test may change as it likes."""
    with database_or_skip() as url:
        yield url


@pytest.fixture
def door(postgres_url: str) -> Iterator[tuple[Door, LedgerWriter]]:
    """A ledger behind a door, and the door; every commit until now is done."""
    with open_door(postgres_url) as (door, url), LedgerWriter(url) as writer:
        writer.call(lambda connection: None)
        yield door, writer


def slam_once(door: Door, cut: Cut) -> None:
    """The next commit is cut, all later ones are not."""
    following = door.commits + 1
    door.on_commit = lambda number: cut if number == following else Cut.NOT


def spent(writer: LedgerWriter, run_id: str = "run") -> float:
    return writer.call(ledger_money.spent_by_launch, run_id)


def assert_sound(url: str) -> None:
    assert [found for found in check_ledger(url) if found.is_problem] == []


# Connections that are lost around a commit


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("limits", [
    Limits(), Limits(max_credits=PRICE), Limits(max_credits_per_day=PRICE), Limits(max_in_flight=1),
])  # fmt: skip
def test_a_claim_whose_commit_lost_its_connection_is_made_once(
    door: tuple[Door, LedgerWriter], postgres_url: str, cut: Cut, limits: Limits
) -> None:
    slammed, writer = door
    slam_once(slammed, cut)
    mine = new_attempt()
    assert writer.call(ledger_claims.claim_next, mine, limits) == (Claim.MADE, mine)
    assert slammed.cuts == 1
    assert spent(writer) == PRICE
    assert writer.call(ledger_claims.claim_next, new_attempt(), limits)[0] is Claim.TAKEN


@pytest.mark.parametrize("cut", CUTS)
def test_every_step_whose_commit_lost_its_connection_is_taken_once(
    door: tuple[Door, LedgerWriter], postgres_url: str, cut: Cut
) -> None:
    slammed, writer = door
    slammed.on_commit = lambda number: Cut.NOT if number % 3 else cut
    for number in range(4):
        done = _bought(writer, f"{number:032d}", charged=17.5)
        assert writer.call(ledger.attempt, done.attempt_id) == done
        _refused(writer, f"{number + 10:032d}")
    assert slammed.cuts > 5
    slammed.on_commit = lambda number: Cut.NOT
    assert spent(writer) == 4 * 17.5
    assert_sound(postgres_url)


@pytest.mark.parametrize("cut", CUTS)
def test_a_group_whose_commit_lost_its_connection_is_answered_whole(
    door: tuple[Door, LedgerWriter], postgres_url: str, cut: Cut
) -> None:
    slammed, writer = door
    slam_once(slammed, cut)
    asked: list[Future[Claim]] = [
        writer.submit(ledger_claims.claim, new_attempt(request_id=f"{number:032d}")) for number in range(50)
    ]
    assert [future.result(30) for future in asked] == [Claim.MADE] * 50
    assert spent(writer) == 50 * PRICE
    assert_sound(postgres_url)


def test_a_server_that_ends_every_connection_again_and_again_is_waited_for(
    door: tuple[Door, LedgerWriter], postgres_url: str
) -> None:
    _, writer = door
    for number in range(10):
        end_connections(postgres_url)
        _bought(writer, f"{number:032d}", charged=PRICE)
    assert spent(writer) == 10 * PRICE
    assert_sound(postgres_url)


def test_a_process_whose_connections_were_ended_is_seen_alive_again(
    door: tuple[Door, LedgerWriter], postgres_url: str
) -> None:
    _, writer = door
    with LedgerWriter(postgres_url) as other:
        assert other.call(other.presence.is_there, writer.presence.owner)
        end_connections(postgres_url)
        writer.call(lambda connection: None)
        # The server may not have seen the end of the old connection when it was asked for the lock again.
        writer.call(lambda connection: None)
        assert other.call(other.presence.is_there, writer.presence.owner)


def test_a_claim_of_a_process_that_is_there_survives_the_loss_of_its_connections(
    door: tuple[Door, LedgerWriter], postgres_url: str
) -> None:
    _, writer = door
    mine = new_attempt(owner=writer.presence.owner)
    writer.call(ledger_claims.claim, mine)
    end_connections(postgres_url)
    writer.call(lambda connection: None)
    writer.call(lambda connection: None)
    with LedgerWriter(postgres_url) as other:
        assert _end_dead(other) == 0
    assert writer.call(ledger.attempt, mine.attempt_id) == mine


def test_a_ledger_that_stays_away_is_given_up_once_and_not_for_each_operation(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setattr(group_commit, "AWAY_S", 0.5)
    with open_door(postgres_url) as (door, url), LedgerWriter(url) as writer:
        tries: list[int] = []
        monkeypatch.setattr(door, "on_commit", lambda number: tries.append(number) or Cut.BEFORE)
        with stamina.set_testing(True, attempts=3):
            asked = [
                writer.submit(ledger_claims.claim, new_attempt(request_id=f"{number:032d}")) for number in range(50)
            ]
            errors = [future.exception(30) for future in asked]
    assert all(isinstance(error, LedgerError) and "cannot be used" in str(error) for error in errors)
    assert len(tries) < 20


def test_a_database_that_may_only_be_read_is_one_sentence(own_url: str) -> None:
    LedgerWriter(own_url).close()
    become_read_only(own_url)
    with (
        pytest.raises(LedgerError, match=r"^The ledger .* \(cannot .* read-only transaction\); check"),
        LedgerWriter(own_url) as writer,
    ):
        writer.call(ledger_claims.claim, new_attempt())
    become_writable(own_url)
    with LedgerWriter(own_url) as writer:
        assert writer.call(ledger_claims.claim, new_attempt()) is Claim.MADE


def _bought(writer: LedgerWriter, request_id: str, *, charged: float) -> Attempt:
    mine = new_attempt(request_id=request_id)
    assert writer.call(ledger_claims.claim, mine) is Claim.MADE
    running = writer.call(ledger.save_created, mine, task_id=f"task of {request_id}", at=mine.claimed_at)
    assert running.state is AttemptState.SUBMITTED
    done = moves.mark_succeeded(
        running, result_urls=("u",), credits_consumed=charged, generation_s=1.0, completed_at=START, at=mine.claimed_at
    )
    assert writer.call(ledger.save, running, done, run_id="run")
    return done


def _refused(writer: LedgerWriter, request_id: str) -> None:
    mine = new_attempt(request_id=request_id)
    assert writer.call(ledger_claims.claim, mine) is Claim.MADE
    refused = moves.mark_refused(mine, reason="r", code=429, msg="", at=mine.claimed_at)
    assert writer.call(ledger.save, mine, refused, run_id="run")


def _end_dead(writer: LedgerWriter) -> int:
    is_there: Any = writer.presence.is_there
    at = START + timedelta(seconds=1)
    return writer.call(ledger_claims.end_dead_claims, "api.kie.ai", at=at, run_id="other", is_there=is_there)
