"""Many threads and processes at one ledger, and a process killed at the worst moment."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from banana_pipeline.core import attempts as moves
from banana_pipeline.core.attempts import Attempt
from banana_pipeline.store import ledger, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline.store.ledger_open import open_engine
from banana_pipeline_tests.core.histories import START, new_attempt

REQUESTS, THREADS, PROCESSES = 40, 8, 2
_CLAIM_ALL = f"""
import sys, json, random, uuid
from concurrent.futures import ThreadPoolExecutor
from banana_pipeline.store import ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.ledger_claims import Claim, Limits
from banana_pipeline_tests.core.histories import new_attempt

with LedgerWriter(sys.argv[1]) as writer:
    def race(thread):
        order = list(range({REQUESTS}))
        random.Random(thread).shuffle(order)
        mine = []
        for number in order:
            attempt = new_attempt(request_id=f"{{number:032d}}", attempt_id=uuid.uuid4().hex)
            limit = int(sys.argv[2]) or None
            if writer.call(ledger_claims.claim, attempt, Limits(max_in_flight=limit)) is Claim.MADE:
                mine.append(attempt.attempt_id)
        return mine

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor({THREADS}) as pool:
        print(json.dumps([one for mine in pool.map(race, range({THREADS})) for one in mine]), flush=True)
"""


def _start(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _race(url: str, max_in_flight: int) -> list[str]:
    """Attempts that claims said yes to, over all threads of all processes."""
    processes = [_start(_CLAIM_ALL, url, str(max_in_flight)) for _ in range(PROCESSES)]
    assert [_line(process) for process in processes] == ["ready\n"] * PROCESSES
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    made = [one for process in processes for one in json.loads(_line(process))]
    assert [process.wait(20) for process in processes] == [0] * PROCESSES
    return made


def _all_stored(url: str) -> list[Attempt]:
    with LedgerWriter(url) as writer:
        found = writer.call(ledger.attempts_of, "api.kie.ai", [f"{n:032d}" for n in range(REQUESTS)])
    return [attempt for history in found.values() for attempt in history]


def test_however_many_race_for_a_request_one_gets_it(ledger_url: str) -> None:
    made = _race(ledger_url, 0)
    stored = _all_stored(ledger_url)
    assert len(stored) == REQUESTS
    assert sorted(made) == sorted(attempt.attempt_id for attempt in stored)


def test_however_many_race_the_account_never_has_more_in_flight_than_it_may(ledger_url: str) -> None:
    made = _race(ledger_url, 10)
    assert len(made) == len(_all_stored(ledger_url)) == 10


def test_the_last_free_place_is_given_to_one_of_two_open_transactions(ledger_url: str) -> None:
    engine = open_engine(ledger_url)

    def second() -> Claim:
        with engine.begin() as connection:
            attempt = new_attempt(request_id="second")
            return ledger_claims.claim(connection, attempt, Limits(max_in_flight=1))

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            first = new_attempt(request_id="first")
            assert ledger_claims.claim(connection, first, Limits(max_in_flight=1)) is Claim.MADE
            answer = pool.submit(second)
            wait([answer], timeout=0.3)
        assert answer.result(20) is Claim.NO_ROOM
    engine.dispose()


def test_two_writers_of_one_transition_one_wins(ledger_url: str) -> None:
    with LedgerWriter(ledger_url) as one, LedgerWriter(ledger_url) as other, ThreadPoolExecutor(2) as pool:
        for number in range(20):
            attempt = new_attempt(request_id=f"{number:032d}")
            assert one.call(ledger_claims.claim, attempt) is Claim.MADE
            lost = moves.mark_unconfirmed(attempt, reason="r", at=START)
            refused = moves.mark_refused(attempt, reason="r", code=429, msg="", at=START)
            ways: list[tuple[Any, Any]] = [(one, lost), (other, refused)]
            jobs = [pool.submit(w.call, ledger.save, attempt, after, run_id="r") for w, after in ways]
            assert sorted(job.result() for job in jobs) == [False, True]


_CLAIM_AND_WAIT = """
import sys, time
from banana_pipeline.store import ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.core.histories import new_attempt

writer = LedgerWriter(sys.argv[1])
print(writer.call(ledger_claims.claim, new_attempt(request_id="killed")), flush=True)
time.sleep(60)
"""


def test_a_process_killed_right_after_a_claim_has_left_it_behind(ledger_url: str) -> None:
    process = _start(_CLAIM_AND_WAIT, ledger_url)
    assert _line(process) == "made\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    with LedgerWriter(ledger_url) as writer:
        (attempt,) = writer.call(ledger.attempts_of, "api.kie.ai", ["killed"])["killed"]
        again = writer.call(ledger_claims.claim, new_attempt(request_id="killed", attempt_id="b" * 32))
    assert attempt.state == "submitting"
    assert again is Claim.TAKEN


@pytest.mark.parametrize("state", ["made", "not made"])
def test_an_answer_is_given_only_after_the_commit(ledger_url: str, state: str) -> None:
    """A second connection sees the row at the moment the first one is told."""
    with LedgerWriter(ledger_url) as writer, LedgerWriter(ledger_url) as watcher:
        attempt = new_attempt()
        seen = [watcher.call(ledger.attempt, attempt.attempt_id)]
        writer.call(ledger_claims.claim, attempt, Limits(max_in_flight=None if state == "made" else 0))
        seen.append(watcher.call(ledger.attempt, attempt.attempt_id))
    assert seen == [None, attempt if state == "made" else None]
