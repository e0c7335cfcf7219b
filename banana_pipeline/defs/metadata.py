"""Metadata a person reads in the Dagster UI.

Lives here: owners, column schemas, small tables in Markdown, counts. Does not live here: which of them an asset shows.
"""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
from PIL import Image
from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.store.files import read_bytes
from banana_pipeline.store.schemas import DESCRIPTION_KEY, contract_schema

OWNERS = ["team:images"]

_MOST_LINES = 20
_MOST_CHARACTERS = 120
_MOST_SHEET_CHARACTERS = 48_000
_STAMP_PX = 128
_FIRST_PICTURES = 3
_SHOWN_AT_ONCE = 1_000
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>|#!&~$]")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)


def schema_metadata(asset: str) -> dict[str, Any]:
    """The columns every shard of an output has, each with its sentence."""
    columns = [
        dg.TableColumn(
            field.name, str(field.type), description=(field.metadata or {}).get(DESCRIPTION_KEY, b"").decode()
        )
        for field in contract_schema(asset)
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "dagster/table_name": asset}


def preview_md(table: pa.Table, columns: Sequence[str]) -> dg.MarkdownMetadataValue:
    """The first rows of a table as Markdown. Prompts are strangers' text: nothing in them is markup here."""
    rows = table.select(list(columns)).slice(0, _MOST_LINES).to_pylist()
    lines = [_line(columns), _line("---" for _ in columns)]
    lines += [_line(_cell(row[name]) for name in columns) for row in rows]
    if table.num_rows > len(rows):
        lines.append(f"\n... and {table.num_rows - len(rows):,} more")
    return dg.MetadataValue.md("\n".join(lines))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    text = " ".join(str("" if value is None else value).split())
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
    # The UI links addresses even where their characters are written as entities; an invisible joiner parts them.
    return _MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", _ADDRESS.sub("\u2060", text))


def counted(values: Iterable[str]) -> list[tuple[str, int]]:
    """Distinct values and how often they occur, sorted."""
    return sorted(Counter(values).items())


def thumbnails_md(thumbnails: Sequence[tuple[str, str]]) -> dg.MarkdownMetadataValue:
    """A contact sheet of (path, label), as data URIs that the UI renders; stops before the event log grows fat."""
    pieces: list[str] = []
    left = _MOST_SHEET_CHARACTERS
    for path, label in thumbnails:
        data = _stamp_sized(path)
        if data is None:
            continue
        pieces.append(f"![{_cell(label)}](data:image/webp;base64,{base64.b64encode(data).decode()})")
        left -= len(pieces[-1]) + 1
        if left < 0:
            del pieces[-1]
            break
    more = f"\n\nand {len(thumbnails) - len(pieces):,} more" if len(thumbnails) > len(pieces) else ""
    return dg.MetadataValue.md((" ".join(pieces) or "no thumbnails") + more)


def first_pictures_md(thumbnails: Sequence[tuple[str, str]]) -> dict[str, dg.MarkdownMetadataValue]:
    """A few tiny pictures of their own: the UI shows Markdown below 1,000 characters at once, the rest on a click."""
    found: dict[str, dg.MarkdownMetadataValue] = {}
    for path, _ in thumbnails[:_FIRST_PICTURES]:
        for px in (64, 48, 32):
            data = _stamp_sized(path, px=px, quality=30)
            text = "" if data is None else f"![](data:image/webp;base64,{base64.b64encode(data).decode()})"
            if 0 < len(text) < _SHOWN_AT_ONCE:
                found[f"picture_{len(found) + 1}"] = dg.MetadataValue.md(text)
                break
    return found


def _stamp_sized(path: str, *, px: int = _STAMP_PX, quality: int = 70) -> bytes | None:
    """A thumbnail made smaller still; None if it cannot be read, which is no reason to fail."""
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(read_bytes(UPath(path)))) as image:
            image.thumbnail((px, px))
            image.save(out, "WEBP", quality=quality)
    except (OSError, ValueError, SettingsError):
        return None
    return out.getvalue()
