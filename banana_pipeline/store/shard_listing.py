"""Which shards of an output are there, and when each was last written: one listing, no file opened.

Lives here: listing a folder of a disk or an object store in one pass. Does not live here: what the files hold.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from upath import UPath

from banana_pipeline.core.shards import Shard
from banana_pipeline.store.files import is_local, local_path
from banana_pipeline.store.output_places import FOLDERS, output_folder, shard_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """When a file was written, and its size; another file has another stamp."""

    modified_s: float
    size_bytes: int


def shard_stamps(root: UPath, asset: str) -> dict[Shard, Stamp]:
    """Every shard of an output below ``root`` (the data folder), in the order of tables and rows."""
    folder = output_folder(root, asset)
    files = _local(local_path(folder)) if is_local(folder) else _remote(folder)
    # Where both are there, the file that was written last counts; the older one is about to go.
    newest_last = sorted(files, key=lambda file: file[1].modified_s)
    shards = {shard: stamp for name, stamp in newest_last if (shard := shard_of(name)) is not None}
    return dict(sorted(shards.items()))


def _local(folder: Path) -> Iterator[tuple[str, Stamp]]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as tables:
        names = [table.name for table in tables if table.name.startswith(FOLDERS) and table.is_dir()]
    for name in names:
        with os.scandir(folder / name) as files:
            for file in files:
                try:
                    stat = file.stat()
                except FileNotFoundError:  # removed meanwhile
                    continue
                stamp = Stamp(modified_s=stat.st_mtime_ns / 1e9, size_bytes=stat.st_size)
                yield f"{name}/{file.name}", stamp


def _remote(folder: UPath) -> Iterator[tuple[str, Stamp]]:
    try:
        found = folder.fs.find(folder.path, detail=True)
    except FileNotFoundError:
        return
    for name, info in dict(found).items():
        yield name, Stamp(modified_s=_modified_s(info), size_bytes=int(info.get("size") or 0))


def _modified_s(info: Mapping[str, Any]) -> float:
    """Each file system has its own name for it."""
    for name in ("LastModified", "last_modified", "updated", "mtime", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            return datetime.fromisoformat(value).timestamp()
    return 0.0
