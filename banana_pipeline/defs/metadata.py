"""Metadata a person reads in the Dagster UI.

Lives here: column schemas, small tables in Markdown, counts. Does not live here: which of them an asset shows.
"""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image
from upath import UPath

from banana_pipeline.core.requests import usd
from banana_pipeline.store.schemas import DESCRIPTION_KEY, contract_schema

_MOST_LINES = 20
_MOST_CHARACTERS = 120
_MOST_SHEET_CHARACTERS = 48_000
_STAMP_PX = 128
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
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


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


def status_metadata(generations: pa.Table) -> dict[str, Any]:
    """Counts per status, money, and a table of what did not succeed."""
    statuses = generations["status"].to_pylist()
    credits_sum = float(sum(amount or 0.0 for amount in generations["credits"].to_pylist()))
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": generations.num_rows,
        **{f"rows_{name}": count for name, count in counted(statuses)},
        "credits": credits_sum,
        "cost_usd": usd(credits_sum),
    }
    if statuses:
        metadata["success_rate"] = round(statuses.count("succeeded") / len(statuses), 4)
    unwell = generations.filter(pc.field("status") != "succeeded")
    if unwell.num_rows:
        metadata["not_succeeded"] = preview_md(unwell, ["row_number", "id", "prompt", "status", "status_reason"])
    return metadata


def counted(values: Iterable[str]) -> list[tuple[str, int]]:
    """Distinct values and how often they occur, sorted."""
    found = list(values)
    return [(value, found.count(value)) for value in sorted(set(found))]


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


def _stamp_sized(path: str) -> bytes | None:
    """A thumbnail made smaller still; None if it cannot be read, which is no reason to fail."""
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(UPath(path).read_bytes())) as image:
            image.thumbnail((_STAMP_PX, _STAMP_PX))
            image.save(out, "WEBP", quality=70)
    except (OSError, ValueError):
        return None
    return out.getvalue()
