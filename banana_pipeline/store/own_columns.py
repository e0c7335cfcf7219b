"""A prompt table's own columns as one text column of an output: a JSON object per row, their types in the footer.

Lives here: Arrow values to JSON text and back, exactly. Does not live here: which columns a table has and what their
types are called in each program (``column_types``), the outputs' other columns (``schemas``).

    numbers      JSON numbers; those of a narrow float in its own shortest form; "NaN", "Infinity", "-Infinity" as text
    decimals     text, with all their digits                 text         text
    dates        "2026-12-24"                                times        "18:30:00.5"
    moments      "2026-12-24T18:30:00", with "Z" in UTC where the column has a time zone; the year 10,000: a count
    durations    "PT90.5S"                                   yes and no   true, false
    lists        arrays                                      structs      objects
    maps         arrays of [key, value]                      nothing      null
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from json.encoder import encode_basestring  # pyright: ignore[reportAttributeAccessIssue]
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from banana_pipeline.store.narrow_floats import WIDTHS, shortest
from banana_pipeline.store.own_times import read_count, written_count

EXTRA = "extra"
FOOTER_KEY = b"banana_pipeline.extra"

_ODD_FLOATS = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}

_Writer = Callable[[Any], str]
_Reader = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The own columns of some rows.

    Attributes:
        values: one JSON object per row.
        footer: what `unpacked` needs to give the columns back, and which were left out; JSON.
    """

    values: list[str]
    footer: bytes


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What a file says of its ``extra``: the columns' names and types, and why others were left out."""

    schema: pa.Schema
    left_out: Mapping[str, str] = field(default_factory=dict)


def packed(rows: pa.Table, left_out: Mapping[str, str]) -> Packed:
    """The columns of ``rows`` as JSON. One that cannot be carried exactly is left out and named; nothing raises.

    Args:
        rows: the own columns alone.
        left_out: those that were not even read, each with a sentence.
    """
    why_not = dict(left_out)
    written: dict[str, list[str]] = {}
    for column in rows.schema:
        try:
            written[column.name] = _written(rows[column.name])
        except (pa.ArrowException, ValueError, TypeError, KeyError, OverflowError) as error:
            why_not[column.name] = f"its values ({column.type}) cannot be written as JSON: {error}"
    heads = [f"{_text(name)}:" for name in written]
    columns = [[head + value for value in values] for head, values in zip(heads, written.values(), strict=True)]
    lines = zip(*columns, strict=True) if columns else [()] * rows.num_rows
    schema = pa.schema([rows.schema.field(name).remove_metadata() for name in written])
    return Packed(values=[f"{{{','.join(line)}}}" for line in lines], footer=_footer(schema, why_not))


def read_footer(metadata: Mapping[bytes, bytes] | None) -> Footer:
    """The types that `packed` wrote; no columns where there is no such entry, or one that cannot be understood."""
    try:
        told = json.loads((metadata or {})[FOOTER_KEY])
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(told["arrow_schema"])))
        return Footer(schema=schema, left_out=dict(told["left_out"]))
    except (KeyError, TypeError, ValueError, pa.ArrowException):
        return Footer(schema=pa.schema([]))


def unpacked(output: pa.Table) -> pa.Table:
    """The own columns of an output's rows, under their names and types.

    Args:
        output: as `Warehouse.read` gives it, with ``extra`` and the schema's metadata.

    Raises:
        ValueError: ``extra`` was changed by hand and no longer fits its types.
    """
    schema = read_footer(output.schema.metadata).schema
    rows = [json.loads(line) if line else {} for line in output[EXTRA].to_pylist()]
    columns = [_read([row.get(column.name) for row in rows], column.type) for column in schema]
    return pa.table(columns, schema=schema)


def _footer(schema: pa.Schema, left_out: Mapping[str, str]) -> bytes:
    told = {
        "columns": {column.name: str(column.type) for column in schema},
        "left_out": dict(left_out),
        "arrow_schema": base64.b64encode(schema.serialize().to_pybytes()).decode("ascii"),
    }
    return json.dumps(told, ensure_ascii=True).encode()


def _text(value: str) -> str:
    return encode_basestring(value.encode("utf-8", "replace").decode("utf-8"))


# Writing


def _written(column: pa.ChunkedArray) -> list[str]:
    write = _writer(column.type)
    return ["null" if value is None else write(value) for value in column.cast(_storage(column.type)).to_pylist()]


def _storage(kind: pa.DataType) -> pa.DataType:
    """The type whose values Python takes without loss: times as counts, which know no zones and no last year."""
    if pat.is_date32(kind) or pat.is_time32(kind):
        return pa.int32()
    if pat.is_temporal(kind) and not pat.is_interval(kind):
        return pa.int64()
    if pat.is_struct(kind):
        return pa.struct([part.with_type(_storage(part.type)) for part in kind.fields])
    if pat.is_map(kind):
        return pa.map_(_storage(kind.key_type), kind.item_field.with_type(_storage(kind.item_type)))
    if pat.is_list(kind) or pat.is_large_list(kind):
        make = pa.large_list if pat.is_large_list(kind) else pa.list_
        return make(kind.value_field.with_type(_storage(kind.value_type)))
    if pat.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_storage(kind.value_type)), kind.list_size)
    return kind


def _writer(kind: pa.DataType) -> _Writer:
    """How a value of a type is written; values that are missing are the caller's."""
    if pat.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pat.is_integer(kind):
        return str
    if pat.is_floating(kind):
        return _float_writer(kind)
    if pat.is_decimal(kind):
        return lambda value: f'"{value:f}"'
    if pat.is_string(kind) or pat.is_large_string(kind):
        return _text
    if pat.is_temporal(kind) and not pat.is_interval(kind):
        return lambda count: json.dumps(written_count(count, kind))
    if pat.is_null(kind):
        return str
    return _nested_writer(kind)


def _float_writer(kind: pa.DataType) -> _Writer:
    is_narrow = kind.bit_width in WIDTHS

    def write(value: float) -> str:
        text = repr(shortest(value, kind.bit_width) if is_narrow else value)
        return _ODD_FLOATS.get(text, text)

    return write


def _nested_writer(kind: pa.DataType) -> _Writer:
    if pat.is_struct(kind):
        return _struct_writer(kind)
    if pat.is_map(kind):
        key, item = _nullable(_writer(kind.key_type)), _nullable(_writer(kind.item_type))
        return lambda pairs: f"[{','.join(f'[{key(one)},{item(other)}]' for one, other in pairs)}]"
    if pat.is_list(kind) or pat.is_large_list(kind) or pat.is_fixed_size_list(kind):
        write = _nullable(_writer(kind.value_type))
        return lambda values: f"[{','.join(map(write, values))}]"
    raise TypeError("there is no JSON form for this type")


def _struct_writer(kind: pa.DataType) -> _Writer:
    names = [part.name for part in kind.fields]
    if len(set(names)) < len(names):
        raise TypeError("a struct names a field twice")
    writers = [(name, f"{_text(name)}:", _nullable(_writer(kind.field(name).type))) for name in names]
    return lambda value: f"{{{','.join(head + write(value[name]) for name, head, write in writers)}}}"


def _nullable(write: _Writer) -> _Writer:
    return lambda value: "null" if value is None else write(value)


# Reading


def _read(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    read = _reader(kind)
    stored = [None if value is None else read(value) for value in values]
    return pa.array(stored, _storage(kind)).cast(kind)


def _reader(kind: pa.DataType) -> _Reader:
    if pat.is_floating(kind):
        return float
    if pat.is_decimal(kind):
        return Decimal
    if pat.is_temporal(kind) and not pat.is_interval(kind):
        return lambda value: read_count(value, kind)
    if pat.is_struct(kind):
        readers = {part.name: _optional(_reader(part.type)) for part in kind.fields}
        return lambda value: {name: read(value[name]) for name, read in readers.items()}
    if pat.is_map(kind):
        key, item = _optional(_reader(kind.key_type)), _optional(_reader(kind.item_type))
        return lambda pairs: [(key(one), item(other)) for one, other in pairs]
    if pat.is_list(kind) or pat.is_large_list(kind) or pat.is_fixed_size_list(kind):
        read = _optional(_reader(kind.value_type))
        return lambda values: [read(value) for value in values]
    return lambda value: value


def _optional(read: _Reader) -> _Reader:
    return lambda value: None if value is None else read(value)
