"""Many operations, one transaction: none harms another, none is answered early, none runs that was given up."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future

import pytest
import sqlalchemy as sa

from banana_pipeline.core.failures import LedgerError
from banana_pipeline.store import ledger, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim
from banana_pipeline_tests.core.histories import START, new_attempt
from banana_pipeline_tests.store.test_ledger import LONG_AGO


class _Gate:
    """Holds the writer's thread, so that what is asked meanwhile becomes one group."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._open, entered = threading.Event(), threading.Event()

        def hold(connection: sa.Connection) -> None:
            entered.set()
            self._open.wait(10)

        self.held = writer.submit(hold)
        entered.wait(10)

    def open(self) -> None:
        self._open.set()
        self.held.result(10)


@pytest.fixture
def gate(writer: LedgerWriter) -> Iterator[_Gate]:
    gate = _Gate(writer)
    yield gate
    gate.open()


def _claim(writer: LedgerWriter, request_id: str) -> Future[Claim]:
    return writer.submit(ledger_claims.claim, new_attempt(request_id=request_id))


def _broken_sql(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT * FROM no_such_table"))


def _bug(connection: sa.Connection) -> None:
    ledger.remember_upload(connection, "s", "a", "f" * 64, "https://h/half", START)
    raise ZeroDivisionError


def test_operations_asked_together_share_one_transaction(writer: LedgerWriter, gate: _Gate) -> None:
    def me(connection: sa.Connection) -> int:
        return id(connection)

    asked = [writer.submit(me) for _ in range(50)]
    gate.open()
    assert len({future.result(10) for future in asked}) == 1


def test_one_failing_operation_does_not_harm_the_others(writer: LedgerWriter, gate: _Gate) -> None:
    before = _claim(writer, "one")
    broken, bug = writer.submit(_broken_sql), writer.submit(_bug)
    after, same = _claim(writer, "two"), _claim(writer, "one")
    gate.open()
    assert [future.result(10) for future in (before, after, same)] == [Claim.MADE, Claim.MADE, Claim.TAKEN]
    with pytest.raises(LedgerError, match="cannot be used"):
        broken.result(10)
    with pytest.raises(ZeroDivisionError):
        bug.result(10)


def test_a_failed_operation_leaves_nothing_half_done(writer: LedgerWriter) -> None:
    with pytest.raises(ZeroDivisionError):
        writer.call(_bug)
    assert writer.call(ledger.known_upload, "s", "a", "f" * 64, since=LONG_AGO) is None


def test_an_operation_given_up_while_it_waits_is_not_executed(writer: LedgerWriter, gate: _Gate) -> None:
    given_up, kept = _claim(writer, "one"), _claim(writer, "two")
    assert given_up.cancel()
    gate.open()
    assert kept.result(10) is Claim.MADE
    with pytest.raises(CancelledError):
        given_up.result(10)
    assert list(writer.call(ledger.attempts_of, "api.kie.ai", ["one", "two"])) == ["two"]


def test_an_operation_being_executed_can_no_longer_be_given_up(writer: LedgerWriter, gate: _Gate) -> None:
    assert not gate.held.cancel()


def test_an_awaiting_task_that_is_cancelled_gives_its_operation_up(writer: LedgerWriter, gate: _Gate) -> None:
    async def main() -> None:
        asking = asyncio.create_task(writer.do(ledger_claims.claim, new_attempt(request_id="one")))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())
    gate.open()
    assert writer.call(ledger.attempts_of, "api.kie.ai", ["one"]) == {}


def test_closing_finishes_what_was_asked_before(ledger_url: str) -> None:
    with LedgerWriter(ledger_url) as writer:
        gate = _Gate(writer)
        asked = [_claim(writer, f"{number:032d}") for number in range(600)]
        threading.Timer(0.05, gate.open).start()
    assert [future.result(0) for future in asked] == [Claim.MADE] * 600


def test_a_ledger_that_breaks_while_in_use_is_one_sentence(writer: LedgerWriter) -> None:
    def lose(connection: sa.Connection) -> None:
        connection.execute(sa.text("DROP TABLE no_such_table"))

    with pytest.raises(LedgerError, match=r"^The ledger .* cannot be used \(.*\); check"):
        writer.call(lose)
    assert _claim(writer, "one").result(10) is Claim.MADE


def test_an_operation_after_the_end_is_an_error_not_a_wait_for_ever(ledger_url: str) -> None:
    writer = LedgerWriter(ledger_url)
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.submit(ledger.regeneration_of, "s")
