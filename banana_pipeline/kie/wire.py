"""JSON <-> core values: KIE's own words appear only here.

Lives here: request bodies, the answer envelope in all its forms, task records. Does not live here: sockets
(``kie.client``) and what an answer means for money (``core.failures``). Everything read is a stranger's input: a field
of an unexpected type counts as absent, an unknown field is ignored, nothing raises.
Source of each form: the protocol reference, sections 1 (envelope), 2 (createTask), 3 (recordInfo), 6 (uploads).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from banana_pipeline.core.failures import (
    CreateOutcome,
    FetchMeaning,
    create_meaning,
    fetch_meaning,
    strange_create_meaning,
)
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.kie.json_values import (
    beginning,
    code_text,
    decoded,
    finite,
    is_plain,
    kie_code,
    moment,
    plain_text,
    text_of,
)

_MAX_TASK_ID_CHARACTERS = 128
_ATTEMPT = "attempt"
_ATTEMPT_CHARACTERS = 32


class TaskState(StrEnum):
    """State of a task. Words that KIE may add later count as ``RUNNING``: looking again is free."""

    RUNNING = "running"
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of any KIE endpoint.

    Attributes:
        http_status: as sent.
        code: the body's ``code``, which is the real status; the HTTP status where the body is not an envelope.
        msg: ``msg``, else ``message``, else the beginning of the body; at most 500 characters.
        data: ``data``, whatever its type.
        retry_after_s: ``Retry-After`` in seconds, if given.
        is_kies_own: the code stood in the body. Otherwise a gateway on the way may have spoken, and it does not know
            what became of an order or a task.
        is_whole: not KIE's own, and no answer of KIE's that was cut off either: a page, or an object without a code.
    """

    http_status: int
    code: int | None
    msg: str
    data: Any = None
    retry_after_s: float | None = None
    is_kies_own: bool = True
    is_whole: bool = True

    @property
    def told(self) -> str:
        """An answer that is not in KIE's form, in a few words."""
        return f"HTTP {self.http_status}, {beginning(self.msg)}".rstrip(", ")


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """What recordInfo says about a task. Times are UTC; ``generation_s`` is completeTime - createTime.

    ``costTime`` is not read: documented in milliseconds, sent in seconds.

    Attributes:
        asked: the ``input`` object that KIE says it was sent; None where it does not say.
        attempt_id: our attempt, as the task's own callback address names it; None without one.
    """

    task_id: str
    state: TaskState
    result_urls: tuple[str, ...] = ()
    fail_code: str | None = None
    fail_msg: str | None = None
    credits_consumed: float | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    generation_s: float | None = None
    asked: Mapping[str, Any] | None = None
    attempt_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Outcome of one query: ``record`` is set exactly when ``meaning`` is RECORD."""

    meaning: FetchMeaning
    msg: str = ""
    record: TaskRecord | None = None


def task_input(request: GenerationRequest, image_urls: Sequence[str]) -> dict[str, object]:
    """The ``input`` object of createTask. Every field is sent, so that a changed default cannot change a picture."""
    return {
        "prompt": request.prompt,
        "image_input": list(image_urls),
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "output_format": request.output_format,
    }


def create_body(model: str, task_input_: Mapping[str, object], callback_url: str | None = None) -> dict[str, object]:
    """The whole body of createTask."""
    body: dict[str, object] = {"model": model, "input": dict(task_input_)}
    if callback_url:
        body["callBackUrl"] = callback_url
    return body


def callback_address(base: str | None, attempt_id: str) -> str | None:
    """``base`` with our attempt in its query: the only thing of ours that KIE hands back (section 2)."""
    if base is None:
        return None
    parts = urlsplit(base)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), (_ATTEMPT, attempt_id)])
    return urlunsplit(parts._replace(query=query))


def attempt_of_address(url: str) -> str | None:
    """The attempt that a callback address names, if it names one."""
    try:
        values = parse_qs(urlsplit(url).query, max_num_fields=100).get(_ATTEMPT, [])
    except ValueError:
        return None
    return values[-1] if values and is_plain(values[-1]) and len(values[-1]) <= _ATTEMPT_CHARACTERS else None


def read_answer(http_status: int, body: bytes) -> Answer:
    """Read any answer, JSON envelope or not."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict):
        code, data = kie_code(envelope.get("code")), envelope.get("data")
        msg = plain_text(envelope.get("msg")) or plain_text(envelope.get("message"))
        msg = msg or ("" if code is not None else text_of(body))
    else:
        code, msg, data = None, text_of(body), None
    is_kies_own = code is not None
    if code is None and not 200 <= http_status < 300:
        code = http_status  # a 2xx proves nothing here: the body was cut, or it is somebody else's page
    return Answer(
        http_status=http_status,
        code=code,
        msg=msg,
        data=data,
        is_kies_own=is_kies_own,
        is_whole=envelope is not None or body.strip()[:1] not in {b"", b"{"},
    )


def read_created(answer: Answer) -> CreateOutcome:
    """What an answer to createTask means. A gateway's 5xx page proves nothing, whatever words stand on it."""
    task_id = _task_id(answer.data)
    if task_id is None and not answer.is_kies_own:
        said = {"told": answer.told, "is_whole": answer.is_whole, "retry_after_s": answer.retry_after_s}
        return strange_create_meaning(http_status=answer.http_status, **said)
    return create_meaning(code=answer.code, msg=answer.msg, task_id=task_id, retry_after_s=answer.retry_after_s)


def read_fetched(answer: Answer, task_id: str) -> Fetched:
    """What an answer to recordInfo means. Only KIE itself, not a gateway's time-out page, can end a task."""
    record = _record(answer.data, task_id) if isinstance(answer.data, dict) and answer.data else None
    meaning = fetch_meaning(code=answer.code, has_record=record is not None)
    if meaning is FetchMeaning.TASK_OVER and not answer.is_kies_own:
        meaning = FetchMeaning.TRY_AGAIN
    return Fetched(meaning=meaning, msg=answer.msg, record=record if meaning is FetchMeaning.RECORD else None)


def read_upload(answer: Answer) -> str | None:
    """``data.downloadUrl`` of a successful upload, else None."""
    if answer.code != 200 or not isinstance(answer.data, dict):
        return None
    url = answer.data.get("downloadUrl")
    return url if isinstance(url, str) and url else None


def read_credits(answer: Answer) -> float | None:
    """The balance in credits; documented as an integer, sent as a float."""
    return finite(answer.data) if answer.code == 200 else None


def _record(data: dict[str, Any], task_id: str) -> TaskRecord:
    created_ms, completed_ms = finite(data.get("createTime")), finite(data.get("completeTime"))
    generation_s = None
    if created_ms is not None and completed_ms is not None and completed_ms >= created_ms:
        generation_s = (completed_ms - created_ms) / 1000
    consumed = finite(data.get("creditsConsumed"))
    param = decoded(data.get("param")) or {}
    address = param.get("callBackUrl")
    return TaskRecord(
        task_id=task_id,
        state=_state(data.get("state")),
        result_urls=_result_urls(data.get("resultJson")),
        fail_code=code_text(data.get("failCode")),
        fail_msg=plain_text(data.get("failMsg")) or None,
        credits_consumed=consumed if consumed is not None else finite(data.get("consumeCredits")),
        created_at=moment(created_ms),
        completed_at=moment(completed_ms),
        generation_s=generation_s,
        asked=decoded(param.get("input")),
        attempt_id=attempt_of_address(address) if isinstance(address, str) else None,
    )


def _state(value: object) -> TaskState:
    try:
        return TaskState(value)  # pyright: ignore[reportArgumentType]
    except ValueError:
        return TaskState.RUNNING


def _result_urls(value: object) -> tuple[str, ...]:
    urls = (decoded(value) or {}).get("resultUrls")
    if isinstance(urls, str):
        urls = [urls]
    return tuple(url for url in urls if is_plain(url)) if isinstance(urls, list) else ()


def _task_id(data: object) -> str | None:
    value = data.get("taskId") if isinstance(data, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if is_plain(value) and len(value) <= _MAX_TASK_ID_CHARACTERS else None
