"""The bytes and headers of an answer: read within limits, whatever the other side sends.

Lives here: the largest answer, unpacking, ``Retry-After``, where a redirect leads. Does not live here: what the bytes
say (``kie.wire``), pictures (``kie.downloads``), how long is really waited (``core.decisions``).

httpx unpacks each piece as a whole before anybody can look at its size, and one layer of gzip inside another makes a
gigabyte out of a kilobyte. Here the packed bytes are limited first, and unpacking stops at the limit.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from banana_pipeline.core.failures import ReadFailed

MAX_ANSWER_BYTES = 1024 * 1024
"""KIE's own answers have a few kilobytes."""

ACCEPTED_ENCODINGS = "gzip, deflate"
_ANY_HEADER = zlib.MAX_WBITS | 32  # gzip or zlib, as the bytes say
_NO_HEADER = -zlib.MAX_WBITS  # what some servers call deflate
_LONGEST_WAIT_S = 1e9


class BadBody(ReadFailed):
    """An answer whose bytes are not read: too many, or packed in an unknown way."""


async def read_body(response: httpx.Response) -> bytes:
    """The unpacked bytes of a streamed answer.

    Raises:
        BadBody: more than 1 MiB, packed or unpacked, or packed otherwise than by gzip or deflate once.
    """
    if response.is_stream_consumed:
        return _limited(response.content)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        raise BadBody("the answer is packed in a way that was not asked for")
    packed = bytearray()
    async for chunk in response.aiter_raw():
        packed += chunk
        _check_size(len(packed))
    if encoding in {"", "identity"}:
        return bytes(packed)
    return _unpacked(bytes(packed), (_ANY_HEADER, _NO_HEADER) if encoding == "deflate" else (_ANY_HEADER,))


def _unpacked(packed: bytes, headers: tuple[int, ...]) -> bytes:
    for header in headers:
        try:
            return _limited(zlib.decompressobj(header).decompress(packed, MAX_ANSWER_BYTES + 1))
        except zlib.error:
            continue
    return packed  # a proxy has unpacked it and left the header as it was


def _limited(body: bytes) -> bytes:
    _check_size(len(body))
    return body


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_ANSWER_BYTES:
        raise BadBody(f"the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB")


def wait_asked_s(headers: httpx.Headers, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, as a number or as a date; None where it says nothing that can be obeyed.

    A date is compared with the answer's own ``Date`` where there is one: the two clocks may differ.
    """
    text = headers.get("Retry-After", "").strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(_LONGEST_WAIT_S, float(text))
    until = _date(text)
    if until is None:
        return None
    return min(_LONGEST_WAIT_S, max(0.0, (until - (_date(headers.get("Date", "")) or now)).total_seconds()))


async def tame_redirect(response: httpx.Response) -> None:
    """Leave of a redirect's target only scheme and host, of an impossible one nothing: for httpx's response hook.

    httpx builds the next request even where it follows no redirect, and raises where that cannot be done. Path and
    query may hold strangers' secrets.
    """
    if not response.has_redirect_location:
        return
    try:
        url = response.url.join(response.headers["Location"])
        response.headers["Location"] = str(httpx.URL(scheme=url.scheme, host=url.host, port=url.port))
    except (httpx.InvalidURL, ValueError, TypeError):
        del response.headers["Location"]


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
