"""The ledger's operations, the same on SQLite and Postgres."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt, AttemptState
from banana_pipeline.store import ledger, ledger_claims, ledger_reports
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline_tests.core.histories import START, brought_to, new_attempt

LONG_AGO = START - timedelta(days=1)


def claim(
    writer: LedgerWriter, attempt: Attempt, max_in_flight: int | None = None, since: datetime = LONG_AGO
) -> Claim:
    return writer.call(ledger_claims.claim, attempt, Limits(max_in_flight=max_in_flight, in_flight_since=since))


def claimed(writer: LedgerWriter, **given: Any) -> Attempt:
    attempt = new_attempt(**given)
    assert claim(writer, attempt) is Claim.MADE
    return attempt


def saved(writer: LedgerWriter, before: Attempt, after: Attempt) -> bool:
    return writer.call(ledger.save, before, after, run_id="run")


def stored(writer: LedgerWriter, attempt: Attempt) -> Attempt:
    return writer.call(ledger.attempt, attempt.attempt_id)


def created(writer: LedgerWriter, attempt: Attempt, task_id: str) -> Attempt:
    return writer.call(ledger.save_created, attempt, task_id=task_id, at=START)


def test_an_attempt_comes_back_as_it_was(writer: LedgerWriter) -> None:
    attempt = claimed(writer, prompt_table="é/ü 你好", input_json='{"prompt": "a\\u0000b 👩‍👩‍👧"}', row_number=2**40)
    assert stored(writer, attempt) == attempt
    done = moves.mark_succeeded(
        created(writer, attempt, "t"), result_urls=("https://h/a?x=1", "b"), credits_consumed=18.25,
        generation_s=66.952, completed_at=START + timedelta(microseconds=1), at=START,
    )  # fmt: skip
    assert saved(writer, stored(writer, attempt), done)
    assert stored(writer, attempt) == done


@pytest.mark.parametrize("state", sorted(moves.LIVE_STATES))
def test_a_request_with_a_live_attempt_is_taken(writer: LedgerWriter, state: str) -> None:
    first = claimed(writer)
    moved = brought_to(AttemptState(state))
    if state != "submitting":
        assert saved(writer, first, dataclasses.replace(moved, attempt_id=first.attempt_id))
    assert claim(writer, new_attempt()) is Claim.TAKEN
    assert len(writer.call(ledger.attempts_of, "api.kie.ai", ["r" * 32])["r" * 32]) == 1


@pytest.mark.parametrize("state", ["failed", "refused", "abandoned"])
def test_a_request_whose_attempts_are_over_is_free(writer: LedgerWriter, state: str) -> None:
    first = claimed(writer)
    assert saved(writer, first, dataclasses.replace(brought_to(AttemptState(state)), attempt_id=first.attempt_id))
    assert claim(writer, new_attempt()) is Claim.MADE


def test_what_one_service_sold_is_not_bought_at_another(writer: LedgerWriter) -> None:
    claimed(writer, service="127.0.0.1:8000")
    assert claim(writer, new_attempt(service="api.kie.ai")) is Claim.MADE
    assert list(writer.call(ledger.attempts_of, "127.0.0.1:8000", ["r" * 32])) == ["r" * 32]


def test_an_account_with_enough_in_flight_has_no_room(writer: LedgerWriter) -> None:
    running = [claimed(writer, request_id=f"{n:032d}") for n in range(3)]
    assert claim(writer, new_attempt(), max_in_flight=3) is Claim.NO_ROOM
    assert claim(writer, new_attempt(account="another"), max_in_flight=3) is Claim.MADE
    assert saved(writer, running[0], moves.mark_unconfirmed(running[0], reason="r", at=START))
    assert claim(writer, new_attempt(request_id="x"), max_in_flight=3) is Claim.MADE


def test_claims_of_long_dead_processes_take_no_room(writer: LedgerWriter) -> None:
    old = claimed(writer, request_id="old", at=LONG_AGO)
    assert claim(writer, new_attempt(), max_in_flight=1, since=old.claimed_at) is Claim.MADE


def test_a_transition_is_stored_once_and_only_from_the_state_it_starts_at(writer: LedgerWriter) -> None:
    attempt = claimed(writer)
    refused = moves.mark_refused(attempt, reason="rate", code=429, msg="m", at=START)
    assert saved(writer, attempt, moves.mark_unconfirmed(attempt, reason="lost", at=START))
    assert not saved(writer, attempt, refused)
    assert stored(writer, attempt).state == "unconfirmed"
    assert stored(writer, attempt).fail_code is None


def test_a_save_of_an_unknown_attempt_changes_nothing(writer: LedgerWriter) -> None:
    attempt = new_attempt()
    assert not saved(writer, attempt, moves.mark_unconfirmed(attempt, reason="r", at=START))


def test_the_answer_of_kie_makes_a_submitted_attempt(writer: LedgerWriter) -> None:
    attempt = claimed(writer)
    assert created(writer, attempt, "t1").state == "submitted"
    assert stored(writer, attempt).task_id == "t1"


def test_a_task_of_another_order_proves_nothing(writer: LedgerWriter) -> None:
    created(writer, claimed(writer, request_id="one"), "t1")
    after = created(writer, claimed(writer, request_id="two"), "t1")
    assert (after.state, after.task_id) == ("unconfirmed", None)
    assert "belongs to another order" in (after.status_reason or "")
    assert created(writer, claimed(writer, request_id="two", service="other"), "t1").state == "submitted"


def test_an_answer_after_the_order_was_given_up_still_saves_the_paid_task(writer: LedgerWriter) -> None:
    attempt = claimed(writer)
    assert saved(writer, attempt, moves.mark_unconfirmed(attempt, reason="claim ran out", at=START))
    assert created(writer, attempt, "t1").state == "submitted"
    assert stored(writer, attempt).task_id == "t1"


def test_an_answer_after_a_person_gave_the_order_up_changes_nothing(writer: LedgerWriter) -> None:
    attempt = claimed(writer)
    lost = moves.mark_unconfirmed(attempt, reason="r", at=START)
    assert saved(writer, attempt, lost)
    assert saved(writer, lost, moves.mark_abandoned(lost, reason="r", is_given_up=False, at=START))
    assert created(writer, attempt, "t1").state == "abandoned"


def test_the_same_answer_twice_is_one_task(writer: LedgerWriter) -> None:
    attempt = claimed(writer)
    assert created(writer, attempt, "t1") == created(writer, attempt, "t1")


def test_histories_of_fifteen_hundred_requests_come_oldest_first(writer: LedgerWriter) -> None:
    made = [new_attempt(request_id=f"{n:032d}") for n in range(1_500)]
    for future in [writer.submit(ledger_claims.claim, one) for one in made]:
        assert future.result() is Claim.MADE
    first = made[700]
    assert saved(writer, first, moves.mark_refused(first, reason="r", code=429, msg="", at=START))
    again = claimed(writer, request_id=first.request_id)
    found = writer.call(ledger.attempts_of, "api.kie.ai", [one.request_id for one in made] + ["unknown"])
    assert len(found) == 1_500
    assert [one.attempt_id for one in found[first.request_id]] == [first.attempt_id, again.attempt_id]
    assert writer.call(ledger.attempts_of, "api.kie.ai", []) == {}


def test_an_upload_is_known_until_it_is_too_old_and_replaced_by_a_newer_one(writer: LedgerWriter) -> None:
    key = ("s", "a", "f" * 64)
    writer.call(ledger.remember_upload, *key, "https://h/1", START)
    assert writer.call(ledger.known_upload, *key, since=LONG_AGO) == "https://h/1"
    assert writer.call(ledger.known_upload, *key, since=START) is None
    assert writer.call(ledger.known_upload, "s", "b", "f" * 64, since=LONG_AGO) is None
    writer.call(ledger.remember_upload, *key, "https://h/2", START + timedelta(hours=1))
    assert writer.call(ledger.known_upload, *key, since=START) == "https://h/2"


def test_the_last_label_of_a_shard_counts(writer: LedgerWriter) -> None:
    assert writer.call(ledger.regeneration_of, "boats.0000") == ""
    for label in ("june", "july"):
        writer.call(ledger.regenerate, "boats.0000", label, START)
    assert writer.call(ledger.regeneration_of, "boats.0000") == "july"
    assert writer.call(ledger.regeneration_of, "boats.0001") == ""


def _bought(writer: LedgerWriter, request_id: str, state: str, charged: float, **given: Any) -> None:
    attempt = claimed(writer, request_id=request_id, **given)
    running = created(writer, attempt, f"task-{attempt.attempt_id}")
    end = {
        "credits_consumed": charged,
        "generation_s": 10.0 + charged,
        "completed_at": START,
        "at": START + timedelta(days=1),
    }
    if state == "succeeded":
        assert saved(writer, running, moves.mark_succeeded(running, result_urls=("u",), **end))
    else:
        assert saved(writer, running, moves.mark_failed(running, reason="r", fail_code="500", fail_msg="", **end))


def test_latencies_are_learned_from_what_was_seen_where_kie_tells_no_times(writer: LedgerWriter) -> None:
    for number, unseen_s in enumerate((2, 4_000)):
        attempt = claimed(writer, request_id=f"seen {number}")
        running = created(writer, attempt, f"task {number}")
        ended_at = attempt.claimed_at + timedelta(seconds=30)
        done = moves.mark_succeeded(
            running, result_urls=("u",), credits_consumed=18.0, generation_s=None, completed_at=ended_at,
            at=ended_at + timedelta(seconds=unseen_s),
        )  # fmt: skip
        assert saved(writer, running, done)
    assert writer.call(ledger.recent_latencies_s, "api.kie.ai", "1K") == [30.0]


def test_counts_spending_and_latencies_are_told_per_table(writer: LedgerWriter) -> None:
    _bought(writer, "one", "failed", 0.0)
    _bought(writer, "one", "succeeded", 18.0)
    _bought(writer, "two", "succeeded", 24.0, prompt_table="cards")
    counts = writer.call(ledger_reports.request_counts)
    assert [(row["prompt_table"], row["state"], row["requests"]) for row in counts] == [
        ("boats", "succeeded", 1), ("cards", "succeeded", 1),
    ]  # fmt: skip
    assert counts[0]["oldest_claimed_at"].tzinfo is not None
    assert len(writer.call(ledger_reports.request_counts, prompt_table="cards")) == 1
    assert writer.call(ledger_reports.spent_credits) == [("api.kie.ai", "boats", 18.0), ("api.kie.ai", "cards", 24.0)]
    assert writer.call(ledger.recent_latencies_s, "api.kie.ai", "1K") == [34.0, 28.0] or sorted(
        writer.call(ledger.recent_latencies_s, "api.kie.ai", "1K")
    ) == [28.0, 34.0]
    assert writer.call(ledger_reports.requests_bought_twice) == []


def test_a_request_charged_twice_is_found(writer: LedgerWriter) -> None:
    _bought(writer, "one", "failed", 18.0)
    _bought(writer, "one", "succeeded", 18.0)
    assert writer.call(ledger_reports.requests_bought_twice) == ["one"]
