"""A column's values for a template: Arrow's values as the Python values that ``core.templates`` writes.

Lives here: what Python's own conversion changes or cannot do: narrow floats, times of any unit, zone and year. Does not
live here: how a value is written (``core.templates``), the values of known columns (``column_types.python_values``).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from banana_pipeline.core.templates import Unwritable
from banana_pipeline.store.narrow_floats import shortest
from banana_pipeline.store.time_zones import zone

_NS_OF_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone have none here either
_STRUCT = Unwritable(reason="holds a struct or map; write what is meant into a column of text")
_FAR = Unwritable(reason="is a time that cannot be written in this row")


def written_values(column: pa.ChunkedArray) -> list[object]:
    """One value per row; None where there is none, and `Unwritable` where no prompt can hold it. Never raises."""
    return [value for chunk in column.chunks for value in _values(chunk)]


def _values(array: pa.Array) -> list[object]:
    kind = array.type
    if pat.is_list(kind):
        return _lists(array)
    if pat.is_struct(kind) or pat.is_map(kind):
        return [None if is_null else _STRUCT for is_null in array.is_null().to_pylist()]
    if pat.is_float16(kind) or pat.is_float32(kind):
        return _mapped(array.to_pylist(), partial(shortest, bits=kind.bit_width))
    if pat.is_timestamp(kind) or pat.is_duration(kind) or pat.is_time(kind):
        return _times(array)
    return _python(array)


def _lists(array: pa.Array) -> list[object]:
    entries = iter(_values(array.flatten()))
    lengths = pc.call_function("list_value_length", [array]).to_pylist()
    return [None if length is None else [next(entries) for _ in range(length)] for length in lengths]


def _mapped(values: list[Any], read: Callable[[Any], object]) -> list[object]:
    return [None if value is None else read(value) for value in values]


def _times(array: pa.Array) -> list[object]:
    kind = array.type
    unit_ns = _NS_OF_UNIT[kind.unit]
    counts = array.cast(pa.int32()).cast(pa.int64()) if pat.is_time32(kind) else array.cast(pa.int64())
    if pat.is_duration(kind):
        return _mapped(counts.to_pylist(), lambda count: _duration(count * unit_ns))
    if pat.is_time(kind):
        return _mapped(counts.to_pylist(), lambda count: _time_of_day(count * unit_ns))
    place = zone(kind.tz) if kind.tz else None
    return _mapped(counts.to_pylist(), lambda count: _moment(count * unit_ns, place))


def _moment(count_ns: int, place: tzinfo | None) -> object:
    try:
        value = _EPOCH + timedelta(microseconds=count_ns // 1_000)
        if place is not None:
            value = value.replace(tzinfo=UTC).astimezone(place)
    except (OverflowError, ValueError):
        return _FAR
    if not count_ns % 1_000:
        return value
    text = value.isoformat(" ", "seconds")
    return f"{text[:19]}.{count_ns % 1_000_000_000:09d}{text[19:]}"


def _duration(count_ns: int) -> object:
    try:
        value = timedelta(microseconds=count_ns // 1_000)
    except OverflowError:
        return _FAR
    if not count_ns % 1_000:
        return value
    seconds, rest_ns = divmod(abs(count_ns), 1_000_000_000)
    return f"{'-' if count_ns < 0 else ''}{timedelta(seconds=seconds)}.{rest_ns:09d}"


def _time_of_day(count_ns: int) -> object:
    if not 0 <= count_ns < 86_400 * 1_000_000_000:
        return _FAR
    value = (_EPOCH + timedelta(microseconds=count_ns // 1_000)).time()
    return f"{value.replace(microsecond=0)}.{count_ns % 1_000_000_000:09d}" if count_ns % 1_000 else value


def _python(array: pa.Array) -> list[object]:
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        return [_text(value) for value in array.cast(pa.binary()).to_pylist()]
    except (ValueError, OverflowError):  # a date of the year 20,000
        return array.cast(pa.string()).to_pylist()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
