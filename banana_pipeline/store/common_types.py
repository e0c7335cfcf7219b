"""One type for a column whose parts were written with different ones, where no value changes by it.

Lives here: plain types (``plain_types``) of two parts, and what they have in common. Does not live here: names and
sentences (``table_columns``).
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pat

from banana_pipeline.store.plain_types import is_list

_DIGITS_OF_BITS = {8: 3, 16: 5, 32: 10, 64: 20}
_DIGITS_OF_128_BITS, _DIGITS_OF_256_BITS = 38, 76


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The plain type that holds the values of two plain types; None where there is none.

    A whole number that a double cannot hold, or a time out of a finer unit's range, is an error when it is read.
    """
    if one.equals(other) or pat.is_null(other):
        return one
    if pat.is_null(one):
        return other
    for is_kind, found in _NESTED:
        if is_kind(one) and is_kind(other):
            return found(one, other)
    if _is_number(one) and _is_number(other):
        return _common_number(one, other)
    same = (pat.is_timestamp, pat.is_time, pat.is_duration)
    is_time = any(is_kind(one) and is_kind(other) for is_kind in same)
    return _unified(one, other) if is_time and getattr(one, "tz", None) == getattr(other, "tz", None) else None


def keeps_texts(one: pa.DataType, other: pa.DataType) -> bool:
    """True where every value is written into a prompt as it would be without the other part.

    A decimal of two digits after the point in a column of four would be written otherwise, and bought again.
    """
    if one.equals(other) or pat.is_null(one) or pat.is_null(other):
        return True
    if is_list(one) and is_list(other):
        return keeps_texts(one.value_type, other.value_type)
    return not any(pat.is_decimal(kind) or pat.is_float16(kind) or pat.is_float32(kind) for kind in (one, other))


def _is_number(kind: pa.DataType) -> bool:
    return pat.is_integer(kind) or pat.is_floating(kind) or pat.is_decimal(kind)


def _common_number(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    kinds = (one, other)
    if any(map(pat.is_floating, kinds)):
        if any(map(pat.is_decimal, kinds)):
            return None  # 1.10 has no double of its own
        return _unified(one, other) if all(map(pat.is_floating, kinds)) else pa.float64()
    if any(map(pat.is_uint64, kinds)) and any(map(pat.is_signed_integer, kinds)):
        return pa.decimal128(20, 0)
    return _common_decimal(*kinds) if any(map(pat.is_decimal, kinds)) else _unified(one, other)


def _common_decimal(*kinds: pa.DataType) -> pa.DataType | None:
    scale = max(kind.scale if pat.is_decimal(kind) else 0 for kind in kinds)
    whole_digits = (
        kind.precision - kind.scale if pat.is_decimal(kind) else _DIGITS_OF_BITS[kind.bit_width] for kind in kinds
    )
    precision = max(whole_digits) + scale
    if precision > _DIGITS_OF_256_BITS:
        return None
    is_wide = precision > _DIGITS_OF_128_BITS or any(map(pat.is_decimal256, kinds))
    return pa.decimal256(precision, scale) if is_wide else pa.decimal128(precision, scale)


def _unified(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    schemas = [pa.schema([("it", one)]), pa.schema([("it", other)])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _common_list(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    values = common_type(one.value_type, other.value_type)
    return None if values is None else pa.list_(values)


def _common_map(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    keys, items = common_type(one.key_type, other.key_type), common_type(one.item_type, other.item_type)
    return None if keys is None or items is None else pa.map_(keys, items)


def _common_struct(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    found: dict[str, pa.DataType] = {part.name: part.type for part in one.fields}
    if len(found) < one.num_fields or len({part.name for part in other.fields}) < other.num_fields:
        return None
    for part in other.fields:
        kind = common_type(found.get(part.name, part.type), part.type)
        if kind is None:
            return None
        found[part.name] = kind
    return pa.struct(list(found.items()))


_NESTED: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType, pa.DataType], pa.DataType | None]], ...] = (
    (is_list, _common_list),
    (pat.is_struct, _common_struct),
    (pat.is_map, _common_map),
)
