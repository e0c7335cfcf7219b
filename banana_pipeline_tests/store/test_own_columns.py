"""A prompt table's own columns: every type comes back from its JSON text exactly, or is named as left out."""

import json
import math
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.store.own_columns import FOOTER_KEY, packed, read_footer, unpacked
from banana_pipeline.store.own_times import read_count, written_count


def _counts(kind: pa.DataType, *counts: int) -> pa.Array:
    return pa.array([*counts, None], pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)


COLUMNS = {
    "yes and no": pa.array([True, None]),
    "small integers": pa.array([-128, None], pa.int8()),
    "the largest integer": pa.array([2**64 - 1, None], pa.uint64()),
    "half floats": pa.array([0.1, None], pa.float16()),
    "narrow floats": pa.array([0.1, 3e38, -math.inf], pa.float32()),
    "floats": pa.array([0.1, 5e-324, math.inf]),
    "decimals": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
    "wide decimals": pa.array([Decimal("1e-20"), None], pa.decimal256(60, 30)),
    "rounded decimals": pa.array([Decimal(1500), None], pa.decimal128(10, -2)),
    "text": pa.array(['a"\\\n\u0000\u2028é😀', ""]),
    "large text": pa.array(["a", None], pa.large_string()),
    "nothing": pa.nulls(2),
    "dates": _counts(pa.date32(), 0, -719_162, 2_932_896, 9_000_000),
    "dates in milliseconds": _counts(pa.date64(), 86_400_000),
    "times": _counts(pa.time32("ms"), 0, 86_399_999),
    "times in nanoseconds": _counts(pa.time64("ns"), 1),
    "durations": _counts(pa.duration("us"), -1_500_000, 1, 2**62),
    "lists": pa.array([[1, None], [], None]),
    "lists of lists": pa.array([[["x"]], None], pa.large_list(pa.large_list(pa.string()))),
    "lists of a size": pa.array([[1, 2], None], pa.list_(pa.int32(), 2)),
    "structs": pa.array([{"a": 1, "b": date(2026, 1, 1)}, None]),
    "lists of moments": pa.array([[1, None]], pa.list_(pa.int64())).cast(pa.list_(pa.timestamp("us", "UTC"))),
    "maps": pa.array([[("k", 1), ("k", None)], None], pa.map_(pa.string(), pa.int64())),
    **{
        f"moments in {unit}, zone {zone}": _counts(pa.timestamp(unit, zone), 0, -1, 10**9 + 1, 2**60)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "US/Pacific-New", "+05:30")
    },
}


def _through(column: pa.Array) -> pa.ChunkedArray:
    written = packed(pa.table({"own": column}), {})
    output = pa.table({"extra": written.values}).replace_schema_metadata({FOOTER_KEY: written.footer})
    return unpacked(output)["own"]


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_comes_back_with_its_type_and_values(column: pa.Array) -> None:
    assert _through(column).combine_chunks().equals(column)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_row_is_json_that_any_reader_takes(column: pa.Array) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    values = packed(pa.table({"own": column}), {}).values
    assert [list(json.loads(value, parse_constant=refuse)) for value in values] == [["own"]] * len(column)


def test_a_person_reads_numbers_and_times_as_they_were_meant() -> None:
    row = {
        "price": pa.array([0.1], pa.float32()),
        "exact": pa.array([Decimal("1.50")]),
        "day": pa.array([20_446], pa.int32()).cast(pa.date32()),
        "at": pa.array([1_500], pa.int64()).cast(pa.timestamp("ms", "Europe/Rome")),
        "took": pa.array([90_500], pa.int64()).cast(pa.duration("ms")),
    }
    (value,) = packed(pa.table(row), {}).values
    assert value == '{"price":0.1,"exact":"1.50","day":"2025-12-24","at":"1970-01-01T00:00:01.5Z","took":"PT90.5S"}'


def test_a_number_that_is_none_comes_back_as_none() -> None:
    assert math.isnan(_through(pa.array([math.nan], pa.float16()))[0].as_py())


@given(st.sampled_from(["s", "ms", "us", "ns"]), st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_count_of_a_moment_or_duration_comes_back(unit: str, count: int) -> None:
    for kind in (pa.timestamp(unit), pa.timestamp(unit, "Asia/Kathmandu"), pa.duration(unit)):
        assert read_count(written_count(count, kind), kind) == count


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"\xff"]),
        pa.array([{"bytes": b"x"}]),
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
    ],
    ids=["bytes", "bytes inside", "a field twice", "a union"],
)
def test_what_has_no_json_form_is_left_out_and_named_and_the_rest_is_carried(column: pa.Array) -> None:
    written = packed(pa.table({"own": column, "style": ["oil"]}), {"photo": "it holds bytes"})
    assert written.values == ['{"style":"oil"}']
    footer = read_footer({FOOTER_KEY: written.footer})
    assert list(footer.left_out) == ["photo", "own"]
    assert footer.schema.names == ["style"]


def test_a_row_without_own_columns_is_an_empty_object() -> None:
    assert packed(pa.table({"own": [1, 2]}).select([]), {}).values == ["{}", "{}"]


@pytest.mark.parametrize("footer", [b"", b"no json", b"{}", b'{"arrow_schema": "AAAA", "left_out": {}}', b"[1]"])
def test_a_footer_that_cannot_be_understood_names_no_columns(footer: bytes) -> None:
    assert read_footer({FOOTER_KEY: footer}).schema.names == []
