"""From a slice of a prompt table to requests: what every row asks for, or everything that is wrong with it.

Lives here: carrying values from Arrow to ``core.rows``, the only judge, and the one check that needs the whole table
(ids used twice). Does not live here: the check of one row (``core.rows``), the output tables (``outputs``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from banana_pipeline.core.columns import KNOWN_COLUMNS
from banana_pipeline.core.row_values import Resolver
from banana_pipeline.core.rows import Row, read_row
from banana_pipeline.core.templates import Unwritable, placeholders
from banana_pipeline.store.column_types import holds_pictures, picture_values, python_values
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.written_values import written_values


@dataclass(frozen=True, kw_only=True)
class ShardRows:
    """A slice of a table after every row was checked.

    Attributes:
        table_name: the table's name.
        extra_columns: the table's own columns that are carried along, in its order.
        left_out: its other columns, each with the reason in words.
        rows: one per row of the slice, in order, accepted or rejected.
        slice: the same rows as Arrow, with all columns that are read, but for pictures that stand in the table.
    """

    table_name: str
    extra_columns: tuple[str, ...]
    rows: tuple[Row, ...]
    slice: pa.Table = field(repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def rejected_count(self) -> int:
        """Rows that cannot be sent."""
        return sum(1 for row in self.rows if row.problems)

    @property
    def request_count(self) -> int:
        """Requests of all accepted rows; a row with ``samples`` makes several."""
        return sum(len(row.requests) for row in self.rows)


def read_shard(
    table: PromptTable,
    rows: range,
    *,
    resolve_image: Resolver,
    duplicate_ids: Mapping[str, int] | None = None,
    regenerate: str = "",
) -> ShardRows:
    """Check every row of ``rows`` that the table has. A bad row is a value, never an exception.

    Args:
        table: an open table.
        rows: row numbers; what lies beyond the table's end is left out.
        resolve_image: looks up one ``image_input`` entry (`store.references.ReferenceResolver`).
        duplicate_ids: `PromptTable.duplicate_ids`; every row but the first that uses such an id is rejected.
        regenerate: see `GenerationRequest`.

    Raises:
        TableError: the file is damaged, or was changed since it was opened.
    """
    return next(
        read_shards(table, [rows], resolve_image=resolve_image, duplicate_ids=duplicate_ids, regenerate=regenerate)
    )


def read_shards(
    table: PromptTable,
    slices: Iterable[range],
    *,
    resolve_image: Resolver,
    duplicate_ids: Mapping[str, int] | None = None,
    regenerate: str = "",
) -> Iterator[ShardRows]:
    """`read_shard` for many ranges; ascending ranges take one pass over the file.

    Raises:
        TableError: as `read_shard`.
    """
    first_rows = duplicate_ids or {}
    wanted = list(slices)
    for piece, batches in zip(wanted, table.read_pieces(wanted), strict=True):
        rows: list[Row] = []
        kept = [_without_pictures(table.schema.empty_table())]
        for batch in batches:
            first = max(piece.start, 0) + len(rows)
            rows += (
                read_row(values, row_number=row_number, resolve_image=resolve_image, regenerate=regenerate)
                for row_number, values in enumerate(_row_values(table, batch), first)
            )
            kept.append(_without_pictures(batch))
        if first_rows:
            rows = [_without_second_use(row, first_rows) for row in rows]
        yield ShardRows(
            table_name=table.name,
            extra_columns=table.extra_columns,
            rows=tuple(rows),
            slice=pa.concat_tables(kept),
            left_out=table.left_out,
        )


def _without_pictures(batch: pa.Table) -> pa.Table:
    """They are large, and every one of them was looked at."""
    has_pictures = "image_input" in batch.column_names and holds_pictures(batch.schema.field("image_input").type)
    return batch.drop_columns(["image_input"]) if has_pictures else batch


def _without_second_use(row: Row, first_rows: Mapping[str, int]) -> Row:
    first = first_rows.get(row.id, row.row_number) if row.id is not None else row.row_number
    if first == row.row_number:
        return row
    problem = f"id {row.id!r} is already used by row {first}"
    return replace(row, requests=(), problems=(*row.problems, problem))


def _row_values(table: PromptTable, arrow: pa.Table) -> Iterator[dict[str, object]]:
    """One mapping per row. Columns of the table's own go to Python only where a template of the slice uses them."""
    known = [name for name in arrow.column_names if name in KNOWN_COLUMNS]
    columns = {name: _known_values(arrow[name]) for name in known}
    unused: dict[str, object] = {}
    if "prompt_template" in known:
        # All names must be there: the check of a template tells a missing column from an empty one.
        unused.update(dict.fromkeys((*arrow.column_names, *table.left_out)))
        unused.update({name: Unwritable(reason=reason) for name, reason in table.unwritable.items()})
        used = _columns_in_templates(arrow["prompt_template"])
        columns |= {
            name: written_values(arrow[name]) for name in used & unused.keys() - known - table.unwritable.keys()
        }
    for values in zip(*columns.values(), strict=True):
        yield {**unused, **dict(zip(columns, values, strict=True))}


def _known_values(column: pa.ChunkedArray) -> list[object]:
    return picture_values(column) if holds_pictures(column.type) else python_values(column)


def _columns_in_templates(templates: pa.ChunkedArray) -> set[str]:
    distinct = python_values(pa.chunked_array([templates.unique()]))
    return {name for template in distinct if isinstance(template, str) for name in placeholders(template)}
