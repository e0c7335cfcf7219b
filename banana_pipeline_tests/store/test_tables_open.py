"""Opening prompt tables: every way to write text, and every objection in words."""

import decimal
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.tables import open_table

WORDS = ["1:1", None, "16:9"]
LISTS = [["https://x.org/a.png"], None, ["https://x.org/b.png", "https://x.org/c.png"]]

TEXT_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    **{
        f"dictionary_{index}_{value}": pa.dictionary(index, value)
        for index in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
        for value in (pa.string(), pa.large_string())
    },
}
LIST_TYPES = {
    "list": pa.list_(pa.string()),
    "large_list": pa.large_list(pa.large_string()),
    "list_view": pa.list_view(pa.string()),
    "large_list_view": pa.large_list_view(pa.string_view()),
    "list_of_views": pa.list_(pa.string_view()),
    "null": pa.null(),
}


def put(path: Path, *, row_group_size: int | None = None, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def objection(path: Path) -> str:
    with pytest.raises(TableError) as caught:
        open_table(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".") or "with: " in text  # a command line to copy
    return text


@pytest.mark.parametrize("kind", TEXT_TYPES.values(), ids=TEXT_TYPES)
def test_every_encoding_of_text_is_read_as_string(tmp_path: Path, kind: pa.DataType):
    texts = pa.array(WORDS).cast(pa.string())
    is_dictionary = pa.types.is_dictionary(kind)
    column = texts.cast(kind.value_type).dictionary_encode().cast(kind) if is_dictionary else texts.cast(kind)
    table = open_table(put(tmp_path / "t.parquet", prompt=["a", "b", "c"], aspect_ratio=column))
    read = table.read(range(3))["aspect_ratio"]
    assert (read.type, read.to_pylist()) == (pa.string(), WORDS)


@pytest.mark.parametrize("kind", LIST_TYPES.values(), ids=LIST_TYPES)
def test_every_kind_of_list_is_read_as_list_of_string(tmp_path: Path, kind: pa.DataType):
    expected = [None] * 3 if pa.types.is_null(kind) else LISTS
    table = open_table(put(tmp_path / "t.parquet", prompt=["a", "b", "c"], image_input=pa.array(expected, kind)))
    assert table.read(range(3))["image_input"].to_pylist() == expected


def test_lists_of_fixed_size_are_read_as_list_of_string(tmp_path: Path):
    links = pa.array([["a", "b"], ["c", "d"]], pa.list_(pa.string(), 2))
    table = open_table(put(tmp_path / "t.parquet", prompt=["a", "b"], image_input=links))
    assert table.read(range(1, 2))["image_input"].to_pylist() == [["c", "d"]]


def test_a_list_view_with_nulls_keeps_its_entries_in_every_slice(tmp_path: Path):
    links = pa.array(LISTS * 3, pa.list_view(pa.string()))
    table = open_table(put(tmp_path / "t.parquet", prompt=["a"] * 9, image_input=links))
    assert table.read(range(2, 7))["image_input"].to_pylist() == (LISTS * 3)[2:7]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()])
def test_whole_numbers_are_ids(tmp_path: Path, kind: pa.DataType):
    table = open_table(put(tmp_path / "t.parquet", prompt=["a"], id=pa.array([7], kind)))
    assert table.read(range(1))["id"].to_pylist() == ["7"]


@pytest.mark.parametrize("samples", [[1, 2], [1.0, None], [decimal.Decimal(3), None], [None, None]])
def test_samples_may_be_any_number(tmp_path: Path, samples: list[object]):
    table = open_table(put(tmp_path / "t.parquet", prompt=["a", "b"], samples=samples))
    assert table.read(range(2))["samples"].to_pylist() == samples


def test_a_pandas_frame_with_categories_and_gaps_is_read(tmp_path: Path):
    frame = pd.DataFrame({"prompt": ["a", "b"], "resolution": pd.Categorical(["1K", None]), "samples": [2, None]})
    frame.to_parquet(tmp_path / "t.parquet")
    read = open_table(tmp_path / "t.parquet").read(range(2))
    assert read["resolution"].to_pylist() == ["1K", None]


def test_a_folder_as_spark_writes_it_is_read(tmp_path: Path):
    for index, prompt in enumerate("ab"):
        put(tmp_path / "t" / f"part-0000{index}-5f1e-c000.snappy.parquet", prompt=[prompt])
        (tmp_path / "t" / f".part-0000{index}-5f1e-c000.snappy.parquet.crc").touch()
    (tmp_path / "t" / "_SUCCESS").touch()
    assert open_table(tmp_path / "t").read(range(2))["prompt"].to_pylist() == ["a", "b"]


def test_parts_are_in_natural_order(tmp_path: Path):
    for index in (10, 2, 1):
        put(tmp_path / "t" / f"part-{index}.parquet", prompt=[str(index)])
    assert open_table(tmp_path / "t").read(range(3))["prompt"].to_pylist() == ["1", "2", "10"]


def test_an_empty_part_is_harmless(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet", prompt=pa.array([], pa.string()))
    put(tmp_path / "t" / "part-1.parquet", prompt=["a"])
    assert open_table(tmp_path / "t").read(range(5))["prompt"].to_pylist() == ["a"]


def test_extra_columns_are_named_in_order(tmp_path: Path):
    columns = {f"extra {index}": [index] for index in range(60)}
    assert open_table(put(tmp_path / "t.parquet", prompt=["a"], **columns)).extra_columns == tuple(columns)


def test_opening_reads_no_rows(tmp_path: Path):
    path = put(tmp_path / "t.parquet", prompt=["a" * 1000] * 100)
    data = bytearray(path.read_bytes())
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    data[4:-footer_bytes] = bytes(len(data) - footer_bytes - 4)
    path.write_bytes(data)
    assert open_table(path).row_count == 100


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.null()])
def test_parts_may_encode_text_differently(tmp_path: Path, text: pa.DataType):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"], id=pa.array([None], text))
    put(tmp_path / "t" / "part-1.parquet", prompt=pa.array(["b"], pa.large_string()), id=["x"])
    assert open_table(tmp_path / "t").read(range(2))["id"].to_pylist() == [None, "x"]


def test_ids_with_gaps_in_one_part_fit_whole_ones_in_another(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"], id=[1])
    put(tmp_path / "t" / "part-1.parquet", prompt=["b", "c"], id=[2.0, None])
    assert open_table(tmp_path / "t").read(range(3))["id"].to_pylist() == [1.0, 2.0, None]


def test_a_column_that_a_part_lacks_is_null_there(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"])
    put(tmp_path / "t" / "part-1.parquet", prompt=["b"], tag=["x"])
    assert open_table(tmp_path / "t").read(range(2))["tag"].to_pylist() == [None, "x"]


def test_a_missing_file_is_explained(tmp_path: Path):
    assert "does not exist" in objection(tmp_path / "gone.parquet")


@pytest.mark.parametrize("content", [b"PAR1", b"\x01\x02\x03" * 99, b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_explained(tmp_path: Path, content: bytes):
    (tmp_path / "t.parquet").write_bytes(content)
    assert "not a complete Parquet file" in objection(tmp_path / "t.parquet")


def test_a_file_that_is_still_being_written_is_explained(tmp_path: Path):
    path = put(tmp_path / "t.parquet", prompt=["a"] * 50)
    path.write_bytes(path.read_bytes()[:-10])
    assert "still being written" in objection(path)


def test_a_spark_folder_that_is_still_being_written_is_explained(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"])
    (tmp_path / "t" / "_temporary").mkdir()
    assert "still being written" in objection(tmp_path / "t")


def test_an_empty_folder_is_explained(tmp_path: Path):
    (tmp_path / "t").mkdir()
    assert "empty folder" in objection(tmp_path / "t")


def test_a_partitioned_folder_is_explained(tmp_path: Path):
    put(tmp_path / "t" / "day=1" / "part-0.parquet", prompt=["a"])
    assert "subfolders" in objection(tmp_path / "t")


def test_a_folder_in_the_place_of_a_part_is_explained(tmp_path: Path):
    (tmp_path / "t" / "part-0.parquet").mkdir(parents=True)
    assert "is a folder" in objection(tmp_path / "t")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_explained(tmp_path: Path):
    put(tmp_path / "t.parquet", prompt=["a"]).chmod(0)
    assert "may not open" in objection(tmp_path / "t.parquet")


def test_a_table_without_rows_is_explained(tmp_path: Path):
    assert "no rows" in objection(put(tmp_path / "t.parquet", prompt=pa.array([], pa.string())))


def test_a_table_without_prompts_is_explained(tmp_path: Path):
    assert "no column 'prompt'" in objection(put(tmp_path / "t.parquet", text=["a"]))


@pytest.mark.parametrize("name", ["Prompt", "promt", " prompt"])
def test_a_misspelt_prompt_column_gets_its_likely_name(tmp_path: Path, name: str):
    text = objection(put(tmp_path / "t.parquet", **{name: ["a"]}))
    assert f"column {name!r} should probably be named 'prompt'" in text


@pytest.mark.parametrize("name", ["aspect ratio", "Resolution", "image_urls"])
def test_a_misspelt_parameter_column_is_explained(tmp_path: Path, name: str):
    assert "should probably be named" in objection(put(tmp_path / "t.parquet", prompt=["a"], **{name: ["x"]}))


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("prompt", [1], "whole numbers (int64), but must hold text"),
        ("prompt", [b"a"], "raw bytes (binary), but must hold text"),
        ("prompt", [["a"]], "lists"),
        ("image_input", [{"url": "x"}], "structs"),
        ("image_input", [[1]], "lists"),
        ("samples", ["2"], "must hold whole numbers"),
        ("samples", [True], "yes/no values (bool), but must hold whole numbers"),
        ("id", [True], "must hold text or whole numbers"),
        ("resolution", [1024], "must hold text"),
    ],
)
def test_a_type_that_cannot_be_used_is_explained(tmp_path: Path, column: str, values: list[object], words: str):
    text = objection(put(tmp_path / "t.parquet", **{"prompt": ["a"], column: values}))
    assert f"column {column!r} holds" in text
    assert words in text


def test_all_objections_to_columns_come_at_once(tmp_path: Path):
    text = objection(put(tmp_path / "t.parquet", prompt=[1], samples=["x"]))
    assert "'prompt'" in text
    assert "'samples'" in text


def test_two_columns_of_one_name_are_explained(tmp_path: Path):
    pq.write_table(pa.table([["a"], ["b"]], names=["prompt", "prompt"]), tmp_path / "t.parquet")
    assert "more than one column named 'prompt'" in objection(tmp_path / "t.parquet")


@pytest.mark.parametrize(("column", "one", "other"), [("image_input", "a", ["a"]), ("id", 1.5, "a"), ("tag", 1, "a")])
def test_parts_that_differ_in_type_are_explained(tmp_path: Path, column: str, one: object, other: object):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"], **{column: [one]})
    put(tmp_path / "t" / "part-1.parquet", prompt=["b"], **{column: [other]})
    text = objection(tmp_path / "t")
    assert all(word in text for word in (f"column {column!r}", "part-0.parquet", "part-1.parquet"))


def test_a_part_without_prompts_is_named(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet", prompt=["a"])
    put(tmp_path / "t" / "part-1.parquet", text=["b"])
    assert "part-1.parquet" in objection(tmp_path / "t")


def test_a_name_that_is_too_long_for_a_folder_is_explained(tmp_path: Path):
    assert "too long" in objection(put(tmp_path / f"{'猫' * 60}.parquet", prompt=["a"]))
