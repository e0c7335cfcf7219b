"""KIE without a network: books, and a transport for `httpx.AsyncClient` that answers as a history wants.

Here: what is made, charged and refunded, and what is said about it, which need not agree. Not here: the protocol's
whole breadth (the emulator), facts.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

BASE_URL = "http://kie.test"
SERVICE = "kie.test"
PRICE = 18.0


class Said(StrEnum):
    """What the POST's caller hears. The comment says whether a task is made."""

    OK = "ok"  # made
    LOST = "the answer is lost"  # made
    NEVER_CAME = "the order is lost"  # not made, and the caller cannot know
    HTML = "a gateway's page"  # made
    HTML_BEFORE = "a gateway's page before"  # not made, and the caller cannot know
    EXCEPTION = "an exception"  # made
    NO_ID = "no task id"  # made
    RATE = "too many"  # not made
    CREDITS = "no credits"  # not made
    MAINTENANCE = "maintenance"  # not made
    BAD = "bad parameters"  # not made
    UNREACHABLE = "no connection"  # not made


_MADE = {Said.OK, Said.LOST, Said.HTML, Said.EXCEPTION, Said.NO_ID}
_CODES = {Said.RATE: 429, Said.CREDITS: 402, Said.MAINTENANCE: 455, Said.BAD: 422}


class Fate(StrEnum):
    """How a task ends."""

    SUCCESS = "success"
    TRANSIENT = "a passing failure"
    POLICY = "a failure for good"
    RUNNING = "not yet"


@dataclass(kw_only=True)
class Task:
    task_id: str
    prompt: str
    run_id: str
    attempt_id: str
    param: str
    fate: Fate

    @property
    def charged(self) -> float:
        """A failed task is refunded."""
        return 0.0 if self.fate in {Fate.TRANSIENT, Fate.POLICY} else PRICE


@dataclass(kw_only=True)
class SimulatedKie:
    """The books. ``answers`` and ``fates`` are used up in order; then everything goes well.

    Attributes:
        has_claim: does the ledger hold a committed order for this attempt, now? Asked when a POST arrives.
        faults: sentences about POSTs that should not have come.
    """

    has_claim: Callable[[str], bool]
    answers: deque[Said] = field(default_factory=deque)
    fates: deque[Fate] = field(default_factory=deque)
    budgets: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request, run_id: str) -> httpx.Response:
        path = request.url.path
        if path.endswith("/createTask"):
            return self._order(json.loads(request.content), run_id)
        if path.endswith("/recordInfo"):
            return self._record(request.url.params["taskId"])
        return _envelope(200, 1_000_000.0)

    def charged(self, run_id: str) -> float:
        return sum(task.charged for task in self.tasks.values() if task.run_id == run_id)

    def _order(self, body: Mapping[str, Any], run_id: str) -> httpx.Response:
        prompt, attempt_id = body["input"]["prompt"], _attempt_of(body["callBackUrl"])
        if not self.has_claim(attempt_id):
            self.faults.append(f"{prompt}: a POST without a committed order")
        if attempt_id in self.posts:
            self.faults.append(f"{prompt}: a second POST for one order")
        self.posts.append(attempt_id)
        said = self.answers.popleft() if self.answers else Said.OK
        made = self._make(body, prompt, attempt_id, run_id) if said in _MADE else None
        return _response(said, made)

    def _make(self, body: Mapping[str, Any], prompt: str, attempt_id: str, run_id: str) -> Task:
        task = Task(
            task_id=f"task-{len(self.tasks)}",
            prompt=prompt,
            run_id=run_id,
            attempt_id=attempt_id,
            param=json.dumps({"input": body["input"], "callBackUrl": body["callBackUrl"]}),
            fate=self.fates.popleft() if self.fates else Fate.SUCCESS,
        )
        self.tasks[task.task_id] = task
        held = self.charged(run_id)
        if task.charged and held > self.budgets.get(run_id, held):
            self.faults.append(f"{prompt}: {held:g} credits taken, the budget is {self.budgets[run_id]:g}")
        return task

    def _record(self, task_id: str) -> httpx.Response:
        task = self.tasks.get(task_id)
        if task is None:
            return _envelope(422, None, "recordInfo is null")
        data: dict[str, Any] = {"taskId": task_id, "state": "generating", "param": task.param, "createTime": 1_000}
        if task.fate is Fate.SUCCESS:
            result = json.dumps({"resultUrls": [f"{BASE_URL}/{task_id}.png"]})
            data |= {"state": "success", "resultJson": result, "creditsConsumed": PRICE, "completeTime": 1_020}
        elif task.fate is not Fate.RUNNING:
            text = "Internal Error" if task.fate is Fate.TRANSIENT else "flagged as sensitive"
            code = "500" if task.fate is Fate.TRANSIENT else "400"
            data |= {"state": "fail", "failCode": code, "failMsg": text, "creditsConsumed": 0, "completeTime": 1_020}
        return _envelope(200, data)


def _response(said: Said, made: Task | None) -> httpx.Response:
    if said in {Said.LOST, Said.NEVER_CAME}:
        raise httpx.ReadTimeout("no answer")
    if said is Said.UNREACHABLE:
        raise httpx.ConnectError("no connection")
    if said in {Said.HTML, Said.HTML_BEFORE}:
        return httpx.Response(502, html="<html>Bad Gateway</html>")
    if said is Said.EXCEPTION:
        return _envelope(500, None, "java.lang.NullPointerException")
    if said is Said.NO_ID:
        return _envelope(200, {})
    if made is not None:
        return _envelope(200, {"taskId": made.task_id})
    return _envelope(_CODES[said], None, said)


def _envelope(code: int, data: Any, msg: str = "success") -> httpx.Response:
    return httpx.Response(200, json={"code": code, "msg": msg, "data": data})


def _attempt_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["attempt"][0]
