"""An open prompt table: which rows are where, and handing out exactly the rows that are asked for.

Lives here: `PromptTable` and finding ids used twice. Does not live here: finding and checking tables
(``tables``), reading Parquet (``row_groups``), turning rows into requests (``shard_rows``).
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from banana_pipeline.core.row_values import identifier
from banana_pipeline.store.column_types import python_values
from banana_pipeline.store.row_groups import BATCH_ROWS, RowGroup, RowReader


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptTable:
    """A prompt table whose columns can be used.

    Attributes:
        name: the table's name.
        path: the Parquet file, or the folder of parts.
        parts: the Parquet files in row order.
        row_count: rows in all parts, at least 1.
        schema: the columns as `read` hands them out, in plain types (``plain_types``); known ones as string,
            list<string> or a number, and ``image_input`` also as bytes or struct<bytes, path>, or a list of those.
        extra_columns: names of those that are not among the known columns, in the table's order.
        left_out: its other columns, which are never read, each with the reason: "it holds raw bytes ...".
        unwritable: columns that no template can use, each with the reason.
        row_groups: the non-empty row groups in row order.
    """

    name: str
    path: UPath
    parts: tuple[UPath, ...]
    row_count: int
    schema: pa.Schema
    extra_columns: tuple[str, ...]
    left_out: Mapping[str, str]
    unwritable: Mapping[str, str]
    row_groups: tuple[RowGroup, ...] = field(repr=False)

    def read(self, rows: range) -> pa.Table:
        """The rows of ``rows`` that the table has, in order; reads only row groups that overlap.

        Raises:
            TableError: the file is damaged, or was changed since it was opened.
        """
        return next(self.read_slices([rows]))

    def read_slices(self, slices: Iterable[range]) -> Iterator[pa.Table]:
        """`read` for many ranges. Ascending ranges take one pass, however large the row groups are.

        Raises:
            TableError: as `read`.
        """
        for pieces in self.read_pieces(slices):
            yield pa.concat_tables([self.schema.empty_table(), *pieces])

    def read_pieces(self, slices: Iterable[range]) -> Iterator[Iterator[pa.Table]]:
        """`read_slices`, each slice in pieces of a size that memory holds also where pictures stand in the table.

        Each slice's pieces must be taken before the next slice is asked for.

        Raises:
            TableError: as `read`.
        """
        reader = self._reader(self.schema)
        try:
            for rows in slices:
                yield reader.pieces(rows)
        finally:
            reader.close()

    def duplicate_ids(self) -> dict[str, int]:
        """Every id that more than one row has, with the number of the first such row; {} without ids.

        Reads the id column alone; takes about 30 bytes of memory per row.

        Raises:
            TableError: as `read`.
        """
        if "id" not in self.schema.names:
            return {}
        hashes = array("q")
        for identifiers in self._identifiers():
            hashes.extend(map(hash, identifiers))
        suspects = _values_seen_twice(hashes)
        return self._first_rows_of_duplicates(suspects) if suspects else {}

    def _reader(self, schema: pa.Schema) -> RowReader:
        return RowReader(name=self.name, parts=self.parts, row_groups=self.row_groups, schema=schema)

    def _identifiers(self) -> Iterator[list[str]]:
        reader = self._reader(pa.schema([self.schema.field("id")]))
        try:
            for start in range(0, self.row_count, BATCH_ROWS):
                batch = reader.read(range(start, start + BATCH_ROWS))
                # Rows without an id must not look like duplicates of each other.
                yield [
                    found if (found := identifier(value, [])) is not None else f"\0{row_number}"
                    for row_number, value in enumerate(python_values(batch["id"]), start)
                ]
        finally:
            reader.close()

    def _first_rows_of_duplicates(self, suspects: set[int]) -> dict[str, int]:
        first_rows: dict[str, int] = {}
        duplicates: dict[str, int] = {}
        row_number = 0
        for identifiers in self._identifiers():
            for found in identifiers:
                if hash(found) in suspects and first_rows.setdefault(found, row_number) != row_number:
                    duplicates[found] = first_rows[found]
                row_number += 1
        return duplicates


def _values_seen_twice(values: array) -> set[int]:
    numbers = pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    ordered = numbers.sort()
    is_repeated = pc.call_function("equal", [ordered[1:], ordered[:-1]])
    return set(ordered[1:].filter(is_repeated).to_pylist())
