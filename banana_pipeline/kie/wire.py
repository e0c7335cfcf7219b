"""JSON <-> core values: KIE's own words appear only here.

Lives here: request bodies, the answer envelope in all its forms, task records. Does not live here: sockets
(``kie.client``) and what an answer means for money (``core.failures``). Everything read is a stranger's input: a field
of an unexpected type counts as absent, an unknown field is ignored, nothing raises.
Source of each form: the protocol reference, sections 1 (envelope), 2 (createTask), 3 (recordInfo), 6 (uploads).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeGuard

from banana_pipeline.core.failures import Ambiguous, CreateOutcome, FetchMeaning, create_meaning, fetch_meaning
from banana_pipeline.core.requests import GenerationRequest

_MAX_TASK_ID_CHARACTERS = 128
_MAX_TEXT_CHARACTERS = 500


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
    """

    http_status: int
    code: int | None
    msg: str
    data: Any = None
    retry_after_s: float | None = None
    is_kies_own: bool = True


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """What recordInfo says about a task. Times are UTC; ``generation_s`` is completeTime - createTime.

    ``costTime`` is not read: documented in milliseconds, sent in seconds.
    """

    task_id: str
    state: TaskState
    result_urls: tuple[str, ...] = ()
    fail_code: str | None = None
    fail_msg: str | None = None
    credits_consumed: float | None = None
    completed_at: datetime | None = None
    generation_s: float | None = None


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


def read_answer(http_status: int, body: bytes, retry_after: str | None = None) -> Answer:
    """Read any answer, JSON envelope or not."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    if isinstance(envelope, dict):
        code = _integer(envelope.get("code"))
        msg, data = _text(envelope.get("msg")) or _text(envelope.get("message")) or "", envelope.get("data")
    else:
        code, msg, data = None, _text_of(body), None
    is_kies_own = code is not None
    if code is None and not 200 <= http_status < 300:
        code = http_status  # a 2xx proves nothing here: the body was cut, or it is somebody else's page
    return Answer(
        http_status=http_status,
        code=code,
        msg=msg,
        data=data,
        retry_after_s=_number(retry_after),
        is_kies_own=is_kies_own,
    )


def read_created(answer: Answer) -> CreateOutcome:
    """What an answer to createTask means. A gateway's 5xx page proves nothing, whatever words stand on it."""
    task_id = _task_id(answer.data)
    if task_id is None and not answer.is_kies_own and answer.http_status >= 500:
        return Ambiguous(reason=f"answer HTTP {answer.http_status}: {answer.msg or 'no text'}")
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
    return _number(answer.data) if answer.code == 200 else None


def _record(data: dict[str, Any], task_id: str) -> TaskRecord:
    created_ms, completed_ms = _number(data.get("createTime")), _number(data.get("completeTime"))
    generation_s = None
    if created_ms is not None and completed_ms is not None and completed_ms >= created_ms:
        generation_s = (completed_ms - created_ms) / 1000
    consumed = _number(data.get("creditsConsumed"))
    return TaskRecord(
        task_id=task_id,
        state=_state(data.get("state")),
        result_urls=_result_urls(data.get("resultJson")),
        fail_code=_code_text(data.get("failCode")),
        fail_msg=_text(data.get("failMsg")) or None,
        credits_consumed=consumed if consumed is not None else _number(data.get("consumeCredits")),
        completed_at=_moment(completed_ms),
        generation_s=generation_s,
    )


def _state(value: object) -> TaskState:
    try:
        return TaskState(value)  # pyright: ignore[reportArgumentType]
    except ValueError:
        return TaskState.RUNNING


def _result_urls(value: object) -> tuple[str, ...]:
    """``resultJson`` as met in the wild: "", null, a JSON string, or an object."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            return ()
    urls = value.get("resultUrls") if isinstance(value, dict) else None
    if isinstance(urls, str):
        urls = [urls]
    return tuple(url for url in urls if _is_plain(url)) if isinstance(urls, list) else ()


def _task_id(data: object) -> str | None:
    value = data.get("taskId") if isinstance(data, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if _is_plain(value) and len(value) <= _MAX_TASK_ID_CHARACTERS else None


def _is_plain(value: object) -> TypeGuard[str]:
    """Text of printable characters without blanks: an address or an id that every database and file can keep."""
    return isinstance(value, str) and value != "" and value.isprintable() and " " not in value


def _text_of(body: bytes) -> str:
    return _text(" ".join(body[:2_000].decode("utf-8", errors="replace").split())) or ""


def _text(value: object) -> str | None:
    # NUL cannot be stored in Postgres and half a surrogate pair nowhere; neither says anything.
    if not isinstance(value, str):
        return None
    return value[:_MAX_TEXT_CHARACTERS].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _code_text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value) or None


def _integer(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(epoch_ms: float | None) -> datetime | None:
    if epoch_ms is None:
        return None
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
