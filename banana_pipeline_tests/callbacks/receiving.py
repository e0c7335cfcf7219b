"""A receiver behind a real socket, orders for callbacks to be about, and senders good and bad.

Here: starting, sending, looking into the ledger. Not here: facts; the tests state those.
"""

import json
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Any

import httpx

from banana_pipeline.callbacks.app import callbacks_app
from banana_pipeline.callbacks.server import listen, make_server
from banana_pipeline.kie.signature import signature
from banana_pipeline.store import ledger, ledger_callbacks, ledger_claims
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline_tests.drivers.rows import claimed, shard

HMAC_KEY = "whsec_of_the_tests"
_numbers = count(1)


class Receiving:
    """A context manager: the receiver on 127.0.0.1 in a thread of its own."""

    def __init__(self, ledger_url: str, **settings: Any) -> None:
        self.said: list[str] = []
        self._url = ledger_url
        self._settings = {"hmac_key": None, "clock": time.time, "say": self.said.append, **settings}

    def __enter__(self) -> "Receiving":
        self.writer = LedgerWriter(self._url)
        self._listener = listen("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = make_server(callbacks_app(self.writer, **self._settings))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        self.writer.close()

    def post(self, body: Any, *, path: str = "/", headers: Mapping[str, str] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(f"{self.url}{path}", content=content, headers=headers, trust_env=False, timeout=20)

    def report(self, attempt_id: str, task_id: str, *, key: str | None = None, at_s: float | None = None) -> int:
        """Post a callback as KIE does; the status of the answer."""
        headers = {} if key is None else signed(key, task_id, at_s)
        return self.post(callback(task_id), path=f"/?attempt={attempt_id}", headers=headers).status_code

    def health(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/healthz", trust_env=False, timeout=20).json()

    def tasks_heard_of(self, attempt_id: str) -> list[str]:
        """Task ids of the hints about an attempt; asked of the receiver's own writer, so after all its writes."""
        return [hint.task_id for hint in self.writer.call(ledger_callbacks.callbacks_of, [attempt_id])]

    def hint_count(self) -> int:
        return len(self.writer.call(ledger_callbacks.callbacks_after, 0))

    def order(self, task_id: str | None = None) -> str:
        return order(self.writer, task_id)

    def raw(self, request: bytes, *, timeout_s: float = 20.0) -> int | None:
        """Send bytes as they are; the status of the answer, None if the connection ended without one."""
        return raw(self.port, request, timeout_s=timeout_s)


def order(writer: LedgerWriter, task_id: str | None = None) -> str:
    """Claim an order, submitted if it has a task; its attempt's id."""
    at = datetime.now(UTC)
    attempt = claimed("kie.test", shard(f"boat {next(_numbers)}").wanted[0], at=at, run_id="run")
    writer.call(ledger_claims.claim, attempt)
    if task_id is not None:
        writer.call(ledger.save_created, attempt, task_id=task_id, at=at)
    return attempt.attempt_id


def callback(task_id: str) -> dict[str, Any]:
    """A body in today's form."""
    data = {"taskId": task_id, "state": "success", "resultJson": '{"resultUrls":["https://h.example/1.png"]}'}
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}


def signed(key: str, task_id: str, at_s: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at_s is None else at_s))
    return {"x-webhook-timestamp": timestamp, "x-webhook-signature": signature(key, task_id, timestamp)}


def raw(port: int, request: bytes, *, timeout_s: float = 20.0) -> int | None:
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.sendall(request)
            while b"\r\n" not in answer and (piece := connection.recv(4_096)):
                answer += piece
    except OSError:
        pass  # the receiver may close before it has read everything
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else None
