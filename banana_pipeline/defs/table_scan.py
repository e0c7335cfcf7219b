"""One look into the prompts folder: which tables are new or changed, which cannot be read.

Lives here: comparing files with a memory, without reading what has not changed. Does not live here: what follows
(``sensor_tables``), opening tables (``store.tables``).

A table that is being written is left alone: half a Parquet file cannot be opened, and a table whose files change while
they are read is looked at again next time. So is one that a run works on: two runs over two contents of a shard would
end in any order.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from upath import UPath

from banana_pipeline.core.failures import BananaError
from banana_pipeline.core.told import sentence_of
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.defs.sensor_runs import LOOK_S
from banana_pipeline.store.tables import content_version, open_table, skipped_tables


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is remembered of one table.

    Attributes:
        stamp: sizes and times of its files. Where they are as before, the content is not read again.
        version: hash of the content that a run was last started for; "" if there was none.
        change: how many versions were seen. A table that goes back to an earlier content is a new change.
        shards: how many it has; 0 where nobody could tell yet.
    """

    stamp: str = ""
    version: str = ""
    change: int = 0
    shards: int = 0


@dataclass(kw_only=True)
class Scan:
    """What one look found.

    Attributes:
        seen: what to remember. changed: shards by changed table. problems: a sentence by unreadable table.
        held: a sentence for each table that is left for a later look.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    is_folder_there: bool = True

    @property
    def shard_counts(self) -> dict[str, int | None]:
        """Shards of every table that is there; None where nobody can tell."""
        return {name: seen.shards or None for name, seen in self.seen.items()}


def scan_tables(files: FilesResource, memory: Mapping[str, Seen], *, busy: Mapping[str, str]) -> Scan:
    """Compare every table with the memory: size and time decide whether to hash, the hash whether it has changed.

    Args:
        busy: tables that a run works on, each with the run's id.

    Raises:
        TableError: the folder cannot be read.
    """
    scan = Scan(is_folder_there=UPath(files.prompts_dir).is_dir())
    until_s = time.monotonic() + LOOK_S
    _skipped(scan, files, memory)
    for name, path in files.table_paths().items():
        before = memory.get(name, Seen())
        scan.seen[name] = before
        stamp = _stamp(path)
        if stamp == before.stamp:
            continue
        if name in busy:
            scan.held.append(f"{name!r} is new or changed; it is started when run {busy[name][:8]} has ended")
        elif time.monotonic() > until_s:
            scan.held.append(f"{name!r} is for the next look")
        else:
            _look_into(scan, files, name, path, stamp)
    return scan


def _skipped(scan: Scan, files: FilesResource, memory: Mapping[str, Seen]) -> None:
    """What has no name that can be written down is told once, and again when it was away meanwhile."""
    for shown, reason in skipped_tables(UPath(files.prompts_dir)).items():
        scan.seen[shown] = Seen(stamp="not UTF-8")
        if memory.get(shown) != scan.seen[shown]:
            scan.problems[shown] = reason


def _look_into(scan: Scan, files: FilesResource, name: str, path: UPath, stamp: str) -> None:
    """One table. Whatever is odd about it, even what nobody has foreseen, is told and stops no other table."""
    before = scan.seen[name]
    try:
        table = open_table(path, name)
        version, keys = content_version(table), [shard.key for shard in files.shards(table)]
    except Exception as error:
        # Possibly still being written: its stamp is remembered, so that it is told once and looked at again when it
        # has changed.
        scan.problems[name] = problem_of(name, error)
        scan.seen[name] = replace(before, stamp=stamp, shards=0)
        return
    if _stamp(path) != stamp:
        scan.held.append(f"{name!r} is being written")
        return
    if version == before.version:
        scan.seen[name] = replace(before, stamp=stamp, shards=len(keys))
        return
    scan.seen[name] = Seen(stamp=stamp, version=version, change=before.change + 1, shards=len(keys))
    scan.changed[name] = keys


def problem_of(name: str, error: Exception) -> str:
    """Why a table cannot be used, in one sentence."""
    return sentence_of(error) if isinstance(error, BananaError) else f"Table {name!r}: {sentence_of(error)}"


def _stamp(path: UPath) -> str:
    try:
        parts = sorted(path.rglob("*"), key=str) if path.is_dir() else [path]
        found = [(str(part), part.stat()) for part in parts if part.is_file()]
    except OSError as error:  # a file went away while we looked: another state, which opening the table will judge
        return f"{error.errno}"
    except Exception as error:  # an object store has errors of its own
        return type(error).__name__
    lines = [f"{name}:{its.st_size}:{getattr(its, 'st_mtime_ns', its.st_mtime)}" for name, its in found]
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
