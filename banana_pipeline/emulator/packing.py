"""Answers as they come through KIE's gateway: JSON in gzip and in chunks, for callers that accept it (section 1).

Here: packing what goes out. Not here: the answers themselves.
"""

import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Packing:
    """Packs whole JSON answers; pictures and pages go out as they are. Without a length the server sends chunks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = Headers(scope=scope).get("accept-encoding", "") if scope["type"] == "http" else ""
        is_packed = "gzip" in accepted.lower() and not scope["path"].startswith("/admin")
        await self._app(scope, receive, _Packer(send) if is_packed else send)


class _Packer:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_json = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            self._is_json = headers.get("content-type", "").startswith("application/json")
            if self._is_json:
                headers["content-encoding"] = "gzip"
                headers["vary"] = "Accept-Encoding"
                del headers["content-length"]
        elif self._is_json:
            message = {**message, "body": gzip.compress(message.get("body", b""), compresslevel=1)}
        await self._send(message)
