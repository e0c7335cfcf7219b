"""Which prompt table a person means.

Lives here: from a name or a path on the command line to an open table, or to the name of one. Does not live here:
reading it (``store``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.settings import Settings
from banana_pipeline.store.files import is_local
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.places import place_of, place_text, shown_text
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.table_folders import SUFFIXES
from banana_pipeline.store.table_formats import OTHER_SUFFIXES, format_of, format_sentence, head_of
from banana_pipeline.store.table_origin import check_origin
from banana_pipeline.store.table_places import is_same_place, is_there
from banana_pipeline.store.tables import find_tables, open_table, same_name, skipped_tables, table_name


@dataclass(frozen=True, kw_only=True)
class ChosenTable:
    """An open table, and its path if it lies outside the prompts folder."""

    table: PromptTable
    outside_path: str | None = None


def choose_table(settings: Settings, text: str) -> ChosenTable:
    """The table named ``text`` in the prompts folder, or the file or folder at the path ``text``.

    Raises:
        TableError: there is none, it cannot be used, or its name belongs to another table.
        SettingsError: a package for the place is not installed.
    """
    tables = find_tables(settings.prompts_dir)
    name = same_name(text)
    path = tables.get(name) or _existing_path(text, settings.prompts_dir)
    if path is None:
        raise TableError(_unknown(settings, text, tables))
    if is_same_place(path, settings.prompts_dir):
        raise TableError(f"{shown_text(text)} is the prompts folder; name one of the tables in it: {_known(tables)}.")
    inside = _inside(tables, path)
    if inside is not None:
        name = inside
        chosen = ChosenTable(table=open_table(tables[name], name))
    else:
        name = table_name(path)
        if name in tables:
            raise TableError(
                f"{shown_text(text)} has the same name as the table {name!r} in {settings.prompts_dir}; rename one of "
                "them, because their outputs would have the same place."
            )
        chosen = ChosenTable(table=open_table(path, name), outside_path=place_text(path))
    check_origin(Warehouse(settings.data_dir), chosen.table)
    return chosen


def table_named(settings: Settings, text: str) -> str:
    """The name of the table that a person means by its name or its path, whether or not it is still there."""
    is_path = "://" in text or "/" in text or os.sep in text or text.lower().endswith(SUFFIXES)
    if not is_path:
        return same_name(text)
    try:
        path = place_of(text)
        if text in (tables := find_tables(settings.prompts_dir)):
            return text
    except (ValueError, TableError):
        return same_name(text)
    return _inside(tables, path) or table_name(path)


def _existing_path(text: str, prompts_dir: UPath) -> UPath | None:
    """The path as it stands, or, for a file's name alone, below the prompts folder."""
    if not text.strip():
        return None
    try:
        path = place_of(text)
    except ValueError as error:
        if "/" not in text and os.sep not in text:
            return None
        raise TableError(f"{shown_text(text)} {error}.") from error
    try:
        if is_there(path):
            return path
        if not is_local(path) or "/" in text or text in {".", ".."}:
            return None
        inside = prompts_dir / text
        return inside if is_there(inside) else None
    except OSError:  # too long for a name
        return None


def _inside(tables: Mapping[str, UPath], path: UPath) -> str | None:
    """Which table of the prompts folder a path is, however it is spelt: links, capital letters, forms of an accent."""
    own = table_name(path)
    same = [name for name, place in tables.items() if name.casefold() == own.casefold() and is_same_place(place, path)]
    return own if own in same else next(iter(same), None)


def _unknown(settings: Settings, text: str, tables: Mapping[str, UPath]) -> str:
    """Why there is no such table, with what comes near it."""
    other = _other_format(settings.prompts_dir, text)
    if other is not None:
        return other
    for name, reason in skipped_tables(settings.prompts_dir).items():
        if shown_text(text) in {name, table_name(Path(name))}:
            return reason
    here = f" ({shown_text(str(Path(text).absolute()))})" if "/" in text and "://" not in text else ""
    return (
        f"There is no prompt table '{shown_text(text)}', neither in {settings.prompts_dir} (tables there: "
        f"{_known(tables)}) nor as a file{here}; give the name of a table or the path of a Parquet file."
    )


def _known(tables: Mapping[str, UPath]) -> str:
    return ", ".join(repr(name) for name in sorted(tables)) or "none"


def _other_format(prompts_dir: UPath, text: str) -> str | None:
    """A file of that name in the prompts folder that is no Parquet file, and what to do with it."""
    if "/" in text or not is_local(prompts_dir) or not text.strip("."):
        return None
    for path in (prompts_dir / f"{text}{suffix}" for suffix in OTHER_SUFFIXES):
        try:
            found = format_of(head_of(path), path.name) if path.is_file() else None
        except OSError:
            return None
        if found is not None:
            return format_sentence(path, found)
    return None
