"""Callbacks: POSTs a final task to its callBackUrl, signed, with retries, late or twice or forged if asked.

Here: when a callback is due, its signature, its delivery (section 4 of the protocol reference).
Not here: the body (records), who asked for one (jobs). A delivery is due on the emulator's clock.
"""

import asyncio
import base64
import hashlib
import heapq
import hmac
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import replace

import httpx

from banana_pipeline.emulator.answers import json_bytes
from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.faults import FaultSwitch
from banana_pipeline.emulator.records import callback_body
from banana_pipeline.emulator.tasks import Task

_TICK_S = 0.05


def signature(key: str, task_id: str, timestamp: str) -> str:
    """base64(HMAC-SHA256(key, taskId + "." + timestamp)); `timestamp` is Unix seconds (section 4)."""
    digest = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Courier:
    """Holds the callbacks that are due later and delivers them while `run` runs."""

    def __init__(self, books: Books, faults: FaultSwitch) -> None:
        self._books = books
        self._faults = faults
        self._due: list[tuple[float, int, Task, int]] = []
        self._numbers = itertools.count()
        self._deliveries: set[asyncio.Task[None]] = set()
        for task in books.tasks.values():
            if task.completes_at > books.now():
                self.expect(task)

    def expect(self, task: Task) -> None:
        """Plan the callback of a new task, if it asked for one."""
        if not task.call_back_url or self._faults.of_callback(task.task_id, "missing"):
            return
        is_late = self._faults.of_callback(task.task_id, "late")
        due_at = task.completes_at + (self._faults.faults.callback_late_s if is_late else 0.0)
        self._plan(due_at, task)
        if self._faults.of_callback(task.task_id, "duplicate"):
            self._plan(due_at, task)
        if self._faults.of_callback(task.task_id, "forged"):
            self._plan(task.completes_at, forged(task))

    async def run(self) -> None:
        """Deliver what is due, for ever; cancelled at the server's end."""
        timeout_s = self._books.config.callback_timeout_s
        async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
            while True:
                while self._due and self._due[0][0] <= self._books.now():
                    _, _, task, tries = heapq.heappop(self._due)
                    delivery = asyncio.create_task(self._deliver(client, task, tries))
                    self._deliveries.add(delivery)
                    delivery.add_done_callback(self._deliveries.discard)
                await asyncio.sleep(_TICK_S)

    def _plan(self, due_at: float, task: Task, tries: int = 0) -> None:
        heapq.heappush(self._due, (due_at, next(self._numbers), task, tries))

    async def _deliver(self, client: httpx.AsyncClient, task: Task, tries: int) -> None:
        headers = {"content-type": "application/json", **self._signed(task)}
        try:
            answer = await client.post(
                str(task.call_back_url), content=json_bytes(callback_body(task)), headers=headers
            )
            is_delivered = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            is_delivered = False
        self._books.counters["callbacks_delivered" if is_delivered else "callbacks_failed"] += 1
        retries_s = self._books.config.callback_retries_s
        if not is_delivered and tries < len(retries_s):
            self._plan(self._books.now() + retries_s[tries], task, tries + 1)

    def _signed(self, task: Task) -> Mapping[str, str]:
        key = self._books.config.webhook_hmac_key
        if key is None:
            return {}
        if task.task_id not in self._books.tasks:
            key = "not the key"
        timestamp = str(int(self._books.now()))
        return {
            "x-webhook-timestamp": timestamp,
            "x-webhook-signature": signature(key, task.task_id, timestamp),
        }


def forged(task: Task) -> Task:
    """What a stranger who knows the callBackUrl would send: a task that this emulator never made."""
    return replace(task, task_id=uuid.uuid4().hex, media_name=f"{uuid.uuid4().hex}_0.png", outcome="success")
