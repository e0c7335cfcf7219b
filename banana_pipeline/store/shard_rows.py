"""From a slice of a prompt table to requests: what every row asks for, or everything that is wrong with it.

Lives here: carrying values from Arrow to ``core.rows``, the only judge, and the one check that needs the whole table
(ids used twice). Does not live here: the check of one row (``core.rows``), the output tables (``outputs``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from banana_pipeline.core.rows import KNOWN_COLUMNS, Resolver, Row, placeholders, read_row
from banana_pipeline.store.column_types import python_values
from banana_pipeline.store.prompt_table import PromptTable


@dataclass(frozen=True, kw_only=True)
class ShardRows:
    """A slice of a table after every row was checked.

    Attributes:
        table_name: the table's name.
        extra_columns: the table's own columns that are carried along, in its order.
        left_out: its other columns, each with the reason in words.
        rows: one per row of the slice, in order, accepted or rejected.
        slice: the same rows as Arrow, with all columns of the table.
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
    for piece, arrow in zip(wanted, table.read_slices(wanted), strict=True):
        rows = tuple(
            read_row(values, row_number=row_number, resolve_image=resolve_image, regenerate=regenerate)
            for row_number, values in enumerate(_row_values(arrow), max(piece.start, 0))
        )
        if first_rows:
            rows = tuple(_without_second_use(row, first_rows) for row in rows)
        yield ShardRows(table_name=table.name, extra_columns=table.extra_columns, rows=rows, slice=arrow)


def _without_second_use(row: Row, first_rows: Mapping[str, int]) -> Row:
    first = first_rows.get(row.id, row.row_number) if row.id is not None else row.row_number
    if first == row.row_number:
        return row
    problem = f"id {row.id!r} is already used by row {first}"
    return replace(row, requests=(), problems=(*row.problems, problem))


def _row_values(arrow: pa.Table) -> Iterator[dict[str, object]]:
    """One mapping per row. Columns of the table's own go to Python only where a template of the slice uses them."""
    names = [name for name in arrow.column_names if name in KNOWN_COLUMNS]
    if "prompt_template" in names:
        # All names must be there: the check of a template tells a missing column from an empty one.
        used = _columns_in_templates(arrow["prompt_template"])
        unused = dict.fromkeys(name for name in arrow.column_names if name not in names and name not in used)
        names += [name for name in arrow.column_names if name not in names and name in used]
    else:
        unused = {}
    columns = [python_values(arrow[name]) for name in names]
    for values in zip(*columns, strict=True):
        yield {**unused, **dict(zip(names, values, strict=True))}


def _columns_in_templates(templates: pa.ChunkedArray) -> set[str]:
    distinct = python_values(pa.chunked_array([templates.unique()]))
    return {name for template in distinct if isinstance(template, str) for name in placeholders(template)}
