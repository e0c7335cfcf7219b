"""Finding prompt tables, and opening them with every objection in words before a single row is read.

Lives here: names, footers, a table's version. Does not live here: which files of a folder are its parts
(``table_folders``), what a file is instead (``table_formats``), stores that do not answer (``table_places``), the
checks of columns (``table_columns``), reading rows (``prompt_table``, ``row_groups``), turning them into requests
(``shard_rows``).
"""

import hashlib
import unicodedata
from pathlib import Path

import pyarrow as pa
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.rows import KNOWN_COLUMNS
from banana_pipeline.core.shards import safe_name
from banana_pipeline.store.files import is_local
from banana_pipeline.store.lake_formats import lake_around, lake_sentence
from banana_pipeline.store.places import WEB, shown_place, shown_text
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.row_groups import RowGroup, open_parquet
from banana_pipeline.store.table_columns import table_columns
from banana_pipeline.store.table_folders import SUFFIXES, folder_parts, has_suffix, is_table_folder, is_utf8, is_visible
from banana_pipeline.store.table_formats import format_of, format_sentence, head_of
from banana_pipeline.store.table_places import is_there, path_name, told_of_stores, web_copy

_LONGEST_SAFE_NAME = 240  # "table=<name>" is one folder, and 255 bytes is what disks allow
_CHUNK_BYTES = 1 << 20


def find_tables(prompts_dir: Path | UPath) -> dict[str, UPath]:
    """The tables in a folder: name to path, sorted by name; {} where there is no such folder.

    A table is a Parquet file, or a folder of Parquet parts (also one named ``x.parquet``, as Spark makes them). Names
    that start with ``.`` or ``_`` are left out, and those that `skipped_tables` explains. Two tables of one name appear
    once, and `open_table` explains it.

    Raises:
        TableError: the folder cannot be read.
    """
    found: dict[str, UPath] = {}
    for path in _entries(UPath(prompts_dir)):
        if is_utf8(path.name):
            found.setdefault(table_name(path), path)
    return dict(sorted(found.items()))


def skipped_tables(prompts_dir: Path | UPath) -> dict[str, str]:
    """What `find_tables` leaves out although it looks like a table: its name as it can be shown, and the reason.

    Raises:
        TableError: as `find_tables`.
    """
    return {
        shown_text(path.name): (
            f"The name of {shown_text(path.name)} in {shown_place(path.parent)} is not UTF-8; rename it to use it."
        )
        for path in _entries(UPath(prompts_dir))
        if not is_utf8(path.name)
    }


def _entries(folder: UPath) -> list[UPath]:
    """What looks like a table in a folder, sorted by name."""
    with told_of_stores(folder):
        if not is_there(folder) or not folder.is_dir():
            return []
        try:
            paths = sorted((it for it in folder.iterdir() if is_visible(it)), key=lambda it: it.name)
        except OSError as error:
            raise TableError(
                f"The prompts folder {shown_place(folder)} cannot be read ({error.strerror or error}); "
                "allow reading it, or set BANANA_PROMPTS_DIR to another folder."
            ) from error
        return [path for path in paths if _is_table(path)]


def table_name(path: Path | UPath) -> str:
    """The name of the table at ``path``: the file's or folder's name without a Parquet ending.

    One name, whether a disk spells its accents as one character (NFC) or two (NFD, as macOS does).
    """
    name = path_name(path) if isinstance(path, UPath) else path.name
    ending = next((it for it in SUFFIXES if name.lower().endswith(it) and len(name) > len(it)), "")
    return same_name(name[: len(name) - len(ending)])


def same_name(text: str) -> str:
    """The one spelling of a table's name."""
    return unicodedata.normalize("NFC", text)


def open_table(path: Path | UPath, name: str | None = None) -> PromptTable:
    """Open a prompt table from its footers alone.

    Args:
        path: a Parquet file, or a folder of parts.
        name: the table's name; by default `table_name` of the path.

    Raises:
        TableError: it cannot be read, or would be read in a way its author did not mean; says what to do.
    """
    path = UPath(path)
    name = table_name(path) if name is None else name
    schemas: list[pa.Schema] = []
    groups: list[RowGroup] = []
    with told_of_stores(path):
        _check_name(path, name)
        parts = _parts(path, name)
        for index, part in enumerate(parts):
            schemas.append(_read_footer(part, index, groups, name))
    if not groups:
        raise TableError(f"Table {name!r} has no rows; write at least one row to {shown_place(path)}.")
    filled = sorted({group.part for group in groups})  # a part without rows says nothing about the columns
    columns = table_columns(name, [parts[index] for index in filled], [schemas[index] for index in filled])
    return PromptTable(
        name=name,
        path=path,
        parts=parts,
        row_count=groups[-1].end_row,
        schema=columns.schema,
        extra_columns=tuple(column for column in columns.schema.names if column not in KNOWN_COLUMNS),
        left_out=columns.left_out,
        unwritable=columns.unwritable,
        row_groups=tuple(groups),
    )


def content_version(table: PromptTable | Path | UPath) -> str:
    """First 32 hex digits of SHA-256 over names, sizes and bytes of a table's parts, in order; constant memory.

    Raises:
        TableError: the path is no table, or cannot be read.
    """
    is_open = isinstance(table, PromptTable)
    name = table.name if is_open else table_name(table)
    parts = table.parts if is_open else _parts(UPath(table), name)
    digest = hashlib.sha256()
    for part in parts:
        try:
            with told_of_stores(part):
                _add_file(digest, part)
        except OSError as error:
            raise TableError(_unreadable(part, name, error)) from error
    return digest.hexdigest()[:32]


def _add_file(digest: "hashlib._Hash", part: UPath) -> None:
    with part.open("rb") as file:
        size_bytes = file.seek(0, 2)
        file.seek(0)
        digest.update(f"{len(part.name)}:{part.name}:{size_bytes}:".encode("utf-8", "surrogateescape"))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)


def _is_table(path: UPath) -> bool:
    if has_suffix(path):
        return True
    try:
        return path.is_dir() and is_table_folder(path)
    except OSError:
        return True  # nobody knows; opening it will say what is wrong


def _check_name(path: UPath, name: str) -> None:
    if not name or not is_utf8(path.name):
        raise TableError(f"The name of {shown_place(path)} cannot be a table's (not UTF-8, or none); rename it.")
    if len(safe_name(name)) > _LONGEST_SAFE_NAME:
        raise TableError(f"The name of table {name[:40]!r}... is too long for a folder; rename {shown_place(path)}.")
    if path.protocol in WEB:
        return
    try:
        likely = [it for it in path.parent.iterdir() if is_visible(it) and table_name(it) == name]
        rivals = sorted(it.name for it in likely if _is_table(it))
    except OSError:
        return  # the folder cannot be listed, or is not there; reading the table will say so
    if len(rivals) > 1:
        raise TableError(
            f"There are {len(rivals)} tables named {name!r} ({', '.join(rivals)}); rename all but one of them."
        )


def _parts(path: UPath, name: str) -> tuple[UPath, ...]:
    if path.protocol in WEB:
        return (web_copy(path),)
    if not is_there(path):
        raise TableError(
            f"There is no table {name!r}: {shown_place(path)} does not exist. Check the name and the folder."
        )
    try:
        if found := lake_around(path):
            raise TableError(lake_sentence(name, *found, path))
        return folder_parts(path, name) if path.is_dir() else (path,)
    except OSError as error:
        raise TableError(_unreadable(path, name, error)) from error


def _read_footer(part: UPath, index: int, groups: list[RowGroup], name: str) -> pa.Schema:
    if is_local(part) and part.exists() and not (part.is_file() or part.is_dir()):
        raise TableError(f"Table {name!r} cannot be read: {shown_place(part)} is no regular file; write it as one.")
    try:
        with open_parquet(part) as file:
            for group in range(file.metadata.num_row_groups):
                row_count = file.metadata.row_group(group).num_rows
                first_row = groups[-1].end_row if groups else 0
                if row_count:
                    groups.append(RowGroup(part=index, index=group, first_row=first_row, row_count=row_count))
            return file.schema_arrow
    except UnicodeDecodeError as error:
        raise TableError(
            f"Table {name!r} cannot be read: {shown_place(part)} has a column whose name is no UTF-8 text; rename it."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise TableError(_unreadable(part, name, error)) from error


def _unreadable(part: UPath, name: str, error: Exception) -> str:
    where = f"Table {name!r} cannot be read: {shown_place(part)}"
    if isinstance(error, FileNotFoundError):
        return f"{where} does not exist. Check the name and the folder."
    if isinstance(error, PermissionError):
        return f"Table {name!r} cannot be read: this user may not open {shown_place(part)}. Allow reading it."
    if isinstance(error, IsADirectoryError) or part.is_dir():
        return f"{where} is a folder. Put Parquet files directly into the table."
    found = format_of(head_of(part), part.name)
    if found is not None:
        return f"Table {name!r} cannot be read: {format_sentence(part, found)}"
    if "encrypt" in str(error).lower():
        return f"{where} is encrypted. Write it without encryption."
    return (
        f"{where} is not a complete Parquet file. If it is still being written, wait until it is; else write it again."
    )
