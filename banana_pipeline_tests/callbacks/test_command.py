"""`banana callbacks` as a person starts and stops it."""

import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from banana_pipeline.store import ledger_callbacks
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.callbacks.process import ledger_url, run, running
from banana_pipeline_tests.callbacks.receiving import HMAC_KEY, callback, order, signed

pytestmark = pytest.mark.slow


def tasks_heard_of(folder: Path, attempt_id: str) -> list[str]:
    with LedgerWriter(ledger_url(folder)) as writer:
        return [hint.task_id for hint in writer.call(ledger_callbacks.callbacks_of, [attempt_id])]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_keeps_signed_callbacks_until_it_is_stopped(tmp_path: Path, number: int) -> None:
    with LedgerWriter(ledger_url(tmp_path)) as writer:
        attempt_id = order(writer)
    with running(tmp_path, KIE_WEBHOOK_HMAC_KEY=HMAC_KEY) as process:
        assert process.health()["status"] == "ok"
        url = f"{process.url}/?attempt={attempt_id}"
        assert httpx.post(url, json=callback("t1"), trust_env=False).status_code == 401
        headers = signed(HMAC_KEY, "t1")
        assert httpx.post(url, json=callback("t1"), headers=headers, trust_env=False).status_code == 200
        code, said = process.end(number)
    assert code == 0
    assert "Traceback" not in said
    assert tasks_heard_of(tmp_path, attempt_id) == ["t1"]


def test_it_says_where_it_listens_and_what_to_set(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        assert f"{process.url}/" in process.greeting
        assert "Set BANANA_CALLBACK_URL" in process.greeting
        assert "Signatures are not checked" in process.greeting


def test_it_shows_the_address_that_is_set_and_never_the_key(tmp_path: Path) -> None:
    more = {"BANANA_CALLBACK_URL": "https://your.host/kie", "KIE_WEBHOOK_HMAC_KEY": HMAC_KEY}
    with running(tmp_path, **more) as process:
        _, said = process.end(signal.SIGTERM)
        assert "BANANA_CALLBACK_URL is https://your.host/kie" in process.greeting
        assert "Signatures are checked" in process.greeting
        assert HMAC_KEY not in process.greeting + said


def test_it_warns_when_strangers_can_reach_it_and_nothing_is_signed(tmp_path: Path) -> None:
    with running(tmp_path, "--host", "0.0.0.0") as process:
        _, said = process.end(signal.SIGTERM)
    assert "Warning: other machines reach this address" in said


def test_hints_that_wait_for_the_ledger_are_written_before_the_end(tmp_path: Path) -> None:
    with LedgerWriter(ledger_url(tmp_path)) as writer:
        attempt_id = order(writer)
    with running(tmp_path) as process:
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert httpx.post(f"{process.url}/?attempt={attempt_id}", json=callback("t1"), trust_env=False).is_success
        process.popen.send_signal(signal.SIGTERM)
        other.execute("ROLLBACK")
        other.close()
        assert process.popen.wait(20) == 0
    assert tasks_heard_of(tmp_path, attempt_id) == ["t1"]


def test_a_ledger_that_never_answers_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with LedgerWriter(ledger_url(tmp_path)) as writer:
        attempt_id = order(writer)
    with running(tmp_path) as process:
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert httpx.post(f"{process.url}/?attempt={attempt_id}", json=callback("t1"), trust_env=False).is_success
        code, said = process.end(signal.SIGTERM)
        other.close()
    assert code == 0
    assert "The ledger does not answer" in said


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path, "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"banana: Port {port} on '127.0.0.1' cannot be listened on")
    assert ended.stderr.count("\n") == 1


def test_a_bad_callback_address_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = run(tmp_path, BANANA_CALLBACK_URL="your.host")
    assert ended.returncode == 2
    assert ended.stderr.startswith("banana: BANANA_CALLBACK_URL is 'your.host'")
