"""Values out of strangers' JSON: read what fits, count everything else as absent, raise nothing.

Lives here: text, numbers, ids, addresses, values inside text. Does not live here: which field means what
(``kie.wire``, ``kie.records``), which figures can be true (``core.plausible``).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeGuard
from urllib.parse import urlsplit

MOST_ID_CHARACTERS = 128
_MAX_TEXT_CHARACTERS = 500
_MAX_TOLD_CHARACTERS = 100
_MOST_ADDRESS_CHARACTERS = 4_096
_PACKED_AT_MOST = 3
# What else stands at the ends of copied text: zero-width blanks and byte order marks.
_BLANKS = " \t\r\n\v\f\xa0\u200b\u200c\u200d\u2060\ufeff"
_NO_ID = frozenset({"null", "none", "nil", "undefined", "nan", "false", "true", "0", "-1"})
_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)


def is_plain(value: object) -> TypeGuard[str]:
    """Text of printable characters without blanks: an address or an id that every database and file can keep."""
    return isinstance(value, str) and value != "" and value.isprintable() and " " not in value


def text_of(body: bytes) -> str:
    return plain_text(" ".join(body[:2_000].decode("utf-8", errors="replace").split())) or ""


def plain_text(value: object) -> str | None:
    # NUL cannot be stored in Postgres and half a surrogate pair nowhere; neither says anything.
    if not isinstance(value, str):
        return None
    return value[:_MAX_TEXT_CHARACTERS].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def beginning(text: str) -> str:
    """How a text begins, and of a web page the title: enough for a sentence."""
    title = _TITLE.search(text)
    return " ".join((title[1] if title else text).split())[:_MAX_TOLD_CHARACTERS]


def code_text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return plain_text(value) or None


def whole(value: object) -> int | None:
    number = finite(value)
    return int(number) if number is not None and number == int(number) else None


def kie_code(value: object) -> int | None:
    """A code of KIE's. They are like those of HTTP; other services count from 0 or to 40,000."""
    code = whole(value)
    return code if code is not None and 100 <= code <= 599 else None


def finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def id_text(value: object) -> str | None:
    """An id, given as text or as a number; None for everything else, also for the words that stand for "none"."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    text = value.strip(_BLANKS) if isinstance(value, str) else None
    is_one = is_plain(text) and len(text) <= MOST_ID_CHARACTERS and text.lower() not in _NO_ID
    return text if is_one else None


def address(value: str) -> str | None:
    """An http or https address without the blanks around it; None for any other text."""
    text = value.strip(_BLANKS).replace(" ", "%20")
    if not is_plain(text) or len(text) > _MOST_ADDRESS_CHARACTERS:
        return None
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return text if is_one else None


def unpacked(value: object) -> Any:
    """The value inside JSON text, also where it was packed several times; other text and values as they are."""
    for _ in range(_PACKED_AT_MOST):
        if not isinstance(value, str) or not value.lstrip(_BLANKS).startswith(("{", "[", '"')):
            break
        try:
            value = json.loads(value.strip(_BLANKS))
        except (ValueError, RecursionError):
            break
    return value


def decoded(value: object) -> dict[str, Any] | None:
    """An object, given as such or as JSON text; "" and null are met too (``param``, its ``input``)."""
    value = unpacked(value)
    return value if isinstance(value, dict) else None
