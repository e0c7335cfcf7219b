"""Folders of Parquet files that are more than their files: Delta, Iceberg, Hudi and others of their kind.

Lives here: recognising them, and how to export the rows that are live. Does not live here: folders that are what their
files are (``table_folders``).

Their logs say which files and rows still count. What an overwrite or a delete has left on the disk would be read, and
bought, with the rest.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from upath import UPath

from banana_pipeline.store.files import is_local, listed, local_path
from banana_pipeline.store.places import WEB, place_text, shown_place
from banana_pipeline.store.table_formats import python_line

_MOST_ABOVE, _MOST_ABOVE_REMOTE = 6, 3
_ICEBERG_FILE = re.compile(r".*\.metadata\.json(\.gz)?|version-hint\.text|snap-.*\.avro")
_WRITE = "import sys, pyarrow as pa, pyarrow.parquet as q; {}; q.write_table({}, sys.argv[2])"


@dataclass(frozen=True, kw_only=True)
class Lake:
    """A kind of table with a log.

    Attributes:
        name: what people call it, with its article. marker: what it was recognised by.
        code: imports and the expression of the live rows, for ``python -c``; package: what these need.
        command: what to do where there is no such program.
    """

    name: str
    marker: str
    code: tuple[str, str] | None = None
    package: str = ""
    command: str = ""


_DELTA = Lake(
    name="a Delta table",
    marker="_delta_log",
    code=("from deltalake import DeltaTable", "DeltaTable(sys.argv[1]).to_pyarrow_table()"),
    package="deltalake",
)
_HUDI = Lake(
    name="a Hudi table",
    marker=".hoodie",
    code=(
        "from hudi import HudiTableBuilder as b",
        "pa.Table.from_batches(b.from_base_uri(sys.argv[1]).build().read_snapshot())",
    ),
    package="hudi",
)
_ICEBERG = Lake(
    name="an Iceberg table",
    marker="metadata",
    code=("from pyiceberg.table import StaticTable as t", "t.from_metadata(sys.argv[1]).scan().to_arrow()"),
    package="pyiceberg",
)
_LANCE = Lake(
    name="a Lance data set",
    marker="_versions",
    code=("import lance", "lance.dataset(sys.argv[1]).to_table()"),
    package="pylance",
)
_PAIMON = Lake(
    name="a Paimon table",
    marker="snapshot",
    command="spark.read.format('paimon').load({0!r}).write.parquet({1!r}) in Spark",
)
_STREAM = Lake(
    name="the output of a Spark stream",
    marker="_spark_metadata",
    command="spark.read.parquet({0!r}).write.parquet({1!r}) in Spark",
)
_DUCKLAKE = Lake(
    name="the files of a DuckLake",
    marker="ducklake-*.parquet",
    command="COPY (FROM the_lake.the_table) TO '{1}' in DuckDB, with the lake attached",
)


def lake_of(folder: UPath, names: Iterable[str] | None = None) -> Lake | None:
    """The kind of table that a folder is by what lies in it; None for a plain one.

    Args:
        folder: where.
        names: what lies in it, also what is hidden, where that is known.
    """
    try:
        has = _asker(folder, None if names is None else set(names))
        return _recognised(folder, has)
    except OSError:  # what may not be listed is told by whoever reads the table
        return None


def _recognised(folder: UPath, has: Callable[[str], bool]) -> Lake | None:
    for lake in (_DELTA, _HUDI, _LANCE, _STREAM):
        if has(lake.marker):
            return lake
    if has("metadata") and any(_ICEBERG_FILE.fullmatch(it.name) for it in listed(folder / "metadata")):
        return _ICEBERG
    if has("snapshot") and has("schema") and any(it.name.startswith("snapshot-") for it in listed(folder / "snapshot")):
        return _PAIMON
    return None


def is_ducklake(names: Iterable[str]) -> bool:
    return any(name.startswith("ducklake-") for name in names)


def lake_around(path: UPath) -> tuple[Lake, UPath] | None:
    """The table with a log that a file or folder is, or is a part of; with its own folder."""
    if path.protocol in WEB:
        return None
    most = _MOST_ABOVE if is_local(path) else _MOST_ABOVE_REMOTE
    folders = [path, *path.parents] if path.is_dir() else [*path.parents]
    for folder in folders[:most]:
        if not is_local(path) and folder == folder.parent:
            return None
        found = lake_of(folder)
        if found is not None:
            return found, folder
    return (_DUCKLAKE, path if path.is_dir() else path.parent) if _is_in_ducklake(path) else None


def lake_sentence(name: str, lake: Lake, root: UPath, path: UPath) -> str:
    """Why the table ``name`` at ``path`` is not read, and the line that exports the live rows."""
    where = "it is" if root == path else f"its place {shown_place(path)} belongs to"
    told = (
        f"Table {name!r} cannot be read: {where} {lake.name} ({shown_place(root)} has {lake.marker}), whose files also "
        "hold rows that are no longer live; export the live rows"
    )
    source = str(local_path(root)) if is_local(root) else place_text(root)
    target = (
        str(local_path(root.parent / f"{root.name}_live.parquet")) if is_local(root) else f"{root.name}_live.parquet"
    )
    if lake.code is None:
        return f"{told} with {lake.command.format(source, target)}."
    if lake is _ICEBERG:
        source = _newest_metadata(root) or source
    line = python_line(_WRITE.format(*lake.code), source, target, python="python")
    return f"{told} (needs pip install {lake.package}) with: {line}" if line else f"{told} as Parquet."


def superseded(names: Iterable[str], folder: UPath) -> str | None:
    """What Databricks' commit files say against reading a folder as it stands; the end of a sentence, or None.

    A write puts ``_started_<id>`` first and ``_committed_<id>`` last, which lists files that it has replaced.
    """
    there = set(names)
    for name in sorted(there):
        if name.startswith("_started_") and f"_committed_{name.removeprefix('_started_')}" not in there:
            return "a write to it has not ended (_started_ without _committed_); start again when it has"
        if not name.startswith("_committed_"):
            continue
        try:
            removed = set(json.loads((folder / name).read_bytes()).get("removed", []))
        except (ValueError, AttributeError, TypeError):
            continue
        if removed & there:
            return (
                f"{name} says that files in it were replaced ({_some(sorted(removed & there))}); remove these, "
                "or write the table anew into an empty folder"
            )
    return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _asker(folder: UPath, names: set[str] | None) -> Callable[[str], bool]:
    """On a disk each marker is asked for; a store is asked once for all."""
    if names is None and is_local(folder):
        place = local_path(folder)
        return lambda marker: (place / marker).exists()
    known = names if names is not None else {it.name for it in listed(folder)}
    return lambda marker: marker in known


def _is_in_ducklake(path: UPath) -> bool:
    return is_ducklake([path.name]) or (path.is_dir() and is_ducklake(it.name for it in listed(path)))


def _newest_metadata(root: UPath) -> str | None:
    found = [it for it in listed(root / "metadata") if it.name.endswith(".metadata.json")]
    if not found:
        return None
    newest = max(found, key=lambda it: [int(piece) for piece in re.findall(r"\d+", it.name)[:1]])
    return str(local_path(newest)) if is_local(newest) else str(newest)
