"""Dates and times as text, from the counts that Arrow keeps, without a clock's zones or a calendar's last year.

Lives here: one text for each count of each type, and the way back. Does not live here: other types (``own_columns``).
"""

import re
from datetime import date

import pyarrow as pa
import pyarrow.types as pat

_DIGITS_OF_UNIT = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_S = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_ORDINAL = date.max.toordinal()
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z?)?")
_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?")
_DURATION = re.compile(r"(-?)PT(\d+)(?:\.(\d{1,9}))?S")


def written_count(count: int, kind: pa.DataType) -> str | int:
    """A count of a date, time, timestamp or duration type as text; as it is where its year has no four digits."""
    if pat.is_date32(kind):
        return _written_date(count) or count
    if pat.is_date64(kind):
        return _written_moment(count, 3, "") or count
    digits = _DIGITS_OF_UNIT[kind.unit]
    if pat.is_duration(kind):
        seconds, fraction = divmod(abs(count), 10**digits)
        return f"{'-' if count < 0 else ''}PT{seconds}{_written_fraction(fraction, digits)}S"
    if pat.is_timestamp(kind):
        return _written_moment(count, digits, "Z" if kind.tz else "") or count
    seconds, fraction = divmod(count, 10**digits)
    return _clock(seconds) + _written_fraction(fraction, digits) if 0 <= seconds <= _DAY_S else count


def read_count(value: str | int, kind: pa.DataType) -> int:
    """The count behind what `written_count` wrote.

    Raises:
        ValueError: it is no text of such a type.
    """
    if isinstance(value, int):
        return value
    if pat.is_date32(kind):
        return date.fromisoformat(value).toordinal() - _EPOCH_ORDINAL
    digits = 3 if pat.is_date64(kind) else _DIGITS_OF_UNIT[kind.unit]
    if pat.is_duration(kind):
        match = _matched(_DURATION, value)
        count = int(match[2]) * 10**digits + _read_fraction(match[3], digits)
        return -count if match[1] else count
    if pat.is_time(kind):
        match = _matched(_TIME, value)
        return _seconds(match[1], match[2], match[3]) * 10**digits + _read_fraction(match[4], digits)
    match = _matched(_MOMENT, value)
    days = date.fromisoformat(match[1]).toordinal() - _EPOCH_ORDINAL
    seconds = _seconds(match[2] or "0", match[3] or "0", match[4] or "0")
    return (days * _DAY_S + seconds) * 10**digits + _read_fraction(match[5], digits)


def _matched(pattern: re.Pattern[str], value: str) -> re.Match[str]:
    match = pattern.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not the text of a time")
    return match


def _written_moment(count: int, digits: int, zone: str) -> str | None:
    seconds, fraction = divmod(count, 10**digits)
    days, second_of_day = divmod(seconds, _DAY_S)
    day = _written_date(days)
    return None if day is None else f"{day}T{_clock(second_of_day)}{_written_fraction(fraction, digits)}{zone}"


def _written_date(days: int) -> str | None:
    ordinal = days + _EPOCH_ORDINAL
    return date.fromordinal(ordinal).isoformat() if 1 <= ordinal <= _LAST_ORDINAL else None


def _clock(seconds: int) -> str:
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _seconds(hours: str, minutes: str, seconds: str) -> int:
    return int(hours) * 3_600 + int(minutes) * 60 + int(seconds)


def _written_fraction(fraction: int, digits: int) -> str:
    return f".{fraction:0{digits}d}".rstrip("0") if fraction else ""


def _read_fraction(text: str | None, digits: int) -> int:
    """A type with fewer digits than the text has was not what wrote it."""
    if not text:
        return 0
    if len(text) > digits:
        raise ValueError(f"a fraction of {len(text)} digits does not fit a type of {digits}")
    return int(text.ljust(digits, "0"))
