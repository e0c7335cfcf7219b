"""Which files and folders are prompt tables, and what a table's version is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.tables import content_version, find_tables, open_table

ROWS = pa.table({"prompt": ["a boat", "a house"]})


def put(path: Path, table: pa.Table = ROWS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def test_a_missing_folder_has_no_tables(tmp_path: Path):
    assert find_tables(UPath(tmp_path / "nowhere")) == {}


@pytest.mark.parametrize("suffix", [".parquet", ".parq", ".pq", ".PARQUET"])
def test_a_parquet_file_is_a_table(tmp_path: Path, suffix: str):
    path = put(tmp_path / f"cards{suffix}")
    assert find_tables(UPath(tmp_path)) == {"cards": UPath(path)}


def test_tables_come_sorted_by_name(tmp_path: Path):
    for name in ("b", "a", "c"):
        put(tmp_path / f"{name}.parquet")
    assert list(find_tables(UPath(tmp_path))) == ["a", "b", "c"]


def test_a_folder_of_parts_is_a_table_with_the_folders_name(tmp_path: Path):
    put(tmp_path / "cards" / "part-0.parquet")
    assert find_tables(UPath(tmp_path)) == {"cards": UPath(tmp_path / "cards")}


def test_a_folder_named_like_a_parquet_file_is_a_table(tmp_path: Path):
    put(tmp_path / "cards.parquet" / "part-0.parquet")
    assert list(find_tables(UPath(tmp_path))) == ["cards"]


@pytest.mark.parametrize("name", [".hidden.parquet", "_draft.parquet", "notes.txt"])
def test_hidden_files_and_other_files_are_no_tables(tmp_path: Path, name: str):
    put(tmp_path / name)
    assert find_tables(UPath(tmp_path)) == {}


def test_a_folder_of_pictures_is_no_table(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.png").touch()
    assert find_tables(UPath(tmp_path)) == {}


@pytest.mark.parametrize("name", ["holiday cards", "Fête à Noël", "猫", "a.b", "50%", "a=b", "quote'"])
def test_any_name_of_a_file_is_a_tables_name(tmp_path: Path, name: str):
    put(tmp_path / f"{name}.parquet")
    assert open_table(find_tables(UPath(tmp_path))[name]).name == name


def test_two_tables_of_one_name_are_explained_when_opened(tmp_path: Path):
    put(tmp_path / "cards.parquet")
    put(tmp_path / "cards" / "part-0.parquet")
    with pytest.raises(TableError, match=r"2 tables named 'cards'.*rename"):
        open_table(find_tables(UPath(tmp_path))["cards"])


def test_two_tables_of_one_name_do_not_hurt_others(tmp_path: Path):
    put(tmp_path / "cards.parquet")
    put(tmp_path / "cards.pq")
    put(tmp_path / "other.parquet")
    assert open_table(find_tables(UPath(tmp_path))["other"]).row_count == 2


def test_tables_are_found_in_an_object_store():
    folder = UPath("memory://find-tables/prompts")
    with (folder / "cards.parquet").open("wb") as file:
        pq.write_table(ROWS, file)
    assert open_table(find_tables(folder)["cards"]).row_count == 2


def test_equal_files_have_equal_versions(tmp_path: Path):
    assert content_version(put(tmp_path / "x" / "a.parquet")) == content_version(put(tmp_path / "y" / "a.parquet"))


def test_a_changed_row_changes_the_version(tmp_path: Path):
    before = content_version(put(tmp_path / "a.parquet"))
    assert content_version(put(tmp_path / "a.parquet", pa.table({"prompt": ["a boat", "a mouse"]}))) != before


def test_a_version_has_32_hex_digits(tmp_path: Path):
    version = content_version(open_table(put(tmp_path / "a.parquet")))
    assert len(version) == 32
    assert int(version, 16) >= 0


def test_a_new_part_changes_the_version(tmp_path: Path):
    put(tmp_path / "t" / "part-0.parquet")
    before = content_version(UPath(tmp_path / "t"))
    put(tmp_path / "t" / "part-1.parquet")
    assert content_version(UPath(tmp_path / "t")) != before


def test_swapped_parts_change_the_version(tmp_path: Path):
    other = pa.table({"prompt": ["x", "y"]})
    for folder, tables in (("t", (ROWS, other)), ("u", (other, ROWS))):
        for index, table in enumerate(tables):
            put(tmp_path / folder / f"part-{index}.parquet", table)
    assert content_version(UPath(tmp_path / "t")) != content_version(UPath(tmp_path / "u"))


def test_the_version_of_a_missing_table_is_an_error_in_words(tmp_path: Path):
    with pytest.raises(TableError, match="does not exist"):
        content_version(tmp_path / "gone.parquet")
