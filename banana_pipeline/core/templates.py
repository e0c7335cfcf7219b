"""``prompt_template``: filling ``{column}`` from a row, with values as a person would write them.

Lives here: placeholders, the text of each kind of value. Does not live here: the check of the filled prompt (``rows``),
values that Arrow has and Python has not (``store.written_values``).

The text is what is bought: a value must give the same text in every shard, every run and every part of a table, so each
value is written for itself, whatever stands beside it (decision 13).
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from banana_pipeline.core.columns import PROMPT_COLUMNS
from banana_pipeline.core.missing_values import is_blank, is_missing, missing_word

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_PLAIN_FROM, _PLAIN_BELOW = 1e-10, 1e21


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwritable:
    """In place of a value that no prompt can hold. ``reason`` continues a sentence: "holds raw bytes"."""

    reason: str


def placeholders(template: str) -> set[str]:
    """Names of the columns that a template uses, as `fill_template` finds them."""
    return {match.group(1) for match in _PLACEHOLDER.finditer(template) if match.group(1) is not None}


def fill_template(template: str, values: Mapping[str, object], problems: list[str]) -> str | None:
    """Fill ``{column}`` from the row; ``{{`` and ``}}`` stand for braces. None where a column cannot be filled.

    Not `str.format`: a table is strangers' input, and format strings can reach attributes.
    """
    count_before = len(problems)

    def value_of(match: re.Match[str]) -> str:
        if match.group(0) in {"{{", "}}"}:
            return match.group(0)[0]
        column = match.group(1)
        if column not in values or column in PROMPT_COLUMNS:
            candidates = [name for name in values if name not in PROMPT_COLUMNS]
            problems.append(
                f"prompt_template uses {{{column}}}, but the table has no such column{_suggest(column, candidates)}"
            )
            return ""
        text = as_written(values[column])
        if isinstance(text, Unwritable):
            problems.append(f"prompt_template uses {{{column}}}, which {text.reason}")
            return ""
        return text

    filled = _PLACEHOLDER.sub(value_of, template)
    return filled if len(problems) == count_before else None


def as_written(value: object) -> str | Unwritable:
    """A value as it stands in a prompt: ``3`` for 3.0, ``0.1``, ``10000000``, ``2026-12-24`` at midnight, ``a, b``."""
    if isinstance(value, str):
        return _text(value)
    if is_missing(value):
        return Unwritable(reason="is empty in this row")
    if isinstance(value, Unwritable):
        return value
    if isinstance(value, float):
        return _float(float(value))
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else Unwritable(reason="is infinite in this row")
    if isinstance(value, list | tuple):
        return _list(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, timedelta):
        return f"-{-value}" if value < timedelta(0) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return Unwritable(reason="holds raw bytes; a prompt needs text")
    if isinstance(value, Mapping):
        return Unwritable(reason="holds a struct or map; write what is meant into a column of text")
    return _other(value)


def _text(value: str) -> str | Unwritable:
    if is_blank(value):
        return Unwritable(reason="is empty in this row")
    if (word := missing_word(value)) is not None:
        return Unwritable(reason=f"is {word!r} in this row: what a missing value becomes as text")
    if "\ufffd" in value:
        return Unwritable(reason="has a broken character in this row")
    return value


def _float(value: float) -> str | Unwritable:
    if math.isinf(value):
        return Unwritable(reason="is infinite in this row")
    if value.is_integer() and abs(value) < _PLAIN_BELOW:
        return str(int(value))
    is_plain = _PLAIN_FROM <= abs(value) < _PLAIN_BELOW
    return f"{Decimal(repr(value)):f}" if is_plain else repr(value)


def _list(values: Iterable[object]) -> str | Unwritable:
    texts: list[str] = []
    for value in values:
        if isinstance(value, list | tuple):
            return Unwritable(reason="holds a list of lists; write what is meant into a column of text")
        text = as_written(value)
        if isinstance(text, Unwritable):
            return Unwritable(reason=f"is a list of which one entry {text.reason}")
        texts.append(text)
    return ", ".join(texts) or Unwritable(reason="is empty in this row")


def _moment(value: datetime) -> str:
    return str(value.date() if value.time() == time.min else value)


def _other(value: object) -> str | Unwritable:
    if not isinstance(value, date | time | numbers.Number):
        return Unwritable(reason=f"holds what cannot be written ({type(value).__name__})")
    try:
        return str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return Unwritable(reason="is too large to write")


def _suggest(word: str, candidates: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
