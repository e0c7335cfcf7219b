"""Callbacks: body, signature, retries and their faults, at a real receiver (section 4)."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from banana_pipeline.emulator import Faults
from banana_pipeline.emulator.courier import signature
from banana_pipeline_tests.emulator.conftest import START_S, Start


class Receiver:
    """Remembers every callback: its path, headers and decoded body. Answers `statuses` in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cb?attempt=a1"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The bodies, once there are `count` of them or three seconds have passed."""
        deadline = time.monotonic() + 3
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [body for _, _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_the_signature_agrees_with_the_published_vector() -> None:
    signed = signature("whsec_demo_key", "f23dc0faa81bda75e5a7a20e572a507b", "1769670760")
    assert signed == "3AglcVsUUDg6vLaJXanH0rc2KjmlpUb+tzzp8b349nU="


def test_a_success_is_posted_once_signed_to_the_very_url(start: Start, receiver: Receiver) -> None:
    caller = start(webhook_hmac_key="hook")
    created = caller.create("boat", call_back_url=receiver.url)
    caller.emulator.advance(10)
    (body,) = receiver.wait_for(1)
    path, headers, _ = receiver.got[0]
    assert path == "/cb?attempt=a1"
    assert headers["x-webhook-timestamp"] == str(int(START_S + 10))
    assert headers["x-webhook-signature"] == signature("hook", created["data"]["taskId"], str(int(START_S + 10)))
    assert (body["code"], body["msg"]) == (200, "Playground task completed successfully.")
    assert (body["data"]["state"], body["data"]["creditsConsumed"]) == ("success", 18.0)
    assert json.loads(body["data"]["resultJson"])["resultUrls"]


def test_a_failure_is_posted_with_code_501(start: Start, receiver: Receiver) -> None:
    caller = start()
    caller.create("[fail:policy]", call_back_url=receiver.url)
    caller.emulator.advance(10)
    (body,) = receiver.wait_for(1)
    assert (body["code"], body["data"]["failCode"], body["data"]["resultJson"]) == (501, "400", None)
    assert "x-webhook-signature" not in receiver.got[0][1]


def test_a_lost_answer_still_calls_back(start: Start, receiver: Receiver) -> None:
    caller = start(latency_s=(0, 0), faults=Faults(no_task_id_share=1))
    caller.create("boat", call_back_url=receiver.url)
    assert receiver.wait_for(1)[0]["data"]["taskId"] in caller.emulator.books.tasks


def test_a_refused_callback_is_tried_three_times_more_and_then_given_up(start: Start, receiver: Receiver) -> None:
    receiver.statuses = [500] * 10
    caller = start(latency_s=(0, 0))
    caller.create("boat", call_back_url=receiver.url)
    counts = [len(receiver.wait_for(1))]
    for pause_s in (1, 5, 30, 300):
        _settle(caller.emulator.books, counts[-1])
        caller.emulator.advance(pause_s)
        counts.append(len(receiver.wait_for(min(counts[-1] + 1, 4))))
    assert counts == [1, 2, 3, 4, 4]


def _settle(books: Any, failed: int) -> None:
    """Wait until the courier has noted the outcome of the latest try."""
    deadline = time.monotonic() + 3
    while books.counters["callbacks_failed"] < failed and time.monotonic() < deadline:
        time.sleep(0.01)


def test_faults_make_callbacks_late_double_forged_or_missing(start: Start, receiver: Receiver) -> None:
    late = Faults(callback_late_share=1, callback_late_s=30, callback_duplicate_share=1, callback_forged_share=1)
    caller = start(latency_s=(0, 0), faults=late, webhook_hmac_key="hook")
    task_id = caller.create("boat", call_back_url=receiver.url)["data"]["taskId"]
    forged = receiver.wait_for(1)[0]["data"]
    headers = receiver.got[0][1]
    assert forged["taskId"] != task_id
    assert headers["x-webhook-signature"] != signature("hook", forged["taskId"], headers["x-webhook-timestamp"])
    caller.emulator.advance(30)
    assert [body["data"]["taskId"] for body in receiver.wait_for(3)[1:]] == [task_id, task_id]
    caller.http.post("/admin/faults", json={"callback_missing_share": 1})
    caller.create("ship", call_back_url=receiver.url)
    caller.http.post("/admin/faults", json={"callback_missing_share": 0, "callback_forged_share": 0})
    last = caller.create("last", call_back_url=receiver.url)["data"]["taskId"]
    caller.emulator.advance(30)
    assert [body["data"]["taskId"] for body in receiver.wait_for(5)[3:]] == [last, last]
