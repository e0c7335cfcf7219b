"""Reading ranges of rows, and finding ids that are used twice."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.tables import open_table


def numbered(path: Path, count: int, *, row_group_size: int, first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = range(first, first + count)
    table = pa.table({"prompt": [f"p{number}" for number in numbers], "n": list(numbers)})
    pq.write_table(table, path, row_group_size=row_group_size, use_dictionary=False, compression="none")
    return path


def with_ids(tmp_path: Path, ids: list[object], **options: int) -> PromptTable:
    pq.write_table(pa.table({"prompt": ["a"] * len(ids), "id": ids}), tmp_path / "t.parquet", **options)
    return open_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("rows", [range(0, 3), range(4, 11), range(9, 30), range(20, 30), range(0, 0), range(3, 4)])
def test_a_range_is_clipped_to_the_table(tmp_path: Path, rows: range):
    table = open_table(numbered(tmp_path / "t.parquet", 12, row_group_size=5))
    assert table.read(rows)["n"].to_pylist() == list(range(12))[rows.start : rows.stop]


def test_a_range_runs_over_parts(tmp_path: Path):
    for index in range(3):
        numbered(tmp_path / "t" / f"part-{index}.parquet", 7, row_group_size=3, first=index * 7)
    assert open_table(tmp_path / "t").read(range(5, 16))["n"].to_pylist() == list(range(5, 16))


def test_only_the_row_groups_that_overlap_are_read(tmp_path: Path):
    path = numbered(tmp_path / "t.parquet", 30, row_group_size=10)
    table = open_table(path)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    assert table.read(range(10, 30))["n"].to_pylist() == list(range(10, 30))


def test_a_damaged_row_group_is_an_error_in_words(tmp_path: Path):
    path = numbered(tmp_path / "t.parquet", 10, row_group_size=10)
    table = open_table(path)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset : column.data_page_offset + 20] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(TableError, match="damaged"):
        table.read(range(10))


def test_a_file_that_was_replaced_after_opening_is_noticed(tmp_path: Path):
    table = open_table(numbered(tmp_path / "t.parquet", 10, row_group_size=10))
    numbered(tmp_path / "t.parquet", 8, row_group_size=8)
    with pytest.raises(TableError, match="changed"):
        table.read(range(10))


def test_a_file_that_vanished_after_opening_is_noticed(tmp_path: Path):
    table = open_table(numbered(tmp_path / "t.parquet", 10, row_group_size=10))
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(TableError, match="write the file again"):
        table.read(range(10))


def test_a_column_with_a_dot_is_not_taken_for_a_part_of_a_struct(tmp_path: Path):
    pq.write_table(pa.table({"prompt": ["a"], "x.y": [1], "x": [{"y": 2}]}), tmp_path / "t.parquet")
    read = open_table(tmp_path / "t.parquet").read(range(1)).to_pylist()
    assert read == [{"prompt": "a", "x.y": 1, "x": {"y": 2}}]


def test_broken_text_in_a_column_of_ones_own_is_repaired(tmp_path: Path):
    broken = _broken()
    pq.write_table(pa.table({"prompt": ["a", "b"], "tag": broken}), tmp_path / "t.parquet")
    assert open_table(tmp_path / "t.parquet").read(range(2))["tag"].to_pylist() == ["ok", "\ufffdbad"]


def _broken() -> pa.Array:
    raw = pa.array([b"ok", b"\xffbad"])
    return pa.Array.from_buffers(pa.string(), 2, raw.buffers())


def test_rows_are_read_from_an_object_store():
    path = UPath("memory://read/t.parquet")
    with path.open("wb") as file:
        pq.write_table(pa.table({"prompt": ["a", "b"]}), file)
    assert open_table(path).read(range(1, 2))["prompt"].to_pylist() == ["b"]


def test_slices_may_come_in_any_order(tmp_path: Path):
    table = open_table(numbered(tmp_path / "t.parquet", 40, row_group_size=20))
    slices = [range(30, 35), range(0, 5), range(3, 8), range(18, 22)]
    read = [piece["n"].to_pylist() for piece in table.read_slices(slices)]
    assert read == [list(rows) for rows in slices]


@settings(max_examples=40, deadline=None)
@given(
    prompts=st.lists(st.text(), min_size=1, max_size=40),
    shard_rows=st.integers(1, 45),
    group_rows=st.integers(1, 45),
)
def test_shards_together_are_the_whole_table(tmp_path_factory, prompts: list[str], shard_rows: int, group_rows: int):
    path = tmp_path_factory.mktemp("shards") / "t.parquet"
    pq.write_table(pa.table({"prompt": pa.array(prompts, pa.string())}), path, row_group_size=group_rows)
    table = open_table(path)
    slices = [range(start, start + shard_rows) for start in range(0, len(prompts), shard_rows)]
    assert [text for piece in table.read_slices(slices) for text in piece["prompt"].to_pylist()] == prompts


def test_a_table_without_ids_has_no_duplicates(tmp_path: Path):
    assert open_table(numbered(tmp_path / "t.parquet", 3, row_group_size=3)).duplicate_ids() == {}


def test_an_id_used_twice_is_given_with_its_first_row(tmp_path: Path):
    assert with_ids(tmp_path, ["a", "b", "a", "c", "b", "a"], row_group_size=2).duplicate_ids() == {"a": 0, "b": 1}


@pytest.mark.parametrize("nothing", [None, ""])
def test_rows_without_an_id_are_no_duplicates(tmp_path: Path, nothing: str | None):
    assert with_ids(tmp_path, ["a", nothing, nothing]).duplicate_ids() == {}


def test_whole_numbers_are_compared_as_they_are_shown(tmp_path: Path):
    assert with_ids(tmp_path, [1.0, 2.0, None, 1.0]).duplicate_ids() == {"1": 0}


def test_duplicates_far_apart_are_found(tmp_path: Path):
    ids = [f"id-{number}" for number in range(20_000)]
    assert with_ids(tmp_path, [*ids, "id-3"], row_group_size=6_000).duplicate_ids() == {"id-3": 3}


def test_duplicates_are_found_over_parts_of_which_one_has_no_ids(tmp_path: Path):
    (tmp_path / "t").mkdir()
    for index, columns in enumerate([{"id": ["x"]}, {}, {"id": ["x"]}]):
        pq.write_table(pa.table({"prompt": ["a"], **columns}), tmp_path / "t" / f"part-{index}.parquet")
    assert open_table(tmp_path / "t").duplicate_ids() == {"x": 0}


def test_a_large_row_group_is_not_held_in_memory(tmp_path: Path):
    texts = [f"{number:08d}" * 500 for number in range(20_000)]
    table = pa.table({"prompt": texts})
    pq.write_table(table, tmp_path / "t.parquet", use_dictionary=False, compression="none", data_page_size=100_000)
    size_bytes = (tmp_path / "t.parquet").stat().st_size
    del table, texts
    opened = open_table(tmp_path / "t.parquet")
    peak_bytes = 0
    for _ in opened.read_slices(range(start, start + 500) for start in range(0, opened.row_count, 500)):
        peak_bytes = max(peak_bytes, pa.total_allocated_bytes())
    assert peak_bytes < size_bytes / 2
