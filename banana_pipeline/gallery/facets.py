"""The tables' own columns a person can filter by: those with few distinct values.

Lives here: finding them while rows go by, and what a value looks like as text. Does not live here: the filters.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field

MOST_VALUES = 30
_MOST_CHARACTERS = 120
_MOST_SHOWN = 2_000


@dataclass(kw_only=True)
class Facets:
    """Numbers for values, by table and column, until a column has too many of them."""

    _codes: dict[tuple[str, str], dict[str | None, int] | None] = field(default_factory=dict)

    def code(self, table: str, column: str, value: str | None) -> int | None:
        """The number of a value in its column; None once the column has too many or too long ones to choose from."""
        codes = self._codes.setdefault((table, column), {})
        if codes is None:
            return None
        if value not in codes:
            if len(codes) == MOST_VALUES or len(value or "") > _MOST_CHARACTERS:
                self._codes[table, column] = None
                return None
            codes[value] = len(codes)
        return codes[value]

    def of_tables(self) -> dict[str, list[tuple[str, list[str | None]]]]:
        """For each table its columns to filter by, each with all its values in the order of their numbers."""
        found: defaultdict[str, list[tuple[str, list[str | None]]]] = defaultdict(list)
        for (table, column), codes in self._codes.items():
            if codes is not None and len(codes) > 1:  # one value for all rows tells nothing apart
                found[table].append((column, list(codes)))
        return dict(found)


def as_text(value: object) -> str | None:
    """Any value of a column as a person reads it; very long ones are cut."""
    if value is None:
        return None
    text = _written(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
