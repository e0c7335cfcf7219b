"""A service over a real socket that says odd things: books, and answers that a test may bend.

Here: what is sold, the usual answers, and the bends. Not here: the protocol's whole breadth (the emulator), facts.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = b"<html><body><h1>Not Found</h1></body></html>"
Sent = tuple[int, bytes]


@dataclass(kw_only=True)
class Sold:
    """One task: what was ordered, when, and under which number it was sold."""

    task_id: str
    body: dict[str, Any]
    at_s: float
    looks: int = 0


@dataclass(kw_only=True)
class OddKie:
    """The service.

    Args:
        created: the answer to an order, given the task; None closes the connection.
        record: ``data`` of recordInfo, given the task and the usual ``data``, or a whole answer.
        balance: ``data`` of the credit call.
        latency_s: how long tasks take.
    """

    created: Callable[[Sold], object] = lambda sold: {"taskId": sold.task_id, "recordId": sold.task_id}
    record: Callable[[Sold, dict[str, Any]], object] = lambda _, usual: usual
    balance: object = 10_000.5
    latency_s: float = 0.0
    base_url: str = ""
    sold: dict[str, Sold] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def prompts_sold(self) -> list[str]:
        return sorted(one.body["input"]["prompt"] for one in self.sold.values())

    def answer(self, path: str, raw: bytes) -> Sent | None:
        parts = urlsplit(path)
        if parts.path.endswith("/createTask"):
            with self._lock:
                sold = Sold(task_id=f"task{len(self.sold):028x}", body=json.loads(raw), at_s=time.monotonic())
                self.sold[sold.task_id] = sold
            return _sent(self.created(sold))
        if parts.path.endswith("/recordInfo"):
            return self._record(parse_qs(parts.query)["taskId"][0])
        return envelope(200, self.balance)

    def _record(self, task_id: str) -> Sent | None:
        self.looks[task_id] += 1
        sold = self.sold.get(task_id)
        if sold is None:
            return envelope(422, None, "recordInfo is null")
        sold.looks += 1
        return _sent(self.record(sold, self.usual(sold)))

    def usual(self, sold: Sold) -> dict[str, Any]:
        """``data`` as it was recorded in 2026, but without any times."""
        body = sold.body
        param = {"model": body["model"], "input": json.dumps(body["input"])}
        if "callBackUrl" in body:
            param["callBackUrl"] = body["callBackUrl"]
        is_over = time.monotonic() - sold.at_s >= self.latency_s
        result = json.dumps({"resultUrls": [self.picture(sold)]}) if is_over else ""
        return {
            "taskId": sold.task_id, "model": body["model"], "state": "success" if is_over else "waiting",
            "param": json.dumps(param), "resultJson": result, "failCode": None, "failMsg": None,
        }  # fmt: skip

    def picture(self, sold: Sold) -> str:
        return f"{self.base_url}/h/{sold.task_id}.png"


def envelope(code: object, data: object, msg: str = "success") -> Sent:
    return 200, json.dumps({"code": code, "msg": msg, "data": data}).encode()


def _sent(answer: object) -> Sent | None:
    if answer is None or isinstance(answer, tuple):
        return answer
    return envelope(200, answer)


@contextmanager
def odd_kie(**bends: Any) -> Iterator[OddKie]:
    """Serves on a free port of this machine."""
    kie = OddKie(**bends)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._say(kie.answer(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))

        def do_GET(self) -> None:
            self._say(kie.answer(self.path, b""))

        def _say(self, sent: Sent | None) -> None:
            if sent is None:
                self.close_connection = True
                return
            status, body = sent
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kie.base_url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield kie
    finally:
        server.shutdown()
        server.server_close()
