"""Folders whose log says which rows are live are refused, however they are named; plain folders stay tables."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.tables import find_tables, open_table

ROWS = pa.table({"prompt": ["a boat"]})
LAKES = {
    "a Delta table": ["_delta_log/00000000000000000000.json", "part-0.parquet"],
    "an Iceberg table": ["metadata/00000-5f1e0a4c-0000.metadata.json", "data/part-0.parquet"],
    "a Hudi table": [".hoodie/hoodie.properties", "part-0.parquet"],
    "a Lance data set": ["_versions/1.manifest", "data/part-0.parquet"],
    "a Paimon table": ["snapshot/snapshot-1", "schema/schema-0", "bucket-0/part-0.parquet"],
    "the output of a Spark stream": ["_spark_metadata/0", "part-0.parquet"],
    "the files of a DuckLake": ["ducklake-0198f0aa.parquet"],
}


def put(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(ROWS, path)
        else:
            path.write_text("{}")
    return folder


def objection(path: Path | UPath) -> str:
    with pytest.raises(TableError) as caught:
        open_table(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", LAKES)
def test_a_folder_with_a_log_is_found_and_refused_with_a_way_to_export_it(tmp_path: Path, kind: str):
    folder = put(tmp_path / "cards", LAKES[kind])
    assert find_tables(tmp_path) == {"cards": UPath(folder)}
    text = objection(folder)
    assert kind in text
    assert "no longer live; export the live rows" in text
    assert f"{tmp_path}/cards_live.parquet" in text


@pytest.mark.parametrize("kind", LAKES)
def test_one_file_of_it_is_refused_too(tmp_path: Path, kind: str):
    put(tmp_path / "cards", LAKES[kind])
    (part,) = (tmp_path / "cards").rglob("*.parquet")
    assert kind in objection(part)


@pytest.mark.parametrize("kind", [kind for kind in LAKES if "Duck" not in kind])
def test_it_is_seen_one_folder_further_down(tmp_path: Path, kind: str):
    put(tmp_path / "cards" / "v1", LAKES[kind])
    assert list(find_tables(tmp_path)) == ["cards"]
    assert f"its folder 'v1' is {kind}" in objection(tmp_path / "cards")


def test_a_part_in_a_partition_of_it_is_refused(tmp_path: Path):
    put(tmp_path / "cards", ["_delta_log/0.json", "style=oil/day=1/part-0.parquet"])
    assert "a Delta table" in objection(tmp_path / "cards" / "style=oil" / "day=1" / "part-0.parquet")
    assert "a Delta table" in objection(tmp_path / "cards" / "style=oil")


def test_it_is_seen_in_an_object_store():
    folder = UPath("memory://lake-formats/prompts/cards")
    for name in ("part-0.parquet", "_delta_log/0.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            pq.write_table(ROWS, file)
    assert "a Delta table" in objection(folder)
    assert "a Delta table" in objection(folder / "part-0.parquet")


@pytest.mark.parametrize(
    "more",
    [
        ["_SUCCESS", "_metadata", "_common_metadata", ".part-0.parquet.crc", ".DS_Store"],
        ["metadata/notes.json", "data.txt"],
        ["pictures/cat.png", "_old/part-0.parquet", ".cache/part-0.parquet"],
        ["part-1.parquet.tmp", "part-1.parquet~", "part-2.parquet.crc"],
        ["part (1).parquet", "part (2).parquet"],
        ["_started_5", "_committed_5", "_SUCCESS"],
    ],
)
def test_a_plain_folder_stays_a_table(tmp_path: Path, more: list[str]):
    folder = put(tmp_path / "cards", ["part-0.parquet", *more])
    assert open_table(folder).row_count == len(list(folder.glob("*.parquet")))


@pytest.mark.parametrize(
    "name", ["part-0 (1).parquet", "part-0 - Copy.parquet", "Copy of part-0.parquet", "part-0 copy 2.parquet"]
)
def test_a_part_that_is_there_twice_is_named(tmp_path: Path, name: str):
    text = objection(put(tmp_path / "cards", ["part-0.parquet", name]))
    assert f"{name} looks like a copy of part-0.parquet" in text


@pytest.mark.parametrize("sub", ["more", "style=oil"])
def test_parts_in_a_subfolder_beside_others_are_told(tmp_path: Path, sub: str):
    text = objection(put(tmp_path / "cards", ["part-0.parquet", f"{sub}/part-1.parquet"]))
    assert f"subfolder {sub!r} as well" in text


def test_a_partitioned_folder_is_told_with_the_line_that_flattens_it(tmp_path: Path):
    text = objection(put(tmp_path / "cards", ["style=oil/part-0.parquet"]))
    assert "in subfolders" in text
    assert f"{tmp_path}/cards {tmp_path}/cards_flat.parquet" in text


def test_files_that_a_commit_has_replaced_are_told(tmp_path: Path):
    folder = put(tmp_path / "cards", ["part-0.parquet", "part-1.parquet", "_started_7"])
    assert "has not ended" in objection(folder)
    (folder / "_committed_7").write_text(json.dumps({"added": ["part-1.parquet"], "removed": ["part-0.parquet"]}))
    assert "part-0.parquet" in objection(folder)
    (folder / "part-0.parquet").unlink()
    assert open_table(folder).row_count == 1
