"""Which Arrow types the known columns of a prompt table may have, and the one type each is turned into.

Lives here: types, and the way from Arrow to Python. Does not live here: files (``row_groups``) and judging values
(``core.rows``).

Text may be string, large_string, string_view, a dictionary of those, or null; a list of text any kind of list of
those. Such differences say which program wrote the file, and nothing about what its author meant.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pat

from banana_pipeline.core.rows import KNOWN_COLUMNS


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pat.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """True for every encoding of text, and for a column that holds nothing."""
    plain = _value_type(kind)
    return pat.is_string(plain) or pat.is_large_string(plain) or pat.is_string_view(plain) or pat.is_null(plain)


def is_list_of_text(kind: pa.DataType) -> bool:
    """True for every kind of list of text, and for a column that holds nothing."""
    return pat.is_null(kind) or (is_list(kind) and is_text(kind.value_type))


def is_list(kind: pa.DataType) -> bool:
    """True for list, large_list, list_view, large_list_view and fixed_size_list."""
    return pat.is_list(kind) or pat.is_large_list(kind) or pat.is_fixed_size_list(kind) or is_list_view(kind)


def is_list_view(kind: pa.DataType) -> bool:
    """True for the two list types whose parts may lie in any order."""
    return pat.is_list_view(kind) or pat.is_large_list_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    plain = _value_type(kind)
    return pat.is_integer(plain) or pat.is_floating(plain) or pat.is_decimal(plain) or pat.is_null(plain)


def _is_identifier(kind: pa.DataType) -> bool:
    # Whole numbers with gaps become floats in pandas; core.rows accepts those that are whole.
    return is_text(kind) or _is_number(kind)


def _is_images(kind: pa.DataType) -> bool:
    return is_text(kind) or is_list_of_text(kind)


_RULES: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "id": (_is_identifier, "text or whole numbers"),
    "image_input": (_is_images, "a list of text, or text"),
    "samples": (_is_number, "whole numbers"),
}
_TEXT_RULE = (is_text, "text")


def type_problem(column: str, kind: pa.DataType) -> str | None:
    """What is wrong with the type of a known column, as part of a sentence; None where it can be used."""
    is_usable, wanted = _RULES.get(column, _TEXT_RULE)
    return None if is_usable(kind) else f"column {column!r} holds {_in_words(kind)}, but must hold {wanted}"


def comparable_type(column: str, kind: pa.DataType) -> pa.DataType:
    """A column's type without what only says which program wrote it; parts of a table must agree in this one."""
    if column not in KNOWN_COLUMNS or pat.is_null(kind):
        return kind
    if is_text(kind):
        return pa.string()
    return pa.list_(pa.string()) if is_list(kind) else _value_type(kind)


def normal_type(column: str, kind: pa.DataType) -> pa.DataType:
    """The type in which `PromptTable.read` hands out a column: one per meaning for known columns, else its own."""
    if column not in KNOWN_COLUMNS:
        return kind
    if is_text(kind):
        return pa.int64() if column == "samples" else pa.string()
    if is_list(kind):
        return pa.list_(pa.string())
    plain = _value_type(kind)
    return pa.string() if column == "id" and pat.is_integer(plain) else plain


def converted(column: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray:
    """``column`` in another type of the same meaning.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit.
    """
    if column.type.equals(to):
        return column
    if not column.type.equals(portable_type(column.type)):
        # pyarrow's own cast loses entries of a list_view that has nulls, so these go through Python.
        return pa.chunked_array([pa.array(column.to_pylist(), to)])
    return column.cast(to)


def portable_type(kind: pa.DataType) -> pa.DataType:
    """The same type without list views, at any depth: Polars cannot open a Parquet file that mentions one."""
    if pat.is_struct(kind):
        return pa.struct([_portable_field(field) for field in kind.fields])
    if pat.is_map(kind):
        return pa.map_(kind.key_type, _portable_field(kind.item_field), kind.keys_sorted)
    if pat.is_fixed_size_list(kind):
        return pa.list_(_portable_field(kind.value_field), kind.list_size)
    if is_list(kind):
        is_large = pat.is_large_list(kind) or pat.is_large_list_view(kind)
        return (pa.large_list if is_large else pa.list_)(_portable_field(kind.value_field))
    return kind


def _portable_field(field: pa.Field) -> pa.Field:
    return field.with_type(portable_type(field.type))


def python_values(column: pa.ChunkedArray) -> list[object]:
    """A column's values for `core.rows`; a value that Python cannot hold comes as bytes or text, and never raises."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_text_or_bytes(value) for value in column.cast(_as_bytes(column.type)).to_pylist()]
    except (ValueError, OverflowError, pa.ArrowException):  # e.g. a date of the year 20,000
        return column.cast(pa.string()).to_pylist()


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.binary()) if pa.types.is_list(kind) else pa.binary()


def _text_or_bytes(value: object) -> object:
    if isinstance(value, list):
        return [_text_or_bytes(entry) for entry in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _in_words(kind: pa.DataType) -> str:
    words = {
        "whole numbers": pat.is_integer,
        "numbers": lambda it: pat.is_floating(it) or pat.is_decimal(it),
        "yes/no values": pat.is_boolean,
        "dates or times": pat.is_temporal,
        "raw bytes": lambda it: pat.is_binary(it) or pat.is_large_binary(it) or pat.is_binary_view(it),
        "structs": pat.is_struct,
        "maps": pat.is_map,
        "lists": is_list,
    }
    plain = _value_type(kind)
    return next((f"{name} ({kind})" for name, is_it in words.items() if is_it(plain)), str(kind))
