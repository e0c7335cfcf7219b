"""From one row of a prompt table to requests, or to every problem of that row at once.

Lives here: the known columns, misspelt names, value checks in words a person understands, suggestions. Does not live
here: Parquet, Arrow types and files (``store.tables``, ``store.references``). Values arrive as plain Python objects.
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeGuard

from banana_pipeline.core.requests import (
    ASPECT_RATIOS,
    DEFAULT_ASPECT_RATIO,
    DEFAULT_OUTPUT_FORMAT,
    DEFAULT_RESOLUTION,
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SAMPLES,
    OUTPUT_FORMATS,
    RESOLUTIONS,
    GenerationRequest,
    ReferenceImage,
)

PROMPT_COLUMNS = ("prompt", "prompt_template")
PARAMETER_COLUMNS = ("image_input", "aspect_ratio", "resolution", "output_format", "samples")
KNOWN_COLUMNS = (*PROMPT_COLUMNS, "id", *PARAMETER_COLUMNS)

_ALIASES = {
    "aspect_ratio": {"square": "1:1", "portrait": "9:16", "landscape": "16:9", "widescreen": "16:9"},
    "resolution": {"1024": "1K", "1080p": "1K", "2048": "2K", "4096": "4K", "uhd": "4K", "hd": "1K"},
    "output_format": {"jpeg": "jpg", "jpe": "jpg"},
}
# What this parameter is called by other models of the same service; here they would be ignored without a word.
_COLUMN_ALIASES = {"imageurls": "image_input", "imageurl": "image_input", "inputurls": "image_input"}
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")

Resolver = Callable[[str], ReferenceImage | str]
"""Turns one ``image_input`` entry into a checked reference, or into a sentence saying what is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row asks for. Either ``problems`` is empty and ``requests`` is not, or the other way round."""

    row_number: int
    id: str | None
    requests: tuple[GenerationRequest, ...]
    problems: tuple[str, ...]


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


def read_row(
    values: Mapping[str, object],
    *,
    row_number: int,
    resolve_image: Resolver,
    regenerate: str = "",
) -> Row:
    """Check every value of one row and list *all* its problems, or make its requests (one per sample).

    Args:
        values: column name to Python value; None where the table has null.
        row_number: position in the table, from 0.
        resolve_image: looks up one ``image_input`` entry.
        regenerate: see `GenerationRequest`.
    """
    problems: list[str] = []
    row_id = identifier(values.get("id"), problems)
    prompt = _prompt(values, problems)
    images = _images(values.get("image_input"), resolve_image, problems)
    ratio = _choice(values, "aspect_ratio", ASPECT_RATIOS, DEFAULT_ASPECT_RATIO, problems)
    resolution = _choice(values, "resolution", RESOLUTIONS, DEFAULT_RESOLUTION, problems)
    output_format = _choice(values, "output_format", OUTPUT_FORMATS, DEFAULT_OUTPUT_FORMAT, problems)
    samples = _samples(values.get("samples"), problems)
    if problems:
        return Row(row_number=row_number, id=row_id, requests=(), problems=tuple(problems))
    requests = [
        GenerationRequest(
            prompt=prompt,
            images=images,
            aspect_ratio=ratio,
            resolution=resolution,
            output_format=output_format,
            sample=sample,
            regenerate=regenerate,
        )
        for sample in range(samples)
    ]
    return Row(row_number=row_number, id=row_id, requests=tuple(requests), problems=())


def _is_missing(value: object) -> bool:
    # A million rows pass here several times each: the usual answers come first, also below.
    return value is None or (isinstance(value, str) and not value) or (isinstance(value, float) and math.isnan(value))


def identifier(value: object, problems: list[str]) -> str | None:
    """A row's ``id`` as text, None where it has none; an unusable one is added to ``problems``."""
    if isinstance(value, str) and value:
        return value
    if _is_missing(value):
        return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _as_text(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    problems.append(f"id must be text, but is {_shown(value)}")
    return None


def _prompt(values: Mapping[str, object], problems: list[str]) -> str:
    prompt = values.get("prompt")
    if _is_missing(prompt) and not _is_missing(values.get("prompt_template")):
        template = values["prompt_template"]
        if not isinstance(template, str):
            problems.append(f"prompt_template must be text, but is {_shown(template)}")
            return ""
        prompt = fill_template(template, values, problems)
        if prompt is None:
            return ""
    if _is_missing(prompt):
        problems.append("prompt is empty")
        return ""
    if not isinstance(prompt, str):
        problems.append(f"prompt must be text, but is {_shown(prompt)}")
        return ""
    if not _is_sendable(prompt):
        problems.append("prompt has a broken character (half of a surrogate pair), which cannot be sent")
    if prompt.isspace():
        problems.append("prompt has only blanks")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        problems.append(f"prompt has {len(prompt):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are allowed")
    return prompt


def _is_sendable(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False


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
        elif _is_missing(values[column]):
            problems.append(f"prompt_template uses {{{column}}}, which is empty in this row")
        return _as_text(values.get(column))

    filled = _PLACEHOLDER.sub(value_of, template)
    return filled if len(problems) == count_before else None


def _images(value: object, resolve_image: Resolver, problems: list[str]) -> tuple[ReferenceImage, ...]:
    if _is_missing(value):
        return ()
    entries: list[object] = [value] if isinstance(value, str) else list(value) if _is_list(value) else []
    if not entries and not _is_list(value):
        problems.append(f"image_input must be a list of links or paths, but is {_shown(value)}")
    if len(entries) > MAX_IMAGES:
        problems.append(f"image_input has {len(entries)} images; at most {MAX_IMAGES} are allowed")
        return ()
    images: list[ReferenceImage] = []
    for entry in entries:
        found = "is empty" if _is_missing(entry) else "is not text" if not isinstance(entry, str) else None
        resolved = f"image_input entry {_shown(entry)} {found}" if found else resolve_image(str(entry))
        if isinstance(resolved, str):
            problems.append(resolved)
        else:
            images.append(resolved)
    return tuple(images)


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _choice(
    values: Mapping[str, object], column: str, allowed: Sequence[str], default: str, problems: list[str]
) -> str:
    value = values.get(column)
    if value is None:
        return default
    if isinstance(value, str) and value in allowed:
        return value
    if _is_missing(value):
        return default
    text = _as_text(value).strip()
    likely = _likely_choice(column, text, allowed)
    hint = f"; did you mean {likely!r}?" if likely else f"; choose one of {', '.join(allowed)}"
    problems.append(f"{column} {_shown(value)} is not possible{hint}")
    return default


def _likely_choice(column: str, text: str, allowed: Sequence[str]) -> str | None:
    plain = text.lower().lstrip(".").replace(" ", "")
    plain = _ALIASES[column].get(plain, plain)
    as_ratio = re.sub(r"[x×/_\-;,]|by", ":", plain)
    by_lower = {name.lower(): name for name in allowed}
    for guess in (plain.lower(), as_ratio):
        if guess in by_lower:
            return by_lower[guess]
    close = difflib.get_close_matches(plain, by_lower, n=1, cutoff=0.75)
    return by_lower[close[0]] if close else None


def _samples(value: object, problems: list[str]) -> int:
    if _is_missing(value):
        return 1
    if _is_number(value) and _is_whole(value):
        count = int(value)
        if 1 <= count <= MAX_SAMPLES:
            return count
        problems.append(f"samples is {_shown(count)}; it must be from 1 to {MAX_SAMPLES}")
        return 1
    problems.append(f"samples must be a whole number from 1 to {MAX_SAMPLES}, but is {_shown(value)}")
    return 1


def _is_number(value: object) -> TypeGuard[int | float | Decimal]:
    return isinstance(value, int | float | Decimal | numbers.Integral) and not isinstance(value, bool)


def _is_whole(value: int | float | Decimal) -> bool:
    try:
        return value == int(value)
    except (ValueError, OverflowError):  # NaN, infinity
        return False


def _suggest(word: str, candidates: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""


def _as_text(value: object, form: Callable[[object], str] = str) -> str:
    try:
        return form(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list that contains itself very deeply
        return f"a {type(value).__name__} that is too large to show"


def _shown(value: object) -> str:
    text = _as_text(value, repr)
    return text if len(text) <= 60 else text[:57] + "..."
