"""Filling the output tables: from checked rows, and from what became of their requests.

Lives here: building Arrow tables in memory. Does not live here: their columns (``schemas``), writing them
(``outputs``), deciding a status (``generate``), how a prompt table's own columns become one (``own_columns``).
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from banana_pipeline.core.requests import GenerationRequest, ReferenceImage, usd
from banana_pipeline.core.rows import PROMPT_COLUMNS, Row
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.column_types import python_values
from banana_pipeline.store.own_columns import EXTRA, FOOTER_KEY, packed
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, REJECTED, contract_schema
from banana_pipeline.store.shard_rows import ShardRows

Record = Mapping[str, object]
"""Column name to value, for one row of an output."""

_NO_PARAMETERS = "{}"


def prompts_table(contents: ShardRows, *, shard: Shard, table_version: str) -> pa.Table:
    """The ``prompts`` output of a slice: one row per request of every accepted row."""
    records: list[Record] = []
    positions: list[int] = []
    for position, row in enumerate(contents.rows):
        for request in row.requests:
            records.append({**_place(row, shard, table_version), **_asked(request)})
            positions.append(position)
    return _filled(PROMPTS, records, contents, positions)


def _place(row: Row, shard: Shard, table_version: str) -> Record:
    return {
        "prompt_table": shard.table,
        "shard": shard.key,
        "row_number": row.row_number,
        "id": row.id,
        "table_version": table_version,
    }


def _asked(request: GenerationRequest) -> Record:
    return {
        "request_id": request.request_id,
        "sample": request.sample,
        "prompt": request.prompt,
        "image_input": [image.source for image in request.images],
        "image_sha256": [image.sha256 for image in request.images],
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "output_format": request.output_format,
        "model": request.model,
        "parameters": _NO_PARAMETERS,
        "price_credits": request.price_credits,
    }


def rejected_table(contents: ShardRows, *, shard: Shard, table_version: str) -> pa.Table:
    """The ``rejected_prompts`` output of a slice: one row per row that cannot be sent, with all its problems."""
    positions = [position for position, row in enumerate(contents.rows) if row.problems]
    written = _prompts_as_written(contents.slice)
    records = [
        {
            **_place(row, shard, table_version),
            "prompt": written[position],
            "problems": list(row.problems),
            "problem": "; ".join(row.problems),
        }
        for position, row in ((position, contents.rows[position]) for position in positions)
    ]
    return _filled(REJECTED, records, contents, positions)


def _prompts_as_written(rows: pa.Table) -> list[str | None]:
    """The prompt of each row or else its template; bytes that are no text are shown as U+FFFD."""
    shown: list[str | None] = [None] * rows.num_rows
    for name in PROMPT_COLUMNS:
        values = python_values(rows[name]) if name in rows.column_names else []
        for position, value in enumerate(values):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            shown[position] = shown[position] or (None if text is None else str(text))
    return shown


def requests_of(prompts: pa.Table, *, regenerate: str = "") -> list[GenerationRequest]:
    """The requests that a ``prompts`` output describes, one per row, in order."""
    names = ["prompt", "image_input", "image_sha256", "aspect_ratio", "resolution", "output_format", "sample", "model"]
    rows = zip(*(prompts[name].to_pylist() for name in names), strict=True)
    return [
        GenerationRequest(
            prompt=prompt,
            images=tuple(ReferenceImage(source=it, sha256=sha) for it, sha in zip(images, hashes, strict=True)),
            aspect_ratio=ratio,
            resolution=resolution,
            output_format=output_format,
            sample=sample,
            model=model,
            regenerate=regenerate,
        )
        for prompt, images, hashes, ratio, resolution, output_format, sample, model in rows
    ]


def generations_table(prompts: pa.Table, outcomes: Sequence[Record]) -> pa.Table:
    """The ``generations`` output: one row per row of ``prompts``.

    Args:
        prompts: a ``prompts`` output.
        outcomes: for each of its rows the columns that ``prompts`` does not have (or has otherwise); what is left out
            is null, but ``cost_usd``, which follows from ``credits``.
    """
    records = [_with_cost(outcome) for outcome in outcomes]
    return _continued(GENERATIONS, prompts, PROMPTS, records)


def _with_cost(outcome: Record) -> Record:
    paid = outcome.get("credits")
    return {"cost_usd": usd(paid), **outcome} if isinstance(paid, int | float) else outcome


def images_table(
    generations: pa.Table, pictures: Sequence[Record], *, positions: Sequence[int] | None = None
) -> pa.Table:
    """The ``images`` output.

    Args:
        generations: a ``generations`` output.
        pictures: the columns from ``image_path`` on, for one row each; `ArchivedImage.record` has them.
        positions: for each of ``pictures`` the row of ``generations`` it belongs to; by default one each, in order.
            A request with two results appears twice.
    """
    rows = generations if positions is None else generations.take(pa.array(positions, pa.int64()))
    return _continued(IMAGES, rows, GENERATIONS, pictures)


def _continued(asset: str, before: pa.Table, before_asset: str, records: Sequence[Record]) -> pa.Table:
    """Rows of an earlier output with more columns; what both have in the same meaning is carried over."""
    if len(records) != before.num_rows:
        raise ValueError(f"{len(records)} records for {before.num_rows} rows")
    columns: list[pa.ChunkedArray | pa.Array] = []
    schema, schema_before = contract_schema(asset), contract_schema(before_asset)
    for field in schema:
        is_shared = field.name in schema_before.names and schema_before.field(field.name).type.equals(field.type)
        if is_shared and not any(field.name in record for record in records):
            columns.append(before[field.name])
        else:
            columns.append(pa.array([record.get(field.name) for record in records], field.type))
    footer = (before.schema.metadata or {}).get(FOOTER_KEY)
    return pa.table(columns, schema=schema.with_metadata(footer and {FOOTER_KEY: footer}))


def _filled(asset: str, records: Sequence[Record], contents: ShardRows, positions: Sequence[int]) -> pa.Table:
    own = packed(contents.slice.select(list(contents.extra_columns)), contents.left_out)
    schema = contract_schema(asset)
    values = {EXTRA: [own.values[position] for position in positions]}
    columns = [
        pa.array(values.get(field.name) or [record.get(field.name) for record in records], field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema.with_metadata({FOOTER_KEY: own.footer}))
