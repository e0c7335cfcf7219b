"""Metadata a person reads in the Dagster UI.

Lives here: column schemas, small tables in Markdown, counts. Does not live here: which of them an asset shows.
"""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.requests import usd
from banana_pipeline.store.schemas import DESCRIPTION_KEY, contract_schema

_MOST_LINES = 20
_MOST_CHARACTERS = 120
_MOST_THUMBNAIL_BYTES = 36_000


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
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(_cell(row[name]) for name in columns) for row in rows]
    if table.num_rows > len(rows):
        lines.append(f"\n... and {table.num_rows - len(rows):,} more")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    text = " ".join(str("" if value is None else value).split())
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
    for mark in "\\`*_{}[]<>|#!&":
        text = text.replace(mark, f"&#{ord(mark)};") if mark != "&" else text
    return text


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
        metadata["success_rate"] = statuses.count("succeeded") / len(statuses)
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
    size_bytes = 0
    for path, label in thumbnails:
        data = Path(path).read_bytes()
        size_bytes += len(data)
        if size_bytes > _MOST_THUMBNAIL_BYTES:
            break
        pieces.append(f"![{_cell(label)}](data:image/webp;base64,{base64.b64encode(data).decode()})")
    return dg.MetadataValue.md(" ".join(pieces) or "no thumbnails")
