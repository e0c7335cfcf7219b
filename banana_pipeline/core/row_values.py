"""What one value of a known column means, or what is wrong with it, in words a person understands.

Lives here: ids, parameters, numbers of samples, reference images. Does not live here: the prompt (``rows``,
``templates``), files and links (``store.references``). Values arrive as plain Python objects.
"""

from __future__ import annotations

import difflib
import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeGuard

from banana_pipeline.core.cell_lists import cell_entries, list_entries
from banana_pipeline.core.missing_values import is_blank, is_missing, is_nothing, missing_word
from banana_pipeline.core.requests import MAX_IMAGES, MAX_SAMPLES, ReferenceImage

_ALIASES = {
    "aspect_ratio": {"square": "1:1", "portrait": "9:16", "landscape": "16:9", "widescreen": "16:9"},
    "resolution": {"1024": "1K", "1080p": "1K", "2048": "2K", "4096": "4K", "uhd": "4K", "hd": "1K"},
    "output_format": {"jpeg": "jpg", "jpe": "jpg"},
}
_MOST_DIGITS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedImage:
    """A reference image whose bytes stand in the table itself, as in image columns of Hugging Face data sets."""

    data: bytes = field(repr=False)
    path: str | None = None


Resolver = Callable[[str | EmbeddedImage], ReferenceImage | str]
"""Turns one ``image_input`` entry into a checked reference, or into a sentence saying what is wrong with it."""


_MOST_DIGITS = 100  # Arrow's widest decimal has 76


def identifier(value: object, problems: list[str]) -> str | None:
    """A row's ``id`` as text, None where it has none; an unusable one is added to ``problems``."""
    if isinstance(value, str):
        return None if not value or is_blank(value) or missing_word(value) is not None else value
    if is_missing(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and is_whole(value):
        return as_text(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
        # Not `normalize`, which rounds to 28 digits.
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    problems.append(f"id must be text, but is {shown(value)}")
    return None


def reference_images(value: object, resolve_image: Resolver, problems: list[str]) -> tuple[ReferenceImage, ...]:
    """The images of ``image_input``, in order: a list, one entry, or a text that holds several."""
    if is_missing(value):
        return ()
    found: dict[str, ReferenceImage | str] = {}

    def look_up(path: str) -> ReferenceImage | str:
        if path not in found:
            found[path] = resolve_image(path)
        return found[path]

    entries = _image_entries(value, look_up, problems)
    if len(entries) > MAX_IMAGES:
        problems.append(f"image_input has {len(entries)} images; at most {MAX_IMAGES} are allowed")
        return ()
    images: list[ReferenceImage] = []
    for entry in entries:
        if isinstance(entry, str) and not is_nothing(entry):
            resolved = look_up(entry)
        elif isinstance(entry, EmbeddedImage):
            resolved = resolve_image(entry)
        else:
            resolved = f"image_input entry {shown(entry)} {'is empty' if is_nothing(entry) else 'is not text'}"
        if isinstance(resolved, str):
            problems.append(resolved)
        else:
            images.append(resolved)
    return tuple(images)


def _image_entries(value: object, look_up: Callable[[str], ReferenceImage | str], problems: list[str]) -> list[object]:
    def is_file(text: str) -> bool:
        found = look_up(text)
        return not isinstance(found, str) and found.is_local

    if isinstance(value, str):
        return cell_entries(value, is_file, problems)
    if isinstance(value, EmbeddedImage):
        return [value]
    if _is_list(value):
        return list_entries(list(value), is_file, problems)
    problems.append(f"image_input must be a list of links or paths, but is {shown(value)}")
    return []


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def choice(values: Mapping[str, object], column: str, allowed: Sequence[str], default: str, problems: list[str]) -> str:
    """A parameter with a few possible values; the default where the cell holds nothing."""
    value = values.get(column)
    if value is None:
        return default
    if isinstance(value, str) and value in allowed:
        return value
    if is_nothing(value):
        return default
    text = as_text(value).strip()
    likely = _likely_choice(column, text, allowed)
    hint = f"; did you mean {likely!r}?" if likely else f"; choose one of {', '.join(allowed)}"
    problems.append(f"{column} {shown(value)} is not possible{hint}")
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


def sample_count(value: object, problems: list[str]) -> int:
    """How many pictures a row asks for; 1 where the cell holds nothing."""
    if is_nothing(value):
        return 1
    if _is_number(value) and is_whole(value):
        if 1 <= value <= MAX_SAMPLES:
            return int(value)
        problems.append(f"samples is {as_text(value)}; it must be from 1 to {MAX_SAMPLES}")
        return 1
    problems.append(f"samples must be a whole number from 1 to {MAX_SAMPLES}, but is {shown(value)}")
    return 1


def _is_number(value: object) -> TypeGuard[int | float | Decimal]:
    return isinstance(value, int | float | Decimal | numbers.Integral) and not isinstance(value, bool)


def is_whole(value: int | float | Decimal) -> bool:
    """True for a number without a fraction."""
    if isinstance(value, Decimal):  # as an integer, 1E+999999 would take minutes
        return value.is_finite() and value == value.to_integral_value()
    return isinstance(value, numbers.Integral) or float(value).is_integer()


def as_text(value: object, form: Callable[[object], str] = str) -> str:
    """A value as text; one that is too large to show is named by its type."""
    try:
        return form(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list that contains itself very deeply
        return f"a {type(value).__name__} that is too large to show"


def shown(value: object) -> str:
    """A value for a sentence, shortened."""
    text = as_text(value, repr)
    return text if len(text) <= 60 else text[:57] + "..."
