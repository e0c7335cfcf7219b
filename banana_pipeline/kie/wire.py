"""JSON <-> core values: KIE's own words appear only here.

Lives here: request bodies, the answer envelope in all its forms. Does not live here: sockets (``kie.client``), a task's
record (``kie.records``) and what an answer means for money (``core.failures``). Everything read is a stranger's input:
a field of an unexpected type counts as absent, an unknown field is ignored, nothing raises.
Source of each form: the protocol reference, sections 1 (envelope), 2 (createTask), 3 (recordInfo), 6 (uploads).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from banana_pipeline.core.failures import (
    Ambiguous,
    CreateOutcome,
    FetchMeaning,
    create_meaning,
    fetch_meaning,
    strange_create_meaning,
)
from banana_pipeline.core.plausible import plausible_balance
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.kie.json_values import beginning, finite, id_text, kie_code, plain_text, text_of, unpacked
from banana_pipeline.kie.records import TaskRecord, names, read_record, says_a_state


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
        named_task_id: an id that may be a task's, wherever it stands.
    """

    http_status: int
    code: int | None
    msg: str
    data: Any = None
    retry_after_s: float | None = None
    is_kies_own: bool = True
    is_whole: bool = True
    named_task_id: str | None = None

    @property
    def told(self) -> str:
        """An answer that is not in KIE's form, in a few words."""
        return f"HTTP {self.http_status}, {beginning(self.msg)}".rstrip(", ")


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


def read_answer(http_status: int, body: bytes) -> Answer:
    """Read any answer, JSON envelope or not."""
    try:
        envelope = unpacked(json.loads(body))
    except (ValueError, RecursionError):
        envelope = None
    is_ok = 200 <= http_status < 300
    is_whole = envelope is not None or body.strip()[:1] not in {b"", b"{"}
    if isinstance(envelope, dict):
        code, data = kie_code(envelope.get("code")), unpacked(envelope.get("data"))
        msg = plain_text(envelope.get("msg")) or plain_text(envelope.get("message"))
        msg = msg or ("" if code is not None else text_of(body))
    else:
        envelope, code, msg, data = {}, None, text_of(body), None
    is_kies_own = code is not None
    if code is None and envelope.get("success") is True and is_ok:
        code = 200  # as the upload host says it too; without KIE's code it proves no absence
    if code is None and not is_ok:
        code = http_status  # a 2xx proves nothing here: the body was cut, or it is somebody else's page
    return Answer(
        http_status=http_status,
        code=code,
        msg=msg,
        data=data,
        is_kies_own=is_kies_own,
        is_whole=is_whole,
        named_task_id=_named_task_id(envelope, data),
    )


def read_created(answer: Answer) -> CreateOutcome:
    """What an answer to createTask means. A gateway's 5xx page proves nothing, whatever words stand on it."""
    task_id = id_text(answer.data.get("taskId")) if isinstance(answer.data, dict) else None
    if task_id is None and answer.named_task_id is not None:
        code = answer.code if answer.code is not None else f"HTTP {answer.http_status}"
        reason = f"answer {code} without taskId; it names {answer.named_task_id} in another place"
        return Ambiguous(reason=reason, named_task_id=answer.named_task_id)
    if task_id is None and not answer.is_kies_own:
        said = {"told": answer.told, "is_whole": answer.is_whole, "retry_after_s": answer.retry_after_s}
        return strange_create_meaning(http_status=answer.http_status, **said)
    return create_meaning(code=answer.code, msg=answer.msg, task_id=task_id, retry_after_s=answer.retry_after_s)


def read_fetched(answer: Answer, task_id: str) -> Fetched:
    """What an answer to recordInfo means. A record counts, whatever code stands beside it; without one only KIE itself,
    not a gateway's page, can say that a task is over or not known."""
    data = answer.data[0] if isinstance(answer.data, list) and len(answer.data) == 1 else answer.data
    record = None
    if isinstance(data, dict) and data:
        is_usual = answer.is_kies_own and answer.code == 200
        is_odd = says_a_state(data) and (answer.is_kies_own or names(data, task_id))
        record = read_record(data, task_id) if is_usual or is_odd else None
    meaning = fetch_meaning(code=answer.code, has_record=record is not None, is_kies_own=answer.is_kies_own)
    return Fetched(meaning=meaning, msg=answer.msg, record=record)


def read_upload(answer: Answer) -> str | None:
    """``data.downloadUrl`` of a successful upload, else None."""
    if answer.code != 200 or not isinstance(answer.data, dict):
        return None
    url = answer.data.get("downloadUrl")
    return url if isinstance(url, str) and url else None


def read_credits(answer: Answer) -> float | None:
    """The balance in credits; documented as an integer, sent as a float. A debt is told as it is."""
    return plausible_balance(finite(answer.data)) if answer.code == 200 else None


def _named_task_id(envelope: Mapping[str, Any], data: object) -> str | None:
    """An id that an answer to createTask names elsewhere than in ``data.taskId``: perhaps the task's."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    places = [place for place in (data, envelope) if isinstance(place, dict)]
    for place, name in product(places, ("taskId", "task_id", "recordId", "record_id")):
        if (found := id_text(place.get(name))) is not None:
            return found
    if kie_code(envelope.get("code")) != 200:
        return None  # a refusal's data may be any word
    return id_text(data.get("id")) if isinstance(data, dict) else id_text(data)
