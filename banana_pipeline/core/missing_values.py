"""What stands in a cell where nothing was meant to: null, NaN, blanks, and the texts that programs write for them.

Lives here: recognising nothing. Does not live here: what a column makes of it (``row_values``, ``templates``).

``astype(str)``, a CSV file and back, a cell of a spreadsheet: each turns a missing value into a text, and a text as a
prompt is bought. The texts are pandas' own list of missing values, in the case in which programs write them, and what
SQL dumps, Go, JavaScript and spreadsheets write. Words that a person writes ("none", "Nan", "nil") are not among them.
"""

from __future__ import annotations

import math
import unicodedata

# No word of any language, so that they may be taken for nothing even where they stand among other words.
_FROM_PROGRAMS = (
    "nan NaN -nan -NaN NaT <NA> <NaN> <nil> #NA #N/A NULL null None pd.NA \\N 1.#IND -1.#IND 1.#QNAN -1.#QNAN",
    "#REF! #NAME? #VALUE! #DIV/0! #NUM! #NULL! #ERROR! #SPILL! #CALC! #GETTING_DATA",
)
_WRITTEN_BY_PROGRAMS = frozenset(" ".join(_FROM_PROGRAMS).split()) | {"#N/A N/A", "[object Object]"}
# A region, a country and an abbreviation among other words; as a whole prompt nobody would pay for them.
_WHOLE = _WRITTEN_BY_PROGRAMS | {"NA", "N/A", "n/a", "undefined", "[]", "{}", "()", '""', "''", "set()"}
_LONGEST = max(map(len, _WHOLE))
_UNSEEN = "\u115f\u1160\u2800\u3164\uffa0"  # letters and a symbol that are drawn as nothing
_UNSEEN_CATEGORIES = {"Cc", "Cf", "Zs", "Zl", "Zp"}
_AROUND = " \t\r\n\v\f\0\u00a0\u200b\u2060\ufeff"


def is_missing(value: object) -> bool:
    """True for null, NaN, and a text without a character."""
    # A million rows pass here several times each: the usual answers come first.
    if value is None or isinstance(value, str):
        return not value
    return isinstance(value, float) and math.isnan(value)


def is_blank(text: str) -> bool:
    """True where nothing of a text can be seen: blanks, line ends, characters that only control others."""
    if text[:1].isascii() and text[:1].isalnum():
        return False
    return all(_is_unseen(character) for character in text)


def _is_unseen(character: str) -> bool:
    return character.isspace() or character in _UNSEEN or unicodedata.category(character) in _UNSEEN_CATEGORIES


def is_nothing(value: object) -> bool:
    """True for what stands in an optional cell without a value: missing, blank, or the text of a missing value."""
    return is_missing(value) or (isinstance(value, str) and (missing_text(value) is not None or is_blank(value)))


def missing_text(text: str) -> str | None:
    """The text itself, without blanks around it, where the whole of it is what programs write for a missing value."""
    return _among(text, _WHOLE)


def missing_word(text: str) -> str | None:
    """As `missing_text`, for a text that will stand among others: a market may well be called NA."""
    return _among(text, _WRITTEN_BY_PROGRAMS)


def _among(text: str, texts: frozenset[str]) -> str | None:
    if len(text) > _LONGEST + 8:
        return None
    trimmed = text.strip(_AROUND)
    return trimmed if trimmed in texts else None
