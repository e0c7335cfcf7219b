"""Which table a person means: by name, by path, in every spelling; and which tables may not share a name."""

import os
import shutil
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.commands.tables import choose_table, table_named
from banana_pipeline.core.failures import SettingsError, TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.settings import Settings, read_settings
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.table_origin import origin_of
from banana_pipeline.store.tables import content_version, find_tables, open_table, skipped_tables

NFC, NFD = (unicodedata.normalize(form, "Fête à Noël") for form in ("NFC", "NFD"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data" / "prompts").mkdir(parents=True)
    return read_settings({"BANANA_DATA_DIR": f"{tmp_path}/data"})


def put(path: Path, *prompts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"prompt": list(prompts or ("a boat",))}), path)
    return path


def ran(settings: Settings, text: str) -> None:
    """What a run leaves behind of where its table was."""
    table = choose_table(settings, text).table
    Warehouse(settings.data_dir).write(
        "prompts",
        Shard(table=table.name, index=0),
        pa.table({"request_id": ["a"]}),
        {
            "prompt_table": table.name,
            "table_version": content_version(table),
            "table_path": origin_of(table.path, settings.data_dir),
        },
    )


def objection(settings: Settings, text: str) -> str:
    with pytest.raises(TableError) as caught:
        choose_table(settings, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Names and paths


def test_every_spelling_of_a_table_of_the_prompts_folder_is_that_table(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "data" / "prompts" / "cards.parquet")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for text in (
        *("cards", "cards.parquet", str(path), "data/prompts/cards.parquet", "link/prompts/cards.parquet"),
        *(f"file://{path}", "data//prompts/../prompts/cards.parquet", f"/{path}"),
    ):
        chosen = choose_table(settings, text)
        assert (chosen.table.name, chosen.outside_path) == ("cards", None)
        assert table_named(settings, text) == "cards"


@pytest.mark.parametrize(("stored", "asked"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)])
def test_a_name_is_one_name_however_its_accents_are_spelt(settings: Settings, stored: str, asked: str) -> None:
    path = put(Path(settings.prompts_dir.path) / f"{stored}.parquet")
    for text in (asked, str(path)):
        assert choose_table(settings, text).table.name == NFC
    assert table_named(settings, asked) == NFC


def test_two_files_whose_names_differ_in_the_spelling_of_accents_are_told(settings: Settings) -> None:
    for name in (NFC, NFD):
        put(Path(settings.prompts_dir.path) / f"{name}.parquet")
    assert "2 tables named" in objection(settings, NFC)


def test_a_table_elsewhere_is_chosen_by_its_path(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "elsewhere" / "cards.parquet")
    chosen = choose_table(settings, str(path))
    assert (chosen.table.name, chosen.outside_path) == ("cards", str(path))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "x" * 5_000, "no\0thing", "~no-such-user/x.parquet", "s3:/b/x.parquet"]
)
def test_what_is_no_table_is_told_in_a_sentence(settings: Settings, text: str) -> None:
    objection(settings, text)


def test_a_path_that_is_not_there_is_told_with_the_folder_it_was_looked_for_in(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"({tmp_path}/tables/cards.parquet)" in objection(settings, "tables/cards.parquet")


def test_the_prompts_folder_is_no_table(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "data" / "prompts" / "cards.parquet")
    assert "name one of the tables in it: 'cards'" in objection(settings, f"{tmp_path}/data/prompts/")


def test_a_pipe_in_the_prompts_folder_stops_nothing(settings: Settings) -> None:
    os.mkfifo(Path(settings.prompts_dir.path) / "cards.parquet")
    assert "no regular file" in objection(settings, "cards")


def test_a_csv_in_the_prompts_folder_is_told_when_its_name_is_asked_for(settings: Settings) -> None:
    (Path(settings.prompts_dir.path) / "cards.csv").write_text("prompt,id\na boat,1\n")
    assert "cards.csv is a CSV file; make a Parquet file of it with: " in objection(settings, "cards")


@pytest.mark.parametrize(
    "address", ["hf://datasets/a/b/cards.parquet", "gs://b/cards.parquet", "abfss://c/cards.parquet"]
)
def test_a_place_whose_package_is_not_here_is_told_with_its_package(settings: Settings, address: str) -> None:
    with pytest.raises(SettingsError, match="needs a package that is not installed: pip install"):
        choose_table(settings, address)


# Names that are not UTF-8


def test_a_file_name_that_is_not_utf8_hurts_no_other_table(settings: Settings) -> None:
    folder = Path(settings.prompts_dir.path)
    put(folder / "cards.parquet")
    shutil.copy(folder / "cards.parquet", os.fsencode(folder) + b"/caf\xe9.parquet")
    assert list(find_tables(folder)) == ["cards"]
    assert choose_table(settings, "cards").table.row_count == 1
    assert skipped_tables(folder).keys() == {"caf\\xe9.parquet"}
    for text in ("caf\udce9", "caf\udce9.parquet", f"{folder}/caf\udce9.parquet"):
        told = objection(settings, text)
        assert told.isascii()
        assert "not UTF-8" in told


def test_a_part_whose_name_is_not_utf8_is_told(tmp_path: Path) -> None:
    put(tmp_path / "cards" / "part-0.parquet")
    shutil.copy(tmp_path / "cards" / "part-0.parquet", os.fsencode(tmp_path) + b"/cards/part-\xe9.parquet")
    with pytest.raises(TableError, match="not UTF-8"):
        open_table(tmp_path / "cards")


# Two tables of one name


def test_a_second_table_of_a_name_is_refused_while_the_first_is_there(settings: Settings, tmp_path: Path) -> None:
    monday = put(tmp_path / "monday" / "prompts.parquet", "a boat")
    tuesday = put(tmp_path / "tuesday" / "prompts.parquet", "a cat")
    ran(settings, str(monday))
    text = objection(settings, str(tuesday))
    assert f"still at {monday}" in text
    assert "rename" in text
    choose_table(settings, str(monday))


def test_a_table_in_the_prompts_folder_does_not_take_the_place_of_one_from_elsewhere(
    settings: Settings, tmp_path: Path
) -> None:
    ran(settings, str(put(tmp_path / "monday" / "cards.parquet", "a boat")))
    put(tmp_path / "data" / "prompts" / "cards.parquet", "a cat")
    assert "another table of that name" in objection(settings, "cards")


def test_two_prompts_folders_for_one_data_folder_are_told(tmp_path: Path) -> None:
    days = [
        read_settings({"BANANA_DATA_DIR": f"{tmp_path}/data", "BANANA_PROMPTS_DIR": f"{tmp_path}/{day}"})
        for day in ("monday", "tuesday")
    ]
    for number, day in enumerate(days):
        put(Path(day.prompts_dir.path) / "cards.parquet", f"boat {number}")
    ran(days[0], "cards")
    assert "another table of that name" in objection(days[1], "cards")


def test_a_table_that_has_moved_or_was_edited_is_the_same_table(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "monday" / "cards.parquet", "a boat")
    ran(settings, str(path))
    put(path, "a boat", "a cat")
    choose_table(settings, str(path))
    path.parent.rename(tmp_path / "tuesday")
    choose_table(settings, f"{tmp_path}/tuesday/cards.parquet")


def test_a_copy_of_the_same_bytes_is_the_same_table(settings: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "monday" / "cards.parquet", "a boat")
    ran(settings, str(path))
    shutil.copy(path, tmp_path / "data" / "prompts" / "cards.parquet")
    choose_table(settings, "cards")


def test_a_copied_data_folder_is_not_locked_out(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "data" / "prompts" / "cards.parquet", "a boat")
    ran(settings, "cards")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    put(tmp_path / "copy" / "prompts" / "cards.parquet", "a boat", "a cat")
    choose_table(read_settings({"BANANA_DATA_DIR": f"{tmp_path}/copy"}), "cards")


def test_outputs_of_an_earlier_version_say_nothing_of_a_place(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "data" / "prompts" / "cards.parquet")
    Warehouse(UPath(tmp_path / "data")).write("prompts", Shard(table="cards", index=0), pa.table({"a": [1]}), {})
    choose_table(settings, "cards")
