"""The form of every answer: KIE's envelope (section 1), the upload host's (section 6), broken answers.

Here: how a code, a text and data become an HTTP response. Not here: which answer is due.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

NO_ACCESS = "You do not have access permissions"
RATE_LIMITED = "Your call frequency is too high. Please try again later."
SERVER_EXCEPTION = "Server exception, please try again later"
_JSON = "application/json;charset=UTF-8"
_UPLOAD_JSON = "application/json"
_UPLOAD_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "Content-Type, Authorization",
    "access-control-allow-methods": "GET, POST, OPTIONS",
}


def json_bytes(value: Any) -> bytes:
    """Compact UTF-8 JSON; half surrogates become question marks, as in a Java service."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """KIE's `{"code", "msg", "data"}`: HTTP 200 with the status in the body, unless real statuses are on."""

    has_real_statuses: bool = False
    message_key: str = "msg"

    def ok(self, data: Any) -> Response:
        """Code 200 with `data`."""
        return self._answer(200, "success", {"data": data})

    def refuse(self, code: int, text: str) -> Response:
        """A logical error: `code`, its text, and null data; none at all where the key is not accepted, as recorded."""
        return self._answer(code, text, {} if code == 401 else {"data": None})

    def _answer(self, code: int, text: str, rest: dict[str, Any]) -> Response:
        status = code if self.has_real_statuses else 200
        body = json_bytes({"code": code, self.message_key: text, **rest})
        return Response(body, status_code=status, media_type=_JSON)


def bare(status: int, text: str) -> Response:
    """The envelope with an equal HTTP status: unknown paths, wrong methods, malformed JSON."""
    return Response(json_bytes({"code": status, "msg": text, "data": None}), status_code=status, media_type=_JSON)


def uploaded(data: dict[str, Any]) -> Response:
    """The upload host's success (section 6)."""
    body = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": data}
    return Response(json_bytes(body), media_type=_UPLOAD_JSON, headers=_UPLOAD_HEADERS)


def upload_refused(code: int, text: str) -> Response:
    """The upload host's error; its HTTP status is assumed equal to the code (section 6)."""
    body = {"success": False, "code": code, "msg": text}
    return Response(json_bytes(body), status_code=code, media_type=_UPLOAD_JSON, headers=_UPLOAD_HEADERS)


def html_502() -> Response:
    """A gateway's own error page, not JSON."""
    return HTMLResponse("<html><head><title>502 Bad Gateway</title></head></html>", status_code=502)


def forbidden_1010() -> Response:
    """The refusal of a client's signature by the gateway (section 1), not JSON."""
    return PlainTextResponse("error code: 1010", status_code=403)


def cut(response: Response) -> Response:
    """The first half of an answer's bytes, as if that were all."""
    body = bytes(response.body)
    return Response(body[: len(body) // 2], response.status_code, media_type=response.media_type)


async def drop(request: Request) -> Response:
    """Close the connection without an answer. Needs the emulator's own server; elsewhere an empty 502."""
    abort = getattr(request.state, "abort_connection", None)
    if abort is not None:
        abort()
        await asyncio.sleep(0)
    return Response(status_code=502)


def base_url(request: Request) -> str:
    """The emulator's own address as this caller wrote it, without a slash at the end."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
