"""Which prompt table a person means.

Lives here: from a name or a path on the command line to an open table. Does not live here: reading it (``store``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.settings import Settings
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.tables import find_tables, open_table, table_name


@dataclass(frozen=True, kw_only=True)
class ChosenTable:
    """An open table, and its path if it lies outside the prompts folder."""

    table: PromptTable
    outside_path: str | None = None


def choose_table(settings: Settings, text: str) -> ChosenTable:
    """The table named ``text`` in the prompts folder, or the file or folder at the path ``text``.

    Raises:
        TableError: there is none, it cannot be used, or its name belongs to another table.
    """
    tables = find_tables(settings.prompts_dir)
    if text in tables:
        return ChosenTable(table=open_table(tables[text], text))
    path = _existing_path(text)
    if path is None:
        known = ", ".join(repr(name) for name in sorted(tables)) or "none"
        raise TableError(
            f"There is no prompt table {text!r}, neither in {settings.prompts_dir} (tables there: {known}) nor as a "
            "file; give the name of a table or the path of a Parquet file."
        )
    name = table_name(path)
    inside = tables.get(name)
    if inside is not None:
        if _is_same(inside, path):
            return ChosenTable(table=open_table(inside, name))
        raise TableError(
            f"{text} has the same name as the table {name!r} in {settings.prompts_dir}; rename one of them, because "
            "their outputs would have the same place."
        )
    return ChosenTable(table=open_table(path, name), outside_path=str(path))


def _existing_path(text: str) -> UPath | None:
    if not text.strip():
        return None
    if "://" in text:
        path = UPath(text)
        return path if path.exists() else None
    try:
        local = Path(text).expanduser().absolute()
        return UPath(local) if local.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, no such user
        return None


def _is_same(one: UPath, other: UPath) -> bool:
    if one.protocol not in {"", "file"} or other.protocol not in {"", "file"}:
        return str(one) == str(other)
    return Path(one.path).resolve() == Path(other.path).resolve()
