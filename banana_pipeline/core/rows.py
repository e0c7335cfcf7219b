"""From one row of a prompt table to requests, or to every problem of that row at once.

Lives here: the prompt, and putting a row's values together. Does not live here: the names of columns (``columns``),
single values (``row_values``), templates (``templates``), Parquet and Arrow (``store``). Values arrive as plain Python
objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from banana_pipeline.core.columns import KNOWN_COLUMNS, PROMPT_COLUMNS
from banana_pipeline.core.missing_values import is_blank, is_missing, missing_text
from banana_pipeline.core.requests import (
    ASPECT_RATIOS,
    DEFAULT_ASPECT_RATIO,
    DEFAULT_OUTPUT_FORMAT,
    DEFAULT_RESOLUTION,
    MAX_PROMPT_CHARACTERS,
    OUTPUT_FORMATS,
    RESOLUTIONS,
    GenerationRequest,
)
from banana_pipeline.core.row_values import Resolver, choice, identifier, reference_images, sample_count, shown
from banana_pipeline.core.templates import fill_template

__all__ = ["KNOWN_COLUMNS", "PROMPT_COLUMNS", "Resolver", "Row", "identifier", "read_row"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row asks for. Either ``problems`` is empty and ``requests`` is not, or the other way round."""

    row_number: int
    id: str | None
    requests: tuple[GenerationRequest, ...]
    problems: tuple[str, ...]


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
    last_problems: list[str] = []
    samples = sample_count(values.get("samples"), last_problems)
    prompt = _prompt(values, row_id, samples, problems)
    images = reference_images(values.get("image_input"), resolve_image, problems)
    ratio = choice(values, "aspect_ratio", ASPECT_RATIOS, DEFAULT_ASPECT_RATIO, problems)
    resolution = choice(values, "resolution", RESOLUTIONS, DEFAULT_RESOLUTION, problems)
    output_format = choice(values, "output_format", OUTPUT_FORMATS, DEFAULT_OUTPUT_FORMAT, problems)
    if problems or last_problems:
        problems += last_problems
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


def _prompt(values: Mapping[str, object], row_id: str | None, samples: int, problems: list[str]) -> str:
    prompt = values.get("prompt")
    template = values.get("prompt_template")
    if not is_missing(template) and _holds_nothing(prompt):
        if not isinstance(template, str):
            problems.append(f"prompt_template must be text, but is {shown(template)}")
            return ""
        if not _holds_nothing(template) or "{" in template:
            # An id and a number of samples are written as they are meant, whatever type holds them.
            meant = {"id": row_id, "samples": samples if values.get("samples") is not None else None}
            filled = fill_template(template, {**values, **{it: meant[it] for it in meant if it in values}}, problems)
            return "" if filled is None else _checked(filled, problems)
        prompt = template if is_missing(prompt) else prompt
    return _checked(prompt, problems)


def _holds_nothing(text: object) -> bool:
    return is_missing(text) or (isinstance(text, str) and missing_text(text) is not None)


def _checked(prompt: object, problems: list[str]) -> str:
    if is_missing(prompt):
        problems.append("prompt is empty")
        return ""
    if not isinstance(prompt, str):
        problems.append(f"prompt must be text, but is {shown(prompt)}")
        return ""
    if (nothing := missing_text(prompt)) is not None:
        problems.append(
            f"prompt is empty: {nothing!r} is what a missing value becomes when a table is turned into text; "
            "if the word itself is meant, write a sentence around it"
        )
        return ""
    if not _is_sendable(prompt):
        problems.append("prompt has a broken character (half of a surrogate pair), which cannot be sent")
    if is_blank(prompt):
        problems.append("prompt has only blanks or characters that cannot be seen")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        problems.append(f"prompt has {len(prompt):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are allowed")
    return prompt


def _is_sendable(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
