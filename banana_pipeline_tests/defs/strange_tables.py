"""Tables as people's folders have them: those that can be used although they look odd, and those that cannot.

Here: writing them. Not here: facts; the tests state those.
"""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TWO = {"prompt": ["a boat", "two cats"]}


def _file(name: str, **columns: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        pq.write_table(pa.table({**_TWO, **columns}), folder / f"{name}.parquet")

    return write


def _bytes(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def _parts(name: str, *parts: dict[str, object], inside: str = "") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        place = folder / name / inside
        place.mkdir(parents=True)
        for number, columns in enumerate(parts):
            pq.write_table(pa.table(columns), place / f"part-{number}.parquet")

    return write


def _marked(name: str, marker: str) -> Callable[[Path], None]:
    """A table format that keeps its own list of which files are alive."""

    def write(folder: Path) -> None:
        _parts(name, _TWO, _TWO)(folder)
        path = folder / name / marker
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    return write


def _special(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda folder: make(folder / name) and None


def _dictionary(*values: str) -> pa.Array:
    return pa.array(values).dictionary_encode()


USABLE: dict[str, Callable[[Path], None]] = {
    "string_view": _file("string_view", style=pa.array(["oil", "ink"], pa.string_view())),
    "binary_view": _file("binary_view", photo=pa.array([b"\xff", b"\x00"], pa.binary_view())),
    "list_view": _file("list_view", tags=pa.array([["a"], None], pa.list_view(pa.string()))),
    "unknown_zone": _file("unknown_zone", at=pa.array([0, 1], pa.timestamp("us", "US/Pacific-New"))),
    "far_times": _file("far_times", at=pa.array([10**12, None], pa.timestamp("s"))),
    "durations": _file("durations", took=pa.array([1, None], pa.duration("ns")), at=pa.array([1, 2], pa.time64("us"))),
    "decimals": _file("decimals", price=[Decimal("1.50"), None]),
    "maps": _file("maps", more=pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))),
    "half_floats": _file("half_floats", weight=pa.array([0.1, None], pa.float16())),
    "nothing_in_it": _file("nothing_in_it", empty=pa.nulls(2)),
    "names_of_ours": _file("names_of_ours", status=["mine", "mine"], extra=[1, 2], shard=["x", "y"], source=[1, 1]),
    "spaces and é 🚤": _file("spaces and é 🚤"),
    "drifted": _parts(
        "drifted",
        {"prompt": ["a boat"], "style": ["oil"], "n": pa.array([1], pa.int32())},
        {"n": pa.array([2], pa.int64()), "style": _dictionary("ink"), "prompt": ["two cats"]},
    ),
}
"""Tables with two good rows each, by the name of the table."""

REFUSED: dict[str, Callable[[Path], None]] = {
    "delta": _marked("delta", "_delta_log/00000000000000000000.json"),
    "iceberg": _marked("iceberg", "metadata/v1.metadata.json"),
    "hudi": _marked("hudi", ".hoodie/hoodie.properties"),
    "csv": _bytes("csv.parquet", b"prompt\na boat\n"),
    "html": _bytes("html.parquet", b"<!DOCTYPE html><html>log in</html>"),
    "pointer": _bytes("pointer.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
    "nothing": _bytes("nothing.parquet", b""),
    "half": _bytes("half.parquet", b"PAR1\x15\x04\x15"),
    "empty_folder": _special("empty_folder.parquet", lambda path: path.mkdir() or True),
    "dangling": _special("dangling.parquet", lambda path: path.symlink_to("nowhere") or True),
    "circle": _special("circle.parquet", lambda path: path.symlink_to(path.name) or True),
    "pipe": _special("pipe.parquet", lambda path: os.mkfifo(path) or True),
    "no_prompts": _special("no_prompts.parquet", lambda path: pq.write_table(pa.table({"text": ["a"]}), path) or True),
    "misspelt": _file("misspelt", Resolution=["1K", "2K"]),
    "numbers": _special("numbers.parquet", lambda path: pq.write_table(pa.table({"prompt": [1, 2]}), path) or True),
    "no_rows": _special(
        "no_rows.parquet", lambda path: pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), path) or True
    ),
    "twice": _special(
        "twice.parquet",
        lambda path: pq.write_table(pa.table([["a"], ["b"]], names=["prompt", "prompt"]), path) or True,
    ),
}
"""Tables of which nothing can be bought, by the name of the table."""


def write_all(folder: Path) -> None:
    """Every strange table, and files whose names no table can have."""
    folder.mkdir(parents=True, exist_ok=True)
    for write in [*USABLE.values(), *REFUSED.values()]:
        write(folder)
    data = (folder / "string_view.parquet").read_bytes()
    for name in (b"caf\xe9.parquet", b"two\nlines.parquet", b"\x1b]52;c;aGk=\x07.parquet", b"a" * 250 + b".pq"):
        (folder / os.fsdecode(name)).write_bytes(data)
