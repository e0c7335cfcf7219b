"""Values out of strangers' JSON: read what fits, count everything else as absent, raise nothing.

Lives here: text, numbers, moments, objects inside text. Does not live here: which field means what (``kie.wire``).
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, TypeGuard

_MAX_TEXT_CHARACTERS = 500
_MAX_TOLD_CHARACTERS = 100
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


def moment(epoch_ms: float | None) -> datetime | None:
    if epoch_ms is None:
        return None
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def decoded(value: object) -> dict[str, Any] | None:
    """An object, given as such or as JSON text; "" and null are met too (``param``, its ``input``, ``resultJson``)."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
