"""Finding prompt tables, and opening them with every objection in words before a single row is read.

Lives here: names, parts, footers, a table's version. Does not live here: the checks of columns (``table_columns``),
reading rows (``prompt_table``, ``row_groups``), turning them into requests (``shard_rows``).
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from upath import UPath

from banana_pipeline.core.failures import BananaError, TableError
from banana_pipeline.core.rows import KNOWN_COLUMNS
from banana_pipeline.core.shards import safe_name
from banana_pipeline.store.files import as_location, is_local
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.row_groups import RowGroup, open_parquet
from banana_pipeline.store.table_columns import table_columns

SUFFIXES = (".parquet", ".parq", ".pq")
_LONGEST_SAFE_NAME = 240  # "table=<name>" is one folder, and 255 bytes is what disks allow
_CHUNK_BYTES = 1 << 20


def find_tables(prompts_dir: Path | UPath) -> dict[str, UPath]:
    """The tables in a folder: name to path, sorted by name; {} where there is no such folder.

    A table is a Parquet file, or a folder of Parquet parts (also one named ``x.parquet``, as Spark makes them). Names
    that start with ``.`` or ``_`` are left out. Two tables of one name appear once, and `open_table` explains it.

    Raises:
        TableError: the folder cannot be read.
    """
    folder = UPath(prompts_dir)
    found: dict[str, UPath] = {}
    with _told_of_stores(folder):
        try:
            paths = sorted(_visible(folder), key=lambda it: it.name) if folder.is_dir() else []
        except OSError as error:
            raise TableError(
                f"The prompts folder {_shown(folder)} cannot be read ({error.strerror or error}); "
                "allow reading it, or set BANANA_PROMPTS_DIR to another folder."
            ) from error
        for path in filter(_is_table, paths):
            found.setdefault(table_name(path), path)
    return dict(sorted(found.items()))


@contextlib.contextmanager
def _told_of_stores(path: UPath) -> Iterator[None]:
    """An object store that cannot be reached raises errors of its own kind; they become sentences too."""
    try:
        yield
    except (BananaError, OSError):
        raise
    except Exception as error:
        if is_local(path):
            raise
        raise TableError(
            f"{_shown(path)} cannot be read: {error}. Check that the place exists and that this machine may read there."
        ) from error


def table_name(path: Path | UPath) -> str:
    """The name of the table at ``path``: the file's or folder's name without a Parquet ending."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


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
    with _told_of_stores(path):
        _check_name(path, name)
        parts = _parts(path, name)
        for index, part in enumerate(parts):
            schemas.append(_read_footer(part, index, groups, name))
    if not groups:
        raise TableError(f"Table {name!r} has no rows; write at least one row to {_shown(path)}.")
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


def _visible(folder: UPath) -> Iterable[UPath]:
    return (path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _has_suffix(path: UPath) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_table(path: UPath) -> bool:
    if _has_suffix(path):
        return True
    try:
        return path.is_dir() and any(_has_suffix(part) or _is_partition(part) for part in _visible(path))
    except OSError:
        return True  # nobody knows; opening it will say what is wrong


def _is_partition(path: UPath) -> bool:
    return "=" in path.name and path.is_dir()


def _check_name(path: UPath, name: str) -> None:
    if len(safe_name(name)) > _LONGEST_SAFE_NAME:
        raise TableError(f"The name of table {name[:40]!r}... is too long for a folder; rename {_shown(path)}.")
    try:
        rivals = sorted(it.name for it in _visible(path.parent) if table_name(it) == name and _is_table(it))
    except OSError:
        return  # the folder cannot be listed, or is not there; reading the table will say so
    if len(rivals) > 1:
        raise TableError(
            f"There are {len(rivals)} tables named {name!r} ({', '.join(rivals)}); rename all but one of them."
        )


def _parts(path: UPath, name: str) -> tuple[UPath, ...]:
    try:
        return _listed_parts(path, name)
    except OSError as error:
        raise TableError(_unreadable(path, name, error)) from error


def _listed_parts(path: UPath, name: str) -> tuple[UPath, ...]:
    if not path.is_dir():
        if path.exists():
            return (path,)
        raise TableError(f"There is no table {name!r}: {_shown(path)} does not exist. Check the name and the folder.")
    if (path / "_temporary").exists():
        raise TableError(f"Table {name!r} is still being written; start again when {_shown(path)} is complete.")
    parts = [part for part in _visible(path) if _has_suffix(part)]
    if parts:
        return tuple(sorted(parts, key=_natural))
    if any(_is_partition(part) for part in _visible(path)):
        raise TableError(
            f"Table {name!r} has its Parquet files in subfolders; write it without partition columns, "
            f"as files directly in {_shown(path)}."
        )
    raise TableError(f"Table {name!r} is an empty folder; put Parquet files into {_shown(path)}, or remove it.")


def _natural(path: UPath) -> tuple[list[str | int], str]:
    pieces = re.split(r"([0-9]+)", path.name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], path.name


def _read_footer(part: UPath, index: int, groups: list[RowGroup], name: str) -> pa.Schema:
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
            f"Table {name!r} cannot be read: a column of {_shown(part)} has a name that is no UTF-8 text; rename it."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise TableError(_unreadable(part, name, error)) from error


def _unreadable(part: UPath, name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"Table {name!r} cannot be read: {_shown(part)} does not exist. Check the name and the folder."
    if isinstance(error, PermissionError):
        return f"Table {name!r} cannot be read: this user may not open {_shown(part)}. Allow reading it."
    if isinstance(error, IsADirectoryError) or part.is_dir():
        return f"Table {name!r} cannot be read: {_shown(part)} is a folder. Put Parquet files directly into the table."
    if "encrypt" in str(error).lower():
        return f"Table {name!r} cannot be read: {_shown(part)} is encrypted. Write it without encryption."
    return (
        f"Table {name!r} cannot be read: {_shown(part)} is not a complete Parquet file. "
        "If it is still being written, wait until it is; else write it again."
    )


def _shown(path: UPath) -> str:
    return as_location(path)
