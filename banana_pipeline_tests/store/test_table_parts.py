"""Parts of one table that have drifted: read as one where no value changes, else refused in words that name them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.shard_rows import read_shard
from banana_pipeline.store.tables import open_table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UUIDS = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)], pa.binary(16)))


def parts(folder: Path, *columns: dict[str, object]) -> PromptTable:
    for index, own in enumerate(columns):
        path = folder / "t" / f"part-{index}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"prompt": ["a"], **own} if own else {}), path)
    return open_table(folder / "t")


def own(table: PromptTable) -> list[object]:
    return table.read(range(9))["own"].to_pylist()


def texts(table: PromptTable) -> list[str]:
    rows = read_shard(table, range(9), resolve_image=lambda entry: ReferenceImage(source=str(entry))).rows
    return [row.requests[0].prompt if row.requests else row.problems[0] for row in rows]


def with_template(folder: Path, *columns: object) -> PromptTable:
    return parts(folder, *({"prompt": [None], "prompt_template": ["{own}"], "own": column} for column in columns))


@pytest.mark.parametrize(("one", "other", "expected"), [
    (pa.array(["x"]).dictionary_encode(), ["y"], ["x", "y"]),
    (pa.array(["x"], pa.large_string()), pa.array(["y"], pa.string_view()), ["x", "y"]),
    ([1], [2.5], [1.0, 2.5]),
    (pa.array([1], pa.int8()), [2**40], [1, 2**40]),
    (pa.array([2**64 - 1], pa.uint64()), [-1], [2**64 - 1, -1]),
    ([None], ["x"], [None, "x"]),
    ([Decimal("1.5")], [Decimal("2.25")], [Decimal("1.50"), Decimal("2.25")]),
    (pa.array([0], pa.timestamp("s", "UTC")), pa.array([0], pa.timestamp("us", "+00:00")), [EPOCH, EPOCH]),
    ([Decimal("1.5")], [2**62], [Decimal("1.5"), Decimal(2**62)]),
    ([["x"]], pa.array([["y"]], pa.large_list(pa.large_string())), [["x"], ["y"]]),
    ([{"a": 1}], [{"b": "x", "a": 2.5}], [{"a": 1.0, "b": None}, {"a": 2.5, "b": "x"}]),
])  # fmt: skip
def test_parts_with_a_common_type_are_read_as_one(tmp_path: Path, one: object, other: object, expected: list[object]):
    assert own(parts(tmp_path, {"own": one}, {"own": other})) == expected


def test_columns_may_stand_in_another_order_and_be_missing(tmp_path: Path):
    table = parts(tmp_path, {"own": ["x"], "more": [1]}, {"more": [2]}, {"more": [3], "own": ["z"]})
    assert table.read(range(9)).select(["own", "more"]).to_pylist() == [
        {"own": "x", "more": 1}, {"own": None, "more": 2}, {"own": "z", "more": 3},
    ]  # fmt: skip


def test_a_part_without_rows_says_nothing_about_the_columns(tmp_path: Path):
    (tmp_path / "t").mkdir()
    pd.DataFrame().to_parquet(tmp_path / "t" / "part-5.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.int8())}), tmp_path / "t" / "part-6.parquet")
    assert own(parts(tmp_path, {"own": ["x"]})) == ["x"]


@pytest.mark.parametrize(("one", "other"), [
    ([1], ["x"]), ([True], [1]), ([Decimal("1.5")], [0.1]), ([["x"]], ["x"]),
    (pa.array([1], pa.date32()), pa.array([1], pa.timestamp("us"))),
    (pa.array([1], pa.timestamp("us")), pa.array([1], pa.timestamp("us", "UTC"))),
    (pa.array([1], pa.timestamp("us", "Europe/Rome")), pa.array([1], pa.timestamp("us", "UTC"))),
])  # fmt: skip
def test_parts_without_a_common_type_are_refused_with_their_names_and_types(tmp_path: Path, one: object, other: object):
    with pytest.raises(
        TableError, match=r"column 'own' is .* in part-1\.parquet, but .* in part-2\.parquet; write all"
    ):
        parts(tmp_path, {}, {"own": one}, {"own": other})


def test_a_whole_number_that_a_float_cannot_hold_is_refused_and_not_rounded(tmp_path: Path):
    table = parts(tmp_path, {"own": [0.5]}, {"own": [2**53 + 1]})
    with pytest.raises(TableError, match=r"int64 in part-1\.parquet, and not all of its values can be held as double"):
        table.read(range(9))


def test_ids_of_every_type_are_text_and_whole(tmp_path: Path):
    table = parts(tmp_path, {"id": [7]}, {"id": ["x"]}, {"id": pa.array(["y"]).dictionary_encode()})
    assert table.read(range(9))["id"].to_pylist() == ["7", "x", "y"]


@pytest.mark.parametrize(("one", "other", "expected"), [
    ([3], [4.0], ["3", "4"]),
    ([3, ], [0.5], ["3", "0.5"]),
    (pa.array([0], pa.timestamp("s")), pa.array([1], pa.timestamp("s")), ["1970-01-01", "1970-01-01 00:00:01"]),
    (pa.array([0], pa.timestamp("ns")), pa.array([1_000], pa.timestamp("ms")), ["1970-01-01", "1970-01-01 00:00:01"]),
    (["x"], pa.array(["y"]).dictionary_encode(), ["x", "y"]),
])  # fmt: skip
def test_another_part_does_not_change_what_a_template_says(
    tmp_path: Path, one: object, other: object, expected: list[str]
):
    assert texts(with_template(tmp_path, one, other)) == expected


@pytest.mark.parametrize(("one", "other"), [
    ([Decimal("1.5")], [Decimal("2.25")]), ([Decimal("1.5")], [2]),
    (pa.array([0.1], pa.float32()), [0.1]), (pa.array([0.1], pa.float16()), [1]),
])  # fmt: skip
def test_a_template_refuses_a_column_whose_text_another_part_would_change(tmp_path: Path, one: object, other: object):
    for text in texts(with_template(tmp_path, one, other)):
        assert "in part-0.parquet and" in text
        assert "write all parts with the same type" in text


@pytest.mark.parametrize(("column", "expected"), [
    (pa.array([0.1], pa.float32()), "0.1"), (pa.array([0.1], pa.float16()), "0.1"),
    (pa.array([1e7], pa.float32()), "10000000"), ([0.30000000000000004], "0.30000000000000004"),
    (pa.array([[0.1, 3.0]], pa.list_(pa.float32())), "0.1, 3"),
    (pa.array([90], pa.duration("ns")), "0:00:00.000000090"),
    (pa.array([90_000_000_000], pa.duration("ns")), "0:01:30"),
    (pa.array([1_735_689_600_000_000_001], pa.timestamp("ns")), "2025-01-01 00:00:00.000000001"),
    (pa.array([1_735_686_000], pa.timestamp("s", "Europe/Rome")), "2025-01-01"),
    (pa.array([1_735_686_001], pa.timestamp("s", "Europe/Rome")), "2025-01-01 00:00:01+01:00"),
    (UUIDS, "00000000-0000-0000-0000-000000000000"),
])  # fmt: skip
def test_a_template_writes_what_python_alone_would_write_otherwise(tmp_path: Path, column: object, expected: str):
    assert texts(with_template(tmp_path, column)) == [expected]


@pytest.mark.parametrize(
    "zone", ["US/Pacific-New", "Mars/Olympus", "dateutil//usr/share/zoneinfo/Europe/Rome", "America"]
)
def test_an_unknown_time_zone_is_a_reason_in_a_template_and_nothing_elsewhere(tmp_path: Path, zone: str):
    times = pa.array([0], pa.timestamp("us", zone))
    assert "this machine does not know" in texts(with_template(tmp_path, times))[0]
    (tmp_path / "other").mkdir()
    assert own(parts(tmp_path / "other", {"own": times})) == [EPOCH]


def test_a_column_whose_name_is_no_text_is_explained(tmp_path: Path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"prompt": ["a"], "zqzq": [1]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"zqzq", b"z\xffz\xfe"))
    with pytest.raises(TableError, match="no UTF-8 text; rename it"):
        open_table(path)
