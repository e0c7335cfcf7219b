"""Time to answer a callback, signed and kept, on SQLite while another process commits to the same ledger.

The sender is this process, one callback after the other on a new connection each, as KIE sends them; the receiver and
the other writer (one commit every 10 ms, as a busy run makes them) are processes of their own. KIE waits 15 s.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx

CALLBACKS = 500
KEY = "whsec_bench"


def commit_for_ever(url: str) -> None:
    """What a run does to the ledger meanwhile."""
    from banana_pipeline.store.group_commit import LedgerWriter
    from banana_pipeline.store.ledger import regenerate

    with LedgerWriter(url) as writer:
        while True:
            writer.call(regenerate, "bench.0000", uuid.uuid4().hex, datetime.now(UTC))
            time.sleep(0.01)


def main() -> None:
    """Print the answer times; those of refusals show what the machine itself adds."""
    print(f"{'':26} {'p50 ms':>8} {'p99 ms':>8} {'most ms':>8} {'kept':>6}")
    for name, key, has_other in (
        ("refused, no ledger", "", False),
        ("kept", KEY, False),
        ("kept, two writers", KEY, True),
    ):
        with tempfile.TemporaryDirectory() as folder:
            times_s, kept = _measure(Path(folder), key, has_other)
        figures = [statistics.median(times_s), statistics.quantiles(times_s, n=100)[98], max(times_s)]
        print(f"{name:26} " + " ".join(f"{figure * 1_000:8.1f}" for figure in figures) + f" {kept:6}")


def _measure(folder: Path, key: str, has_other: bool) -> tuple[list[float], int]:
    url = f"sqlite:///{folder}/ledger.sqlite"
    attempt_ids = _orders(url)
    command = [str(Path(sys.executable).with_name("banana")), "callbacks", "--port", "0"]
    environ = {**os.environ, "BANANA_LEDGER_URL": url, "KIE_WEBHOOK_HMAC_KEY": KEY}
    receiver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ)
    code = f"from benchmarks.callbacks import commit_for_ever; commit_for_ever({url!r})"
    other = subprocess.Popen([sys.executable, "-c", code]) if has_other else None
    try:
        assert receiver.stdout is not None
        found = re.search(r"http://\S+:\d+", receiver.stdout.readline())
        assert found is not None
        time.sleep(2)  # until the other writer is at work
        times_s = [_send(found[0], attempt_id, key) for attempt_id in attempt_ids]
        time.sleep(1)
        return times_s, httpx.get(f"{found[0]}/healthz", trust_env=False).json()["kept"]
    finally:
        for process in (receiver, other):
            if process is not None:
                process.terminate()
                process.wait()


def _orders(url: str) -> list[str]:
    from banana_pipeline.core import attempts
    from banana_pipeline.store.group_commit import LedgerWriter
    from banana_pipeline.store.ledger_claims import claim

    at = datetime.now(UTC)
    found = [
        attempts.claim(
            attempt_id=uuid.uuid4().hex,
            service="bench",
            account="bench",
            request_id=uuid.uuid4().hex,
            number=1,
            price_credits=18.0,
            resolution="1K",
            prompt_table="bench",
            row_number=number,
            run_id="1",
            table_version="1",
            input_json="{}",
            at=at,
            expires_at=at,
        )
        for number in range(CALLBACKS)
    ]
    with LedgerWriter(url) as writer:
        for future in [writer.submit(claim, attempt) for attempt in found]:
            future.result()
    return [attempt.attempt_id for attempt in found]


def _send(base_url: str, attempt_id: str, key: str) -> float:
    from banana_pipeline.kie.signature import signature

    task_id, timestamp = uuid.uuid4().hex, str(int(time.time()))
    headers = {"x-webhook-timestamp": timestamp, "x-webhook-signature": signature(key, task_id, timestamp)}
    with httpx.Client(trust_env=False, timeout=20) as http:  # made before the clock runs: it is not the receiver's time
        started_s = time.perf_counter()
        answer = http.post(
            f"{base_url}/?attempt={attempt_id}", json={"data": {"taskId": task_id, "state": "success"}}, headers=headers
        )
        took_s = time.perf_counter() - started_s
    assert answer.status_code == (200 if key else 401)
    return took_s
