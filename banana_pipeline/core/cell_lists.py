"""Several links or paths in one cell of text: lists as JSON, Python, numpy and SQL write them, and separated ones.

Lives here: finding the entries, or saying why they cannot be told apart. Does not live here: what an entry is
(``store.references``), how many there may be (``row_values``).

A link may hold commas and a file's name blanks, so a separator counts only where another address follows it, or where
the pieces are files. What could be one address or two is refused: KIE would be sent a link that leads nowhere.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable

from banana_pipeline.core.missing_values import is_blank, missing_text

_LONGEST = 40_000
_DEEPEST = 3
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_NEEDS_A_LOOK = re.compile(r"[\s,;|\[\](){}\"']")
_BEFORE_ADDRESS = re.compile(r"[\s,;|]+(?=(?:[A-Za-z][A-Za-z0-9+.\-]*://|www\.))")
_SEPARATOR = re.compile(r"\s*[,;|\r\n]\s*")
_INNER_ADDRESS = re.compile(r"(.)https?://", re.I | re.S)
_MAY_STAND_BEFORE_ADDRESS = "/=?#:"  # as in the links of archives and proxies
_PICTURE_THEN_MORE = re.compile(r"\.(?:png|jpe?g|webp|gif|avif|bmp|tiff?)[,;|]+[^,;|]", re.I)
_NUMPY = re.compile(r"(?:np\.|numpy\.)?array\((.*?)(?:,\s*dtype=[^()]*)?\)", re.S)
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_ITEM = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<bare>[^\s,;'"\[\]{}][^,;'"\[\]{}]*))\s*"""
    r"""(?:[,;]|(?=["'])|$)""",
    re.S,
)

IsFile = Callable[[str], bool]


def cell_entries(text: str, is_file: IsFile, problems: list[str]) -> list[object]:
    """The entries of a cell of ``image_input``; what cannot be told apart is added to ``problems``.

    Args:
        text: the cell. One that holds nothing, or the text of a missing value, has no entries.
        is_file: whether a text, as a whole, is the path of a picture.
        problems: a sentence for each part that cannot be understood.
    """
    return [] if is_blank(text) or missing_text(text) else _entries(text, is_file, problems, depth=0)


def list_entries(values: list[object], is_file: IsFile, problems: list[str]) -> list[object]:
    """The entries of a list: each as it is, but those that hold several themselves."""
    return _all_entries(values, is_file, problems, depth=1)


def _entries(text: str, is_file: IsFile, problems: list[str], *, depth: int) -> list[object]:
    is_plain = text.count("://") < 2 and not _NEEDS_A_LOOK.search(text)
    if is_plain or depth > _DEEPEST or len(text) > _LONGEST or text[:5].lower() == "data:":
        return [text]
    trimmed = text.strip()
    if _ADDRESS.match(trimmed):
        return _links(trimmed, problems)
    if is_file(text):
        return [text]
    if trimmed[0] in _BRACKETS or trimmed[0] in "'\"" or _NUMPY.fullmatch(trimmed):
        found = _written_list(trimmed)
        if found is not None:
            return _all_entries(found, is_file, problems, depth=depth + 1)
        problems.append(
            f'image_input {_shown(text)} cannot be read as a list; write it like ["https://example.org/a.png", "b.png"]'
        )
        return []
    return _paths(trimmed, is_file, problems)


def _all_entries(values: list[object], is_file: IsFile, problems: list[str], *, depth: int) -> list[object]:
    entries: list[object] = []
    for value in values:
        if isinstance(value, str) and value.strip():
            entries += _entries(value, is_file, problems, depth=depth)
        else:
            entries.append(value)
    return entries


def _links(text: str, problems: list[str]) -> list[object]:
    pieces = [piece.strip(" \t\r\n,;|") for piece in _BEFORE_ADDRESS.split(text)]
    for piece in pieces:
        inner = _INNER_ADDRESS.search(piece)
        is_unsure = inner is not None and (len(pieces) > 1 or inner[1] not in _MAY_STAND_BEFORE_ADDRESS)
        if is_unsure or _PICTURE_THEN_MORE.search(piece):
            problems.append(
                f"image_input {_shown(text)} may be one address or several; write a list, "
                "and inside an address %2C for a comma and %3B for a semicolon"
            )
            return []
    return list(pieces)


def _paths(text: str, is_file: IsFile, problems: list[str]) -> list[object]:
    """Paths, perhaps with links among them. Where nothing is found, the whole is given back to be explained."""
    for pieces in (_SEPARATOR.split(text), _BEFORE_ADDRESS.split(text)):
        told = [piece for piece in pieces if piece]
        if len(told) > 1 and any(_ADDRESS.match(piece) or is_file(piece) for piece in told):
            found = [_links(piece, problems) if _ADDRESS.match(piece) else [piece] for piece in told]
            return [entry for entries in found for entry in entries]
    words = text.split()
    return list(words) if len(words) > 1 and all(map(is_file, words)) else [text]


def _written_list(text: str) -> list[object] | None:
    """The entries of a list that some program has made into text; None where it is none."""
    try:
        read = json.loads(text)
        return read if isinstance(read, list) else [read] if isinstance(read, str) else None
    except (ValueError, RecursionError):
        pass
    if numpy := _NUMPY.fullmatch(text):
        text = numpy[1].strip()
    if text[:1] in _BRACKETS:
        if text[-1] != _BRACKETS[text[0]]:
            return None
        text = text[1:-1].strip()
    return _items(text)


def _items(text: str) -> list[object] | None:
    # Not one `literal_eval` of the whole: it would join ['a' 'b'], as numpy writes two entries, into one.
    items: list[object] = []
    position = 0
    while position < len(text):
        item = _ITEM.match(text, position)
        if item is None:
            return None
        position = item.end()
        value = _unquoted(item["quoted"]) if item["quoted"] else item["bare"].strip()
        if value is None:
            return None
        items.append(value)
    return items


def _unquoted(text: str) -> str | None:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return value if isinstance(value, str) else None
    return None


def _shown(text: str) -> str:
    text = repr(text)
    return text if len(text) <= 80 else text[:77] + "..."
