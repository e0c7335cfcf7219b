"""Whoever floods the receiver gets nowhere, and true callbacks come through."""

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from banana_pipeline.callbacks.app import MOST_BODY_BYTES
from banana_pipeline.store import ledger_callbacks
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.callbacks.process import Process, ledger_url, running
from banana_pipeline_tests.callbacks.receiving import HMAC_KEY, callback, order, raw, signed

pytestmark = pytest.mark.slow

BAD_REQUESTS = 5_000
GOOD_CALLBACKS = 200
DAWDLERS = 100


def bad_request(number: int) -> bytes:
    """One of eight kinds of nonsense."""
    chance = random.Random(number)
    body = json.dumps(callback(f"flood-{number}")).encode()
    names = signed("not the key" if number % 3 else HMAC_KEY, "another task")
    headers = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    kinds = [
        post(headers, body),
        post("", body),
        post(headers, b"x" * (MOST_BODY_BYTES + 1)),
        post(headers, body[: chance.randrange(len(body))]),
        b"DELETE /?attempt=a HTTP/1.1\r\nhost: h\r\n\r\n",
        chance.randbytes(300) + b"\r\n\r\n",
        post(headers + "x-nonsense: " + "\xfc" * 2_000 + "\r\n", b"[" * 50_000),
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ]
    return kinds[number % len(kinds)]


def post(headers: str, body: bytes) -> bytes:
    return (
        f"POST /?attempt=a HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body
    )


@contextmanager
def dawdlers(port: int) -> Iterator[None]:
    """Connections that begin a request and never end it, opened again as soon as they are closed."""
    is_over = threading.Event()
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(HMAC_KEY, "any").items())
    beginnings = [b"", b"POST / HTTP", post(head, b" " * 100)[:-50]]

    def dawdle(number: int) -> None:
        while not is_over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
                    connection.sendall(beginnings[number % 3])
                    while not is_over.is_set() and receives(connection):
                        pass
            except OSError:
                is_over.wait(0.1)

    with ThreadPoolExecutor(DAWDLERS) as pool:
        for number in range(DAWDLERS):
            pool.submit(dawdle, number)
        try:
            yield
        finally:
            is_over.set()


def receives(connection: socket.socket) -> bool:
    """False once the other side has closed."""
    try:
        return connection.recv(1_000) != b""
    except TimeoutError:
        return True


def deliver(process: Process, attempt_id: str) -> int:
    """As the service does: once, and three times more if need be; the number of tries."""
    for tries in range(1, 5):
        headers = signed(HMAC_KEY, f"task-{attempt_id}")
        try:
            url = f"{process.url}/?attempt={attempt_id}"
            answer = httpx.post(url, json=callback(f"task-{attempt_id}"), headers=headers, trust_env=False, timeout=15)
            if answer.is_success:
                return tries
        except httpx.HTTPError:
            pass
    return 0


def test_true_callbacks_come_through_a_flood_of_bad_requests(tmp_path: Path) -> None:
    with LedgerWriter(ledger_url(tmp_path)) as writer:
        orders = [order(writer) for _ in range(GOOD_CALLBACKS)]
    with running(tmp_path, KIE_WEBHOOK_HMAC_KEY=HMAC_KEY) as process, ExitStack() as stack:
        before_mb = process.most_memory_mb()
        with dawdlers(process.port), ThreadPoolExecutor(16) as flood, ThreadPoolExecutor(2) as good:
            answers = flood.map(lambda number: raw(process.port, bad_request(number)), range(BAD_REQUESTS))
            tries = list(good.map(lambda attempt_id: deliver(process, attempt_id), orders))
            statuses = Counter(answers)
        grown_mb = process.most_memory_mb() - before_mb
        refused = process.health()["refused"]
        _, said = process.end(15)
        writer = stack.enter_context(LedgerWriter(ledger_url(tmp_path)))
        hints = writer.call(ledger_callbacks.callbacks_after, 0)
    assert 0 not in tries
    assert sorted(hint.attempt_id for hint in hints) == sorted(orders)
    assert all(status is None or 400 <= status < 500 or status == 503 for status in statuses), statuses
    assert {"no good signature", "too large", "wrong method", "not HTTP"} <= refused.keys()
    assert grown_mb < 100
    assert "Traceback" not in said
    print(statuses, refused, grown_mb, Counter(tries), len(said.splitlines()))
