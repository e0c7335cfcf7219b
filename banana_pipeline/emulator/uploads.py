"""The three upload calls over HTTP (section 6 of the protocol reference).

Here: reading the three bodies, their limits and refusals, the recorded answer.
Not here: where files are kept (books), how they are served (media). Only loopback URLs are ever fetched.
"""

import base64
import binascii
import json
import mimetypes
import random
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from banana_pipeline.emulator import answers
from banana_pipeline.emulator.books import LOOPBACK_HOSTS, Books
from banana_pipeline.emulator.jobs import bearer_key
from banana_pipeline.emulator.orders import RefusedError
from banana_pipeline.emulator.tasks import Account, Upload

FETCH_TIMEOUT_S = 30.0
_FORM_BYTES = 10_000
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


class Uploads:
    """The handlers of the upload host."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def stream(self, request: Request) -> Response:
        """`POST /api/file-stream-upload`: multipart with `file`, `uploadPath` and perhaps `fileName`."""
        try:
            account = self._admit(request)
            most_bytes = self._books.config.max_stream_bytes
            _check_size(request.headers.get("content-length", 0), most_bytes + _FORM_BYTES)
            async with request.form() as form:
                file, fields = form.get("file"), {k: v for k, v in form.items() if isinstance(v, str)}
                if not isinstance(file, UploadFile):
                    raise RefusedError(400, "Missing required parameter: file")
                content = await file.read()
                _check_size(len(content), most_bytes)
                return self._keep(request, account, fields, content, file.filename)
        except RefusedError as refusal:
            return self._refuse(refusal)

    async def by_url(self, request: Request) -> Response:
        """`POST /api/file-url-upload`: JSON with `fileUrl`, `uploadPath` and perhaps `fileName`."""
        try:
            account = self._admit(request)
            fields = await _json_fields(request)
            url = _required(fields, "fileUrl")
            _required(fields, "uploadPath")
            return self._keep(request, account, fields, await _fetched(url), urlsplit(url).path)
        except RefusedError as refusal:
            return self._refuse(refusal)

    async def base64(self, request: Request) -> Response:
        """`POST /api/file-base64-upload`: JSON with `base64Data`, `uploadPath` and perhaps `fileName`."""
        try:
            account = self._admit(request)
            most_bytes = self._books.config.max_base64_bytes
            _check_size(request.headers.get("content-length", 0), most_bytes * 4 // 3 + _FORM_BYTES)
            fields = await _json_fields(request)
            content = _decoded(_required(fields, "base64Data"))
            _check_size(len(content), most_bytes)
            return self._keep(request, account, fields, content, None)
        except RefusedError as refusal:
            return self._refuse(refusal)

    def _admit(self, request: Request) -> Account:
        account = self._books.accounts.admitted(bearer_key(request))
        if account is None:
            raise RefusedError(401, "Authentication failed: Invalid API Key")
        return account

    def _keep(
        self,
        request: Request,
        account: Account,
        fields: Mapping[str, Any],
        content: bytes,
        original_name: str | None,
    ) -> Response:
        folder = _required(fields, "uploadPath")
        mime_type = media_type(content, str(fields.get("fileName") or original_name or ""))
        name = fields.get("fileName") or self._new_name(mime_type)
        path = f"kieai/{account.account_id}/{folder}/{name}"
        if not isinstance(name, str) or "/" in name or not _is_plain(path):
            raise RefusedError(400, "Invalid parameter: uploadPath or fileName")
        upload = self._books.save_upload(path, content, mime_type)
        return answers.uploaded(_described(upload, answers.base_url(request)))

    def _new_name(self, mime_type: str) -> str:
        """`<epoch ms>-<11 base36>.<ext>`, as recorded when no `fileName` is given."""
        tail = "".join(random.choices(string.digits + string.ascii_lowercase, k=11))
        return f"{int(self._books.now() * 1000)}-{tail}{mimetypes.guess_extension(mime_type) or '.bin'}"

    def _refuse(self, refusal: RefusedError) -> Response:
        self._books.counters["upload_refusals"] += 1
        return answers.upload_refused(refusal.code, refusal.text)


def media_type(content: bytes, name: str) -> str:
    """The MIME type by the first bytes, else by the name, else `application/octet-stream`."""
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _described(upload: Upload, base_url: str) -> dict[str, Any]:
    moment = datetime.fromtimestamp(upload.uploaded_at, UTC)
    return {
        "success": True,
        "fileName": PurePosixPath(upload.path).name,
        "filePath": upload.path,
        "downloadUrl": f"{base_url}/{quote(upload.path)}",
        "fileSize": len(upload.content),
        "mimeType": upload.mime_type,
        "uploadedAt": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError(400, f"Missing required parameter: {name}")
    return value


def _check_size(size_bytes: int | str, most_bytes: int) -> None:
    if int(size_bytes) > most_bytes:
        raise RefusedError(400, "File size exceeds the limit")


def _is_plain(path: str) -> bool:
    """Whether every part of the path is a name: no leading, trailing or doubled slash, no dots alone."""
    return path.isprintable() and all(part not in ("", ".", "..") for part in path.split("/"))


async def _json_fields(request: Request) -> dict[str, Any]:
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise RefusedError(400, "The request body is not a JSON object")
    return fields


def _decoded(text: str) -> bytes:
    data = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(400, "Base64 decoding failed: Invalid Base64 format") from None


async def _fetched(url: str) -> bytes:
    """The bytes at a loopback URL. Raises RefusedError for any other host: the emulator stays offline."""
    try:
        if urlsplit(url).hostname not in LOOPBACK_HOSTS:
            raise RefusedError(400, "This emulator is offline: fileUrl may only name this machine")
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            return answer.content
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise RefusedError(500, "File download failed") from None
