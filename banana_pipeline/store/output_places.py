"""Where the files of the outputs are, today and before.

Lives here: names of folders and files, and what a name stands for. Does not live here: reading and writing them
(``outputs``).

    <root>/warehouse/<asset>/source=<table>/<0000>.parquet
    <root>/warehouse/<asset>/table=<table>/shard=<0000>.parquet    (written before ``extra`` held the own columns)
"""

import re
from urllib.parse import unquote

from upath import UPath

from banana_pipeline.core.shards import Shard, safe_name

_FILE = re.compile(
    r"source=(?P<table>[^/\\]+)[/\\](?P<index>\d{4,})\.parquet$"
    r"|table=(?P<old_table>[^/\\]+)[/\\]shard=(?P<old_index>\d{4,})\.parquet$"
)
FOLDERS = ("table=", "source=")
"""How the folder of a prompt table begins; the last is today's."""


def output_folder(root: UPath, asset: str) -> UPath:
    """The folder that holds all files of an output."""
    return root / "warehouse" / asset


def table_folders(root: UPath, asset: str, table: str) -> list[UPath]:
    """The folders in which shards of a prompt table may lie, today's last."""
    return [output_folder(root, asset) / f"{head}{safe_name(table)}" for head in FOLDERS]


def shard_paths(root: UPath, asset: str, shard: Shard) -> tuple[UPath, UPath]:
    """Where a shard is, and where it was written before."""
    before, now = table_folders(root, asset, shard.table)
    return now / f"{shard.index:04d}.parquet", before / f"shard={shard.index:04d}.parquet"


def is_old(path: UPath) -> bool:
    """Does a shard's file lie where they were written before?"""
    return path.parent.name.startswith(FOLDERS[0])


def shard_of(name: str) -> Shard | None:
    """The shard behind a file's name, which must begin with the table's folder; None for any other file."""
    match = _FILE.search(name)
    if match is None:
        return None
    table, index = match["table"] or match["old_table"], match["index"] or match["old_index"]
    return Shard(table=unquote(table), index=int(index))
