"""Time zones as tables name them.

Lives here: whether this machine knows a zone. Does not live here: times (``written_values``).
"""

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa

_UTC_NAMES = {"UTC", "utc", "Z", "+00:00", "-00:00", "Etc/UTC"}
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


def usual_zone(name: str) -> str:
    """One name for all that mean UTC, so that parts from different programs agree."""
    return "UTC" if name in _UTC_NAMES else name


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo | None:
    """The time zone of a name or an offset; None where this machine does not know it."""
    if name in _UTC_NAMES:
        return UTC
    try:
        if offset := _OFFSET.fullmatch(name):
            minutes = int(offset[2]) * 60 + int(offset[3])
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such name, a path, a folder of names
        return None


@lru_cache(maxsize=256)
def is_known_zone(name: str) -> bool:
    """True where both Python and Arrow know the zone; each has a list of its own."""
    try:
        pa.array([0], pa.timestamp("us", usual_zone(name))).cast(pa.string())
    except pa.ArrowException:
        return False
    return zone(name) is not None
