"""Which Arrow types the known columns of a prompt table may have, and the one type each is turned into.

Lives here: types, and the way from Arrow to Python. Does not live here: how types are encoded (``plain_types``), files
(``row_groups``), values in templates (``written_values``), judging values (``core.rows``).

Text may be string, large_string, string_view, a dictionary of those, or null; a list of text any kind of list of
those. Such differences say which program wrote the file, and nothing about what its author meant.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pat

from banana_pipeline.core.columns import KNOWN_COLUMNS
from banana_pipeline.core.row_values import EmbeddedImage
from banana_pipeline.store.common_types import common_type
from banana_pipeline.store.plain_types import is_list, plain_type

_PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})  # as Hugging Face data sets hold images


def _is_text(plain: pa.DataType) -> bool:
    return pat.is_string(plain) or pat.is_null(plain)


def _is_number(plain: pa.DataType) -> bool:
    return pat.is_integer(plain) or pat.is_floating(plain) or pat.is_decimal(plain) or pat.is_null(plain)


def _is_identifier(plain: pa.DataType) -> bool:
    # Whole numbers with gaps become floats in pandas; core.rows accepts those that are whole.
    return _is_text(plain) or _is_number(plain)


def _is_picture(plain: pa.DataType) -> bool:
    if not pat.is_struct(plain):
        return pat.is_binary(plain)
    kinds = {part.name: part.type for part in plain.fields}
    is_told = "bytes" in kinds and plain.num_fields == len(kinds) and kinds.keys() <= {"bytes", "path"}
    return is_told and all(pat.is_null(kind) or kind.equals(_PICTURE.field(name).type) for name, kind in kinds.items())


def _is_images(plain: pa.DataType) -> bool:
    entry = plain.value_type if is_list(plain) else plain
    return _is_text(entry) or _is_picture(entry)


_RULES: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "id": (_is_identifier, "text or whole numbers"),
    "image_input": (_is_images, "a list of text, or text, or pictures as bytes or {bytes, path}"),
    "samples": (_is_number, "whole numbers"),
}
_TEXT_RULE = (_is_text, "text")


def type_problem(column: str, kind: pa.DataType) -> str | None:
    """What is wrong with the type of a known column, as part of a sentence; None where it can be used."""
    is_usable, wanted = _RULES.get(column, _TEXT_RULE)
    return None if is_usable(plain_type(kind)) else f"column {column!r} holds {_in_words(kind)}, but must hold {wanted}"


def normal_type(column: str, kind: pa.DataType) -> pa.DataType:
    """The plain type in which one part's column is compared with another's."""
    plain = plain_type(kind)
    return _normal_images(plain) if column == "image_input" else plain


def _normal_images(plain: pa.DataType) -> pa.DataType:
    if is_list(plain):
        return pa.list_(_normal_images(plain.value_type))
    if pat.is_struct(plain):
        return _PICTURE
    return plain


def common_known_type(column: str, one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """What two parts' normal types of a column have in common."""
    if column == "samples" and not one.equals(other) and not (pat.is_null(one) or pat.is_null(other)):
        return pa.float64()
    if column == "id" and any(map(pat.is_integer, (one, other))) and any(map(pat.is_string, (one, other))):
        return pa.string()
    return common_type(one, other)


def final_type(column: str, kind: pa.DataType) -> pa.DataType:
    """The type in which a column is handed out; a known one that holds nothing still has its own."""
    if column not in KNOWN_COLUMNS:
        return kind
    if pat.is_null(kind):
        return pa.int64() if column == "samples" else pa.string()
    if column == "id" and pat.is_integer(kind):
        return pa.string()
    return pa.list_(pa.string()) if is_list(kind) and pat.is_null(kind.value_type) else kind


def holds_pictures(kind: pa.DataType) -> bool:
    """True for an ``image_input`` whose pictures stand in the table itself."""
    return _is_picture(kind.value_type if is_list(kind) else kind)


def picture_values(column: pa.ChunkedArray) -> list[object]:
    """The entries of such an ``image_input`` for `core.rows`; a path or link stands where a picture has no bytes."""
    as_bytes = pa.struct({"bytes": pa.binary(), "path": pa.binary()})
    entry = column.type.value_type if is_list(column.type) else column.type
    # Paths as bytes: one that is no text must not hide the picture beside it.
    to = as_bytes if pat.is_struct(entry) else entry
    values = column.cast(pa.list_(to) if is_list(column.type) else to).to_pylist()
    return [[_picture(it) for it in value] if isinstance(value, list) else _picture(value) for value in values]


def _picture(value: object) -> object:
    if isinstance(value, bytes):
        return EmbeddedImage(data=value)
    if not isinstance(value, dict):
        return value
    path = None if value["path"] is None else value["path"].decode("utf-8", "replace")
    return path if value["bytes"] is None else EmbeddedImage(data=value["bytes"], path=path)


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
        "raw bytes": pat.is_binary,
        "structs": pat.is_struct,
        "maps": pat.is_map,
        "lists": is_list,
    }
    plain = plain_type(kind)
    return next((f"{name} ({kind})" for name, is_it in words.items() if is_it(plain)), str(kind))
