"""Reading ranges of rows out of Parquet parts: only the row groups that are needed, in constant memory.

Lives here: where rows lie, and the reader that goes through them. Does not live here: what a table is
(``prompt_table``) and which types are right (``column_types``).
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from banana_pipeline.core.columns import KNOWN_COLUMNS
from banana_pipeline.core.failures import TableError
from banana_pipeline.store.files import is_local, local_path
from banana_pipeline.store.plain_types import converted

BATCH_ROWS = 2_048
_BATCH_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RowGroup:
    """One row group of one part. ``first_row`` counts from the start of the table, ``index`` within the part."""

    part: int
    index: int
    first_row: int
    row_count: int

    @property
    def end_row(self) -> int:
        return self.first_row + self.row_count


def open_parquet(part: UPath) -> pq.ParquetFile:
    """The footer of a Parquet file; column data is streamed when it is read, not loaded as a whole."""
    source = str(local_path(part)) if is_local(part) else part.open("rb")
    # Without both settings pyarrow holds a whole row group in memory, which may be the whole table.
    return pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)


class RowReader:
    """Reads ranges of rows. Goes on from where it is when the next range lies ahead in the same row group."""

    def __init__(self, *, name: str, parts: Sequence[UPath], row_groups: Sequence[RowGroup], schema: pa.Schema) -> None:
        self._name = name
        self._parts = parts
        self._groups = row_groups
        self._schema = schema
        self._ends = [group.end_row for group in row_groups]
        self._file: pq.ParquetFile | None = None
        self._group: RowGroup | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.Table | None = None
        self._batch_row = 0  # row number of the first row of the batch at hand
        self._part = -1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, rows: range) -> pa.Table:
        """The rows of ``rows`` that exist, in the reader's schema.

        Raises:
            TableError: the file is damaged, or was changed since it was opened.
        """
        return pa.concat_tables([self._schema.empty_table(), *self.pieces(rows)])

    def pieces(self, rows: range) -> Iterator[pa.Table]:
        """`read`, one batch after the other."""
        start, stop = max(rows.start, 0), min(rows.stop, self._ends[-1])
        try:
            for group in self._overlapping(start, stop):
                yield from self._take(group, max(start, group.first_row), min(stop, group.end_row))
        except (pa.ArrowException, OSError) as error:
            raise TableError(
                f"Table {self._name!r} is damaged or was changed while it was read ({_first_line(error)}); "
                "write the file again and start again."
            ) from error

    def _overlapping(self, start: int, stop: int) -> Iterator[RowGroup]:
        for position in range(bisect_right(self._ends, start), len(self._ends)):
            group = self._groups[position]
            if group.first_row >= stop:
                return
            yield group

    def _take(self, group: RowGroup, start: int, stop: int) -> Iterator[pa.Table]:
        if self._group != group or start < self._batch_row:
            self._enter(group)
        while start < stop:
            batch = self._batch
            if batch is None or start >= self._batch_row + batch.num_rows:
                self._next_batch(group)
                continue
            piece = batch.slice(start - self._batch_row, stop - start)
            start += piece.num_rows
            yield piece

    def _enter(self, group: RowGroup) -> None:
        self._open(group)
        assert self._file is not None
        stored = self._file.schema_arrow.names
        wanted = set(self._schema.names)
        # None is not the same as all names: a name with a dot in it also selects inside structs.
        columns = None if wanted.issuperset(stored) else [name for name in stored if name in wanted]
        batch_rows = _batch_rows(self._file.metadata.row_group(group.index), wanted)
        self._batches = self._file.iter_batches(batch_rows, [group.index], columns, use_threads=False)
        self._group, self._batch, self._batch_row = group, None, group.first_row

    def _open(self, group: RowGroup) -> None:
        if self._file is None or self._part != group.part:
            self.close()
            self._file, self._part = open_parquet(self._parts[group.part]), group.part
        metadata = self._file.metadata
        if group.index >= metadata.num_row_groups or metadata.row_group(group.index).num_rows != group.row_count:
            raise OSError("its rows are not where they were")

    def _next_batch(self, group: RowGroup) -> None:
        if self._batch is not None:
            self._batch_row += self._batch.num_rows
        batch = next(self._batches, None)
        if batch is None:
            raise OSError(f"row group {group.index} ends early")
        self._batch = self._normalised(batch)

    def _normalised(self, batch: pa.RecordBatch) -> pa.Table:
        # By array: a column of a table made from the whole batch would keep the memory of all its columns alive.
        stored = {name: pa.chunked_array([batch.column(index)]) for index, name in enumerate(batch.schema.names)}
        columns = [
            _clean(name, self._converted(name, stored[name], kind)) if name in stored else _nulls(batch, kind)
            for name, kind in zip(self._schema.names, self._schema.types, strict=True)
        ]
        return pa.table(columns, schema=self._schema)

    def _converted(self, name: str, column: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray:
        try:
            return converted(column, to)
        except pa.ArrowException as error:
            raise TableError(
                f"Table {self._name!r} cannot be used: column {name!r} is {column.type} in "
                f"{self._parts[self._part].name}, and not all of its values can be held as {to}, which its other parts "
                f"need ({_first_line(error)}); write all parts with the same type."
            ) from error


def _batch_rows(group: pq.RowGroupMetaData, wanted: set[str]) -> int:
    """Rows that are read at a time: fewer where they are large, such as pictures."""
    if group.total_byte_size <= _BATCH_BYTES:
        return BATCH_ROWS
    size_bytes = 0
    for index in range(group.num_columns):
        column = group.column(index)
        path = column.path_in_schema
        if path in wanted or path.split(".", 1)[0] in wanted:
            size_bytes += column.total_uncompressed_size
    return max(1, min(BATCH_ROWS, _BATCH_BYTES * group.num_rows // max(size_bytes, 1)))


def _nulls(batch: pa.RecordBatch, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(len(batch), kind)])


def _clean(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Broken UTF-8 in a column that is only carried through becomes U+FFFD; what is asked of KIE is never repaired."""
    if name in KNOWN_COLUMNS or not pa.types.is_string(column.type):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.binary()).to_pylist()
        repaired = [value if value is None else value.decode("utf-8", "replace") for value in values]
        return pa.chunked_array([pa.array(repaired, column.type)])
    return column


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
