"""Filling the output tables: from checked rows, and from what became of their requests.

Lives here: building Arrow tables in memory. Does not live here: their columns (``schemas``), writing them
(``outputs``), deciding a status (``generate``). A prompt table's own columns go along in Arrow, never through Python.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from banana_pipeline.core.requests import GenerationRequest, ReferenceImage, usd
from banana_pipeline.core.rows import PROMPT_COLUMNS, Row
from banana_pipeline.store.column_types import converted, portable_type, python_values
from banana_pipeline.store.schemas import (
    GENERATIONS,
    IMAGES,
    PROMPTS,
    REJECTED,
    contract_schema,
    described,
    extra_names,
    output_names,
)
from banana_pipeline.store.shard_rows import ShardRows

Record = Mapping[str, object]
"""Column name to value, for one row of an output."""


def prompts_table(contents: ShardRows, *, table_version: str) -> pa.Table:
    """The ``prompts`` output of a slice: one row per request of every accepted row."""
    records: list[Record] = []
    positions: list[int] = []
    for position, row in enumerate(contents.rows):
        for request in row.requests:
            records.append(_prompt_record(contents.table_name, row, request, table_version))
            positions.append(position)
    return _filled(PROMPTS, records, _extras(contents, positions))


def _prompt_record(table_name: str, row: Row, request: GenerationRequest, table_version: str) -> Record:
    return {
        "request_id": request.request_id,
        "prompt_table": table_name,
        "row_number": row.row_number,
        "id": row.id,
        "sample": request.sample,
        "prompt": request.prompt,
        "image_input": [image.source for image in request.images],
        "image_sha256": [image.sha256 for image in request.images],
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "output_format": request.output_format,
        "model": request.model,
        "price_credits": request.price_credits,
        "table_version": table_version,
    }


def rejected_table(contents: ShardRows, *, table_version: str) -> pa.Table:
    """The ``rejected_prompts`` output of a slice: one row per row that cannot be sent, with all its problems."""
    positions = [position for position, row in enumerate(contents.rows) if row.problems]
    prompts = _prompts_as_written(_take(contents.slice, positions))
    records = [
        {
            "prompt_table": contents.table_name,
            "row_number": row.row_number,
            "id": row.id,
            "prompt": prompt,
            "problems": list(row.problems),
            "problem": "; ".join(row.problems),
            "table_version": table_version,
        }
        for row, prompt in zip((contents.rows[position] for position in positions), prompts, strict=True)
    ]
    return _filled(REJECTED, records, _extras(contents, positions))


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
    rows = generations if positions is None else _take(generations, list(positions))
    return _continued(IMAGES, rows, GENERATIONS, pictures)


def _continued(asset: str, before: pa.Table, before_asset: str, records: Sequence[Record]) -> pa.Table:
    """Rows of an earlier output with more columns; what both have in the same meaning is carried over."""
    if len(records) != before.num_rows:
        raise ValueError(f"{len(records)} records for {before.num_rows} rows")
    shared = set(before.column_names) & set(contract_schema(before_asset).names)
    columns: list[pa.ChunkedArray | pa.Array] = []
    schema = contract_schema(asset)
    for field in schema:
        is_shared = field.name in shared and before.schema.field(field.name).type.equals(field.type)
        if is_shared and not any(field.name in record for record in records):
            columns.append(before[field.name])
        else:
            columns.append(pa.array([record.get(field.name) for record in records], field.type))
    extras = before.select(extra_names(before.column_names, before_asset))
    return _joined(pa.table(columns, schema=schema), extras)


def _filled(asset: str, records: Sequence[Record], extras: pa.Table) -> pa.Table:
    schema = contract_schema(asset)
    columns = [pa.array([record[field.name] for record in records], field.type) for field in schema]
    return _joined(pa.table(columns, schema=schema), extras)


def _joined(contract: pa.Table, extras: pa.Table) -> pa.Table:
    fields = [*contract.schema, *extras.schema]
    return pa.table([*contract.columns, *extras.columns], schema=pa.schema(fields))


def _extras(contents: ShardRows, positions: Sequence[int]) -> pa.Table:
    names = output_names(contents.extra_columns)
    taken = _take(contents.slice.select(list(names)), positions)
    fields = [
        described(names[field.name], portable_type(field.type), f"Column {field.name!r} of the prompt table.")
        for field in taken.schema
    ]
    columns = [converted(column, field.type) for column, field in zip(taken.columns, fields, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))


def _take(rows: pa.Table, positions: Sequence[int]) -> pa.Table:
    if len(positions) == rows.num_rows and list(positions) == list(range(rows.num_rows)):
        return rows
    try:
        return rows.take(pa.array(positions, pa.int64()))
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):  # a column type that pyarrow can slice but not take
        pieces = [rows.slice(position, 1) for position in positions]
        return pa.concat_tables(pieces) if pieces else rows.slice(0, 0)
