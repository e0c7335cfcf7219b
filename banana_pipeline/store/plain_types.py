"""The few Arrow types in which a prompt table is read, whatever its writer used, and the way into them.

Lives here: encodings, and which types cannot be carried. Does not live here: which types a known column may have
(``column_types``), parts of a table that differ (``common_types``).

    null, bool, int8..int64, uint8..uint64, halffloat, float, double, decimal128, decimal256, string, date32,
    time32, time64, duration, timestamp (without zone, or with one that this machine knows, else UTC),
    and list, struct and map of those; in ``image_input`` also binary

Each of them can be taken, filtered, joined, cast and written by everybody. Views, dictionaries, run ends, large, fixed
and list-view lists, narrow decimals and extension types are encodings of the same values, which stay exactly the same.
"""

import uuid
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from banana_pipeline.store.time_zones import is_known_zone, usual_zone


def is_list(kind: pa.DataType) -> bool:
    """True for list, large_list, list_view, large_list_view and fixed_size_list."""
    kinds = (pat.is_list, pat.is_large_list, pat.is_fixed_size_list, pat.is_list_view, pat.is_large_list_view)
    return any(is_kind(kind) for is_kind in kinds)


def is_bytes(kind: pa.DataType) -> bool:
    """True for every encoding of raw bytes, by itself."""
    kinds = (pat.is_binary, pat.is_large_binary, pat.is_binary_view, pat.is_fixed_size_binary)
    return any(is_kind(kind) for is_kind in kinds)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The plain type of the same values."""
    if isinstance(kind, pa.BaseExtensionType):
        if _is_uuid(kind):
            return pa.string()
        return pa.bool_() if kind.extension_name == "arrow.bool8" else plain_type(kind.storage_type)
    if pat.is_dictionary(kind) or pat.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pat.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pat.is_struct(kind):
        return pa.struct([pa.field(part.name, plain_type(part.type)) for part in kind.fields])
    return pa.list_(plain_type(kind.value_type)) if is_list(kind) else _plain_value_type(kind)


def _plain_value_type(kind: pa.DataType) -> pa.DataType:
    if pat.is_large_string(kind) or pat.is_string_view(kind):
        return pa.string()
    if is_bytes(kind):
        return pa.binary()
    if pat.is_decimal32(kind) or pat.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if pat.is_date64(kind):
        return pa.date32()
    if pat.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, usual_zone(kind.tz) if is_known_zone(kind.tz) else "UTC")
    return kind


def why_not_carried(kind: pa.DataType) -> str | None:
    """Why a column of a table's own is neither read nor carried into the outputs; None where it is."""
    plain = plain_type(kind)
    if _any_leaf(plain, is_bytes):
        return f"it holds raw bytes ({_short(kind)}), which are not carried into the outputs"
    if _any_leaf(plain, lambda leaf: pat.is_union(leaf) or pat.is_interval(leaf)):
        return f"it holds values that the outputs cannot hold ({_short(kind)})"
    return None


def unknown_zones(kind: pa.DataType) -> list[str]:
    """Names of time zones in a type that this machine does not know."""
    found: list[str] = []

    def is_unknown(leaf: pa.DataType) -> bool:
        if pat.is_timestamp(leaf) and leaf.tz and not is_known_zone(leaf.tz):
            found.append(leaf.tz)
        return False

    _any_leaf(kind, is_unknown)
    return found


def _any_leaf(kind: pa.DataType, is_meant: Callable[[pa.DataType], bool]) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _any_leaf(kind.storage_type, is_meant)
    if pat.is_dictionary(kind) or pat.is_run_end_encoded(kind) or is_list(kind):
        return _any_leaf(kind.value_type, is_meant)
    if pat.is_map(kind):
        return _any_leaf(kind.key_type, is_meant) or _any_leaf(kind.item_type, is_meant)
    if pat.is_struct(kind):
        return any(_any_leaf(part.type, is_meant) for part in kind.fields)
    return is_meant(kind)


def _short(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) <= 60 else text[:57] + "..."


def converted(column: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray:
    """``column`` in a plain type that can hold its values.

    Raises:
        pyarrow.ArrowException: a value does not fit.
    """
    if column.type.equals(to) and column.type.equals(plain_type(column.type)):
        return column
    return pa.chunked_array([_as_type(chunk, to) for chunk in column.chunks], to)


def _as_type(array: pa.Array, to: pa.DataType) -> pa.Array:
    kind = array.type
    if kind.equals(to):
        return array
    if isinstance(array, pa.ExtensionArray):
        return _as_type(_uuid_texts(array.storage) if _is_uuid(kind) else array.storage, to)
    if pat.is_dictionary(kind):
        return _as_type(array.dictionary_decode(), to)
    if pat.is_run_end_encoded(kind):
        return _as_type(pc.call_function("run_end_decode", [array]), to)
    if pat.is_null(kind):
        return pa.nulls(len(array), to)
    # Not pyarrow's own cast of lists: it loses entries of a list view that has nulls.
    for is_kind, convert in ((is_list, _as_list), (pat.is_struct, _as_struct), (pat.is_map, _as_map)):
        if is_kind(kind) and is_kind(to):
            return convert(array, to)
    return array.cast(to)


def _as_list(array: pa.Array, to: pa.DataType) -> pa.Array:
    lengths = pc.call_function("list_value_length", [array]).cast(pa.int32())
    return pa.ListArray.from_arrays(
        _offsets(lengths), _as_type(array.flatten(), to.value_type), type=to, mask=array.is_null()
    )


def _offsets(lengths: pa.Array) -> pa.Array:
    ends = pc.call_function("cumulative_sum", [lengths.fill_null(0)])
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def _as_struct(array: pa.Array, to: pa.DataType) -> pa.Array:
    # By name, or else by position where a name stands twice.
    is_named_once = len({part.name for part in array.type.fields}) == array.type.num_fields
    stored = dict(zip((part.name for part in array.type.fields), array.flatten(), strict=True))
    parts = [
        _as_type(stored[part.name], part.type) if part.name in stored else pa.nulls(len(array), part.type)
        for part in to.fields
    ]
    if not is_named_once:
        parts = [_as_type(part, field.type) for part, field in zip(array.flatten(), to.fields, strict=True)]
    return pa.StructArray.from_arrays(parts, fields=list(to.fields), mask=array.is_null())


def _as_map(array: pa.Array, to: pa.DataType) -> pa.Array:
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    keys, items = (values.slice(first, last - first) for values in (array.keys, array.items))
    starts = pc.call_function("subtract", [offsets, offsets[0]])
    return pa.MapArray.from_arrays(
        starts, _as_type(keys, to.key_type), _as_type(items, to.item_type), type=to, mask=array.is_null()
    )


def _uuid_texts(storage: pa.Array) -> pa.Array:
    values = [None if value is None else str(uuid.UUID(bytes=value)) for value in storage.to_pylist()]
    return pa.array(values, pa.string())
