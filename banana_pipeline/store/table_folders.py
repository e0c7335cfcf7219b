"""A folder as a prompt table: which of its files are its parts, and every reason not to read it.

Lives here: parts in order; folders that are being written, have parts elsewhere, or hold a part twice. Does not live
here: tables with a log of their own (``lake_formats``), single files (``table_formats``), opening (``tables``).
"""

import re
from collections.abc import Iterable, Sequence

from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.files import is_local, local_path
from banana_pipeline.store.lake_formats import Lake, lake_of, superseded
from banana_pipeline.store.places import place_text, shown_place, shown_text
from banana_pipeline.store.table_formats import python_line

SUFFIXES = (".parquet", ".parq", ".pq")
_MOST_ASKED = 30
_COPY = re.compile(
    r"(?P<one>.+?)(?: ?\(\d+\)| - copy(?: ?\(\d+\))?| copy(?: \d+)?| \([^()]*conflicted copy[^()]*\))"
    r"|copy of (?P<two>.+)",
    re.IGNORECASE,
)
_FLATTEN = (
    "import sys, pyarrow.dataset as d, pyarrow.parquet as q; "
    "q.write_table(d.dataset(sys.argv[1], partitioning='hive').to_table(), sys.argv[2])"
)


def is_visible(path: UPath) -> bool:
    return not path.name.startswith((".", "_"))


def has_suffix(path: UPath) -> bool:
    return path.suffix.lower() in SUFFIXES


def is_utf8(name: str) -> bool:
    """False for a file's name that no record could hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_table_folder(folder: UPath) -> bool:
    """Does a folder hold a table, or what a person may take for one (opening it will explain)?"""
    entries = list(folder.iterdir())
    names = [it.name for it in entries]
    visible = [it for it in entries if is_visible(it)]
    if any(has_suffix(it) or _is_partition(it) for it in visible) or lake_of(folder, names) is not None:
        return True
    return _inner_lake(visible) is not None


def folder_parts(folder: UPath, name: str) -> tuple[UPath, ...]:
    """The Parquet files of a folder in natural order of their names.

    Raises:
        TableError: they are not, or not surely, the whole table and nothing but the table.
        OSError: the folder cannot be read.
    """
    entries = list(folder.iterdir())
    names = [it.name for it in entries]
    if "_temporary" in names:
        raise TableError(f"Table {name!r} is still being written; start again when {shown_place(folder)} is complete.")
    if problem := superseded(names, folder):
        raise TableError(f"Table {name!r} cannot be read: in {shown_place(folder)}, {problem}.")
    visible = [it for it in entries if is_visible(it)]
    parts = sorted((it for it in visible if has_suffix(it)), key=_natural)
    _check_subfolders(folder, name, _subfolders(it for it in visible if not has_suffix(it)), has_parts=bool(parts))
    if not parts:
        raise TableError(
            f"Table {name!r} is an empty folder; put Parquet files into {shown_place(folder)}, or remove it."
        )
    _check_names(folder, name, parts)
    return tuple(parts)


def _check_subfolders(folder: UPath, name: str, subfolders: Sequence[UPath], *, has_parts: bool) -> None:
    inner = _inner_lake(subfolders)
    if inner is not None:
        lake, place = inner
        raise TableError(
            f"Table {name!r} cannot be read: its folder {shown_text(place.name)!r} is {lake.name}; name that folder to "
            "learn how its live rows are exported, and move it elsewhere."
        )
    partitions = [it for it in subfolders if _is_partition(it)]
    if partitions and not has_parts:
        raise TableError(
            f"Table {name!r} has its Parquet files in subfolders; write it without partition columns, "
            f"as files directly in {shown_place(folder)}{_flatten_line(folder)}."
        )
    holding = [it for it in subfolders if _is_partition(it) or _has_parts(it)]
    if holding:
        instead = "" if has_parts or len(holding) > 1 else f"name {shown_place(holding[0])} instead, or "
        raise TableError(
            f"Table {name!r} has Parquet files in its subfolder {shown_text(holding[0].name)!r}"
            f"{' as well' if has_parts else ''}; {instead}put all parts directly into {shown_place(folder)}, and what "
            "does not belong to it elsewhere."
        )


def _has_parts(folder: UPath) -> bool:
    try:
        return any(has_suffix(it) for it in folder.iterdir())
    except OSError:
        return False


def _check_names(folder: UPath, name: str, parts: Sequence[UPath]) -> None:
    unreadable = [shown_text(it.name) for it in parts if not is_utf8(it.name)]
    if unreadable:
        raise TableError(
            f"Table {name!r} cannot be read: the name of {unreadable[0]} in {shown_place(folder)} is not UTF-8; "
            "rename it."
        )
    stems = {it.stem.casefold() for it in parts}
    for part in parts:
        match = _COPY.fullmatch(part.stem)
        original = match and (match["one"] or match["two"])
        if original and original.casefold() in stems:
            raise TableError(
                f"Table {name!r} cannot be read: {part.name} looks like a copy of {original}{part.suffix} beside it; "
                f"remove one of them from {shown_place(folder)}, or rename it if it holds other rows."
            )


def _inner_lake(entries: Iterable[UPath]) -> tuple[Lake, UPath] | None:
    for entry in _subfolders(entries):
        if (lake := lake_of(entry)) is not None:
            return lake, entry
    return None


def _subfolders(entries: Iterable[UPath]) -> list[UPath]:
    """Each question costs a store's answer, so that there only the first names without an ending are asked about."""
    paths = list(entries)
    if paths and not is_local(paths[0]):
        paths = [it for it in paths if "." not in it.name or "=" in it.name][:_MOST_ASKED]
    return [it for it in paths if it.is_dir()]


def _is_partition(path: UPath) -> bool:
    return "=" in path.name and path.is_dir()


def _natural(path: UPath) -> tuple[list[str | int], str]:
    pieces = re.split(r"([0-9]+)", path.name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], path.name


def _flatten_line(folder: UPath) -> str:
    source = str(local_path(folder)) if is_local(folder) else place_text(folder)
    target = str(local_path(folder.parent / f"{folder.name}_flat.parquet")) if is_local(folder) else ""
    line = python_line(_FLATTEN, source, target) if target else None
    return "" if line is None else f", such as with: {line}"
