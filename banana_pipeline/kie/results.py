"""Where a finished task's pictures are: addresses in all the places and forms that KIE's models and years use.

Lives here: finding them in a task's record, and the text that stands there where none is found. Does not live here: the
rest of the record (``kie.records``), which addresses may be asked (``kie.downloads``).

KIE's market models say ``resultJson`` (JSON text) and ``response`` (an object) with ``resultUrls``; its older models
use other names for the same. Only names that stand for a result are followed, because a record also repeats what was
sent, and a reference image is no picture that was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from banana_pipeline.kie.json_values import address, plain_text, unpacked

_PLACES = ("resultjson", "response", "resultinfojson")
# The surest first: the first of them that holds an address is taken.
_NAMES = (
    *("resulturls", "resulturl", "resultimageurls", "resultimageurl", "urls", "url", "imageurls", "imageurl"),
    *("images", "image", "outputs", "output", "results", "result", "resultobject", "files", "file", "data"),
)
# A record's own fields: here ``image_urls`` or ``files`` could be what was sent.
_NAMES_OF_RECORD = (
    *("resulturls", "resulturl", "resultimageurls", "resultimageurl", "results", "result", "resultobject"),
    *("outputs", "output", "urls", "url", "images"),
)
_DEEPEST = 6
_MOST_ADDRESSES = 100
_BETWEEN = re.compile(r"[\s,;|]+(?=https?://)", re.IGNORECASE)


def result_addresses(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The addresses of a record's pictures, each once, in KIE's order."""
    fields = _by_name(data)
    for place in _PLACES:
        if found := _addresses(fields.get(place), _DEEPEST):
            break
    else:
        found = _first_of(fields, _NAMES_OF_RECORD, _DEEPEST)
    return tuple(dict.fromkeys(found))[:_MOST_ADDRESSES]


def result_text(data: Mapping[str, Any]) -> str | None:
    """What stands where a result should stand, for a person to read; None where nothing stands there."""
    fields = _by_name(data)
    for name in (*_PLACES, *_NAMES_OF_RECORD):
        value = fields.get(name)
        if _says_something(value, _DEEPEST):
            return plain_text("".join(c if c.isprintable() else " " for c in _as_text(value)[:2_000]).strip())
    return None


def _as_text(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "something that is nested too deeply to be shown"


def _by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields under their names without case and underscores, the first of equal names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found.setdefault(name.lower().replace("_", "").replace("-", ""), value)
    return found


def _first_of(fields: Mapping[str, Any], names: tuple[str, ...], deeper: int) -> list[str]:
    return next((found for name in names if (found := _addresses(fields.get(name), deeper))), [])


def _addresses(value: object, deeper: int) -> list[str]:
    value = unpacked(value)
    if isinstance(value, str):
        return [found for part in _BETWEEN.split(value) if (found := address(part)) is not None]
    if deeper == 0:
        return []
    if isinstance(value, list):
        return [found for part in value for found in _addresses(part, deeper - 1)]
    return _first_of(_by_name(value), _NAMES, deeper - 1) if isinstance(value, dict) else []


def _says_something(value: object, deeper: int) -> bool:
    value = unpacked(value)
    if isinstance(value, str):
        return value.strip().lower() not in {"", "null", "none"}
    if deeper == 0:
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(_says_something(part, deeper - 1) for part in parts)
