"""The columns that a prompt table may have by name, and what was probably meant by a name near one of them.

Lives here: names. Does not live here: types (``store.column_types``) and values (``core.row_values``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

PROMPT_COLUMNS = ("prompt", "prompt_template")
PARAMETER_COLUMNS = ("image_input", "aspect_ratio", "resolution", "output_format", "samples")
KNOWN_COLUMNS = (*PROMPT_COLUMNS, "id", *PARAMETER_COLUMNS)

# What this parameter is called by other models of the same service; here they would be ignored without a word.
_COLUMN_ALIASES = {"imageurls": "image_input", "imageurl": "image_input", "inputurls": "image_input"}


def misspelt_columns(columns: Iterable[str]) -> dict[str, str]:
    """Columns that are probably a known column under another spelling: ``{found: likely name}``.

    Only names that are not there under their right spelling are looked for, so a table may well have its own column
    ``format`` beside ``output_format``. KIE ignores unknown fields without a word and would sell the wrong picture.
    """
    present = list(columns)
    missing = [name for name in PARAMETER_COLUMNS if name not in present]
    if not any(name in present for name in PROMPT_COLUMNS):
        missing.extend(PROMPT_COLUMNS)
    found: dict[str, str] = {}
    for column in present:
        likely = None if column in KNOWN_COLUMNS else _likely_column(column, missing)
        if likely is not None:
            found[column] = likely
    return found


def _likely_column(column: str, missing: Sequence[str]) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    plain_names = {name.replace("_", ""): name for name in missing}
    if plain in plain_names:
        return plain_names[plain]
    if _COLUMN_ALIASES.get(plain) in missing:
        return _COLUMN_ALIASES[plain]
    # "sample" is an honest name for a column of one's own, and so are most words near it.
    candidates = [name for name in plain_names if name != "samples"]
    close = difflib.get_close_matches(plain, candidates, n=1, cutoff=0.86)
    return plain_names[close[0]] if close else None
