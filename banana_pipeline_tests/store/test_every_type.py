"""Every Arrow type that Parquet can hold, in every place of a prompt table: nothing raises, nothing changes a value."""

import contextlib
import itertools
import uuid
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat
import pytest

from banana_pipeline.core.columns import KNOWN_COLUMNS
from banana_pipeline.core.failures import TableError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.shard_rows import ShardRows, read_shard
from banana_pipeline.store.tables import open_table

IDS = [uuid.UUID(int=1), uuid.UUID(int=2**127)]
ROME = "Europe/Rome"


def of(kind: pa.DataType, *values: object) -> pa.Array:
    return pa.array([values[0], None, values[-1]], kind)


def extension(kind: pa.BaseExtensionType, *values: object) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, of(kind.storage_type, *values))


COLUMNS = {
    "null": pa.nulls(3),
    "bool": of(pa.bool_(), True, False),
    **{f"int{bits}": of(getattr(pa, f"int{bits}")(), -5, 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": of(getattr(pa, f"uint{bits}")(), 5, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "float16": of(pa.float16(), 0.5, 3.0),
    "float32": of(pa.float32(), 0.5, 3.0),
    "float64": of(pa.float64(), 0.1, 3.0),
    "decimal32": of(pa.decimal32(5, 2), Decimal("1.50"), Decimal(2)),
    "decimal64": of(pa.decimal64(15, 4), Decimal("1.50"), Decimal(2)),
    "decimal128": of(pa.decimal128(38, 2), Decimal("1.50"), Decimal(10**30)),
    "decimal256": of(pa.decimal256(76, 2), Decimal("1.50"), Decimal(10**60)),
    "string": of(pa.string(), "a", "é"),
    "large_string": of(pa.large_string(), "a", "é"),
    "string_view": of(pa.string_view(), "a", "a text that is longer than twelve bytes"),
    "binary": of(pa.binary(), b"a", b"\xff"),
    "large_binary": of(pa.large_binary(), b"a", b"\xff"),
    "binary_view": of(pa.binary_view(), b"a", b"\xff"),
    "fixed binary": of(pa.binary(2), b"ab", b"\xff\xff"),
    "date32": of(pa.date32(), date(2026, 12, 24), date(1, 1, 1)),
    "date32 far": of(pa.date32(), 10_000_000, 0),
    "date64": of(pa.date64(), date(2026, 12, 24), date(1, 1, 1)),
    "time32 s": of(pa.time32("s"), time(18, 30), time(0)),
    "time32 ms": of(pa.time32("ms"), time(18, 30), time(0)),
    "time64 us": of(pa.time64("us"), time(18, 30), time(0)),
    "time64 ns": of(pa.time64("ns"), 1, 2),
    **{
        f"timestamp {unit} {zone}": of(pa.timestamp(unit, zone), 1_000_000_000, 5)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "Mars/Olympus")
    },
    **{f"timestamp in {zone}": of(pa.timestamp("us", zone), 10**15, 5) for zone in ("UTC", ROME, "+05:30", "+00:00")},
    "timestamp of an old zone": of(pa.timestamp("us", "US/Pacific-New"), 1, 2),
    "timestamp dateutil": of(pa.timestamp("us", "dateutil//usr/share/zoneinfo/Europe/Rome"), 1, 2),
    "timestamp far": of(pa.timestamp("us"), 2**62, 1),
    "timestamp far in a zone": of(pa.timestamp("us", ROME), 2**62, -(2**62)),
    **{f"duration {unit}": of(pa.duration(unit), 90, -5) for unit in ("s", "ms", "us", "ns")},
    "duration far": of(pa.duration("s"), 2**60, 1),
    "dictionary of text": of(pa.string(), "a", "b").dictionary_encode(),
    "dictionary of numbers": of(pa.int64(), 1, 2).dictionary_encode(),
    "dictionary of times": of(pa.timestamp("us", ROME), 1, 2).dictionary_encode(),
    "dictionary of decimals": of(pa.decimal128(5, 2), Decimal("1.5"), Decimal(2)).dictionary_encode(),
    "dictionary of bytes": of(pa.binary(), b"a", b"b").dictionary_encode(),
    "list": of(pa.list_(pa.string()), ["rose", "lily"], []),
    "large_list": of(pa.large_list(pa.large_string()), ["rose", "lily"], []),
    "fixed list": of(pa.list_(pa.int32(), 2), [1, 2], [3, 4]),
    "list_view": of(pa.list_view(pa.string_view()), ["rose", "lily"], ["a"]),
    "large_list_view": of(pa.large_list_view(pa.string()), ["rose", "lily"], ["a"]),
    "list of null": of(pa.list_(pa.null()), [None], []),
    "list of dictionaries": pa.ListArray.from_arrays([0, 1, 1, 2], pa.array(["a", "b"]).dictionary_encode()),
    "list of float16": of(pa.list_(pa.float16()), [0.5], [None]),
    "list of times": of(pa.list_(pa.timestamp("ns", "Mars/Olympus")), [1], []),
    "list of bytes": of(pa.list_(pa.binary()), [b"a"], []),
    "list of lists": of(pa.list_(pa.list_(pa.int8())), [[1], None], []),
    "struct": of(pa.struct({"a": pa.string_view(), "b": pa.list_view(pa.int8())}), {"a": "x", "b": [1]}, {}),
    "struct of times": of(pa.struct({"t": pa.timestamp("us", "Mars/Olympus")}), {"t": 5}, {"t": None}),
    "picture": of(pa.struct({"bytes": pa.binary(), "path": pa.string()}), {"bytes": b"a"}, {"path": "b"}),
    "picture view": of(pa.struct({"bytes": pa.binary_view(), "path": pa.string_view()}), {"bytes": b"a"}, {}),
    "map": of(pa.map_(pa.string(), pa.int32()), [("a", 1)], []),
    "map of views": of(pa.map_(pa.string_view(), pa.string_view()), [("a", "b")], []),
    "map of bytes": of(pa.map_(pa.string(), pa.binary()), [("a", b"b")], []),
    "uuid": extension(pa.uuid(), IDS[0].bytes, IDS[1].bytes),
    "json": extension(pa.json_(), '{"a": 1}', "[]"),
    "opaque": extension(pa.opaque(pa.int32(), "a", "b"), 1, 2),
    "bool8": extension(pa.bool8(), 1, 0),
    "tensor": extension(pa.fixed_shape_tensor(pa.int32(), [2]), [1, 2], [3, 4]),
}
LINK = "https://example.org/a.png"


def resolve(entry: object) -> ReferenceImage | str:
    return ReferenceImage(source=LINK) if entry == LINK else "image_input is nothing"


def is_plain(kind: pa.DataType) -> bool:
    """The closed set of types that tables are handed out in."""
    if pat.is_struct(kind):
        return all(is_plain(part.type) for part in kind.fields)
    if pat.is_map(kind):
        return is_plain(kind.key_type) and is_plain(kind.item_type)
    if pat.is_list(kind):
        return is_plain(kind.value_type)
    plain = (
        *(pat.is_null, pat.is_boolean, pat.is_integer, pat.is_floating, pat.is_decimal128, pat.is_decimal256),
        *(pat.is_string, pat.is_date32, pat.is_time, pat.is_timestamp, pat.is_duration),
    )
    has_odd_zone = pat.is_timestamp(kind) and kind.tz not in (None, "UTC", ROME, "+05:30")
    return any(is_kind(kind) for is_kind in plain) and not has_odd_zone


def write(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def checked(path: Path) -> ShardRows:
    table = open_table(path)
    return read_shard(table, range(9), resolve_image=resolve, duplicate_ids=table.duplicate_ids())


def checked_or_refused(path: Path) -> ShardRows | str:
    try:
        return checked(path)
    except TableError as error:
        return str(error)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_of_ones_own_is_plain_and_unchanged_or_left_out_in_words(tmp_path: Path, column: pa.Array):
    path = write(tmp_path / "t.parquet", prompt=["a", "b", "c"], own=column)
    contents = checked(path)
    assert [len(row.requests) for row in contents.rows] == [1, 1, 1]
    if "own" in contents.left_out:
        assert "bytes" in contents.left_out["own"]
        assert "own" not in contents.slice.column_names
        return
    read = contents.slice["own"]
    assert is_plain(read.type)
    assert contents.slice.take([2, 0]).num_rows == contents.slice.filter(pa.array([True, False, True])).num_rows == 2
    assert pa.concat_tables([contents.slice, contents.slice]).combine_chunks().num_rows == 6
    assert counts(read) == counts(pa.chunked_array([column]))


def counts(column: pa.ChunkedArray) -> list[object]:
    """Values that can be compared whatever their encoding, their unit and their zone."""
    return [_count(value) for value in column]


def _count(value: pa.Scalar) -> object:
    kind = value.type
    if not value.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        told = value.as_py()
        return str(told) if kind.extension_name == "arrow.uuid" else told
    if pat.is_dictionary(kind):
        return _count(value.value)
    if pat.is_map(kind):
        return value.as_py()
    if pat.is_struct(kind):
        return {name: _count(value[name]) for name in value}
    if hasattr(kind, "value_type"):
        return [_count(entry) for entry in value.values]
    if pat.is_temporal(kind) and not pat.is_date(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return Decimal(value.value) / per_second
    if pat.is_date64(kind):
        return value.value // 86_400_000
    return value.value if pat.is_date32(kind) else value.as_py()


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_template_writes_every_value_or_says_why_not(tmp_path: Path, column: pa.Array):
    rows = checked(write(tmp_path / "t.parquet", prompt_template=["see {own}"] * 3, own=column)).rows
    assert all(bool(row.requests) != bool(row.problems) for row in rows)
    assert "empty" in rows[1].problems[0] or "prompt_template uses {own}, which" in rows[1].problems[0]


@pytest.mark.parametrize("name", KNOWN_COLUMNS)
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_known_column_is_read_or_refused_in_words(tmp_path: Path, name: str, column: pa.Array):
    found = checked_or_refused(write(tmp_path / "t.parquet", **{"prompt": ["a", "b", "c"], name: column}))
    if isinstance(found, str):
        assert f"column {name!r}" in found
    else:
        assert all(bool(row.requests) != bool(row.problems) for row in found.rows)


def usable_parts(folder: Path, name: str) -> dict[Path, pa.Array]:
    """One Parquet file for each type that the column may have, with a template that uses the column."""
    found: dict[Path, pa.Array] = {}
    for index, column in enumerate(COLUMNS.values()):
        path = write(folder / f"{index}.parquet", prompt_template=[f"see {{{name}}}"] * 3, **{name: column})
        with contextlib.suppress(TableError):
            open_table(path)
            found[path] = column
    return found


@pytest.mark.parametrize(
    "name", [pytest.param("own", marks=pytest.mark.slow), "id", "samples", "image_input", "aspect_ratio"]
)
def test_parts_that_differ_are_read_or_refused_and_never_bought_under_another_text(tmp_path: Path, name: str):
    parts = usable_parts(tmp_path, name)
    alone = {part: checked(part).rows for part in parts}
    for pair in itertools.combinations(parts, 2):
        folder = tmp_path / f"{pair[0].stem}-{pair[1].stem}"
        folder.mkdir()
        for part in pair:
            (folder / part.name).hardlink_to(part)
        together = checked_or_refused(folder)
        if isinstance(together, str):
            assert f"column {name!r}" in together
            assert all(part.name in together for part in pair) or "not all of its values" in together
            continue
        for row, before in zip(together.rows, (*alone[pair[0]], *alone[pair[1]]), strict=True):
            assert row.requests in ((), before.requests)
        if name == "own" and name in together.slice.column_names:
            stored = [value for part in pair for value in counts(pa.chunked_array([parts[part]]))]
            assert without_nulls(counts(together.slice[name])) == without_nulls(stored)


def without_nulls(value: object) -> object:
    """A struct's field that only the other part has is null, as a column would be."""
    if isinstance(value, dict):
        return {name: without_nulls(it) for name, it in value.items() if it is not None}
    return [without_nulls(it) for it in value] if isinstance(value, list) else value


def test_the_types_that_are_not_here_are_those_that_parquet_cannot_hold(tmp_path: Path):
    ends = pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"]))
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    for column in (ends, union, pa.array([(1, 2, 3)], pa.month_day_nano_interval())):
        with pytest.raises(pa.ArrowNotImplementedError):
            write(tmp_path / "t.parquet", own=column)
