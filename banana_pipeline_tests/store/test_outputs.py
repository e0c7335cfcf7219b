"""Writing files at once, and the output tables."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.core.failures import SettingsError, TableError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.core.shards import Shard
from banana_pipeline.store import files
from banana_pipeline.store.files import as_location, write_bytes
from banana_pipeline.store.output_tables import (
    generations_table,
    images_table,
    prompts_table,
    rejected_table,
    requests_of,
)
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.own_columns import unpacked
from banana_pipeline.store.schemas import ASSETS, contract_schema
from banana_pipeline.store.shard_rows import ShardRows, read_shard
from banana_pipeline.store.tables import open_table

SHARD = Shard(table="cards", index=0)
GENERATIONS = [
    "request_id",
    "prompt_table",
    "shard",
    "row_number",
    "id",
    "sample",
    "prompt",
    "image_input",
    "aspect_ratio",
    "resolution",
    "output_format",
    "model",
    "parameters",
    "status",
    "status_reason",
    "failure",
    "attempt",
    "attempt_id",
    "task_id",
    "fail_code",
    "fail_msg",
    "result_urls",
    "credits",
    "cost_usd",
    "account",
    "submitted_at",
    "completed_at",
    "generation_s",
    "is_reused",
    "parent_request_id",
    "run_id",
    "table_version",
    "code_version",
]
IMAGES = [
    "image_path",
    "thumbnail_path",
    "image_sha256",
    "image_bytes",
    "image_format",
    "width_px",
    "height_px",
    "archived_at",
    "archive_error",
    "has_content_credentials",
    "perceptual_hash",
]


def resolve(entry: str) -> ReferenceImage:
    return ReferenceImage(source=entry, sha256=None if entry.startswith("https:") else "ab" * 32)


def contents(folder: Path, **columns: object) -> ShardRows:
    pq.write_table(pa.table(columns), folder / "cards.parquet")
    return read_shard(open_table(folder / "cards.parquet"), range(2000), resolve_image=resolve)


def prompts(folder: Path, **columns: object) -> pa.Table:
    return prompts_table(contents(folder, **columns), shard=SHARD, table_version="v1")


def own(table: pa.Table) -> list[dict[str, object]]:
    """The tables' own columns of each row, as any reader finds them."""
    return [json.loads(extra) for extra in table["extra"].to_pylist()]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(UPath(tmp_path / "data"))


# -- whole files ------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_its_folders(tmp_path: Path):
    write_bytes(UPath(tmp_path / "a" / "b" / "c.bin"), b"x")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"x"


def test_a_file_is_replaced(tmp_path: Path):
    for data in (b"old", b"new"):
        write_bytes(UPath(tmp_path / "c.bin"), data)
    assert (tmp_path / "c.bin").read_bytes() == b"new"


@pytest.mark.parametrize("step", ["_write_new", "_sync_folder"])
def test_a_write_that_fails_never_leaves_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    write_bytes(UPath(tmp_path / "c.bin"), b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, step, fail)
    with pytest.raises(SettingsError, match="disk is full"):
        write_bytes(UPath(tmp_path / "c.bin"), b"new")
    assert (tmp_path / "c.bin").read_bytes() in {b"old", b"new"}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_bytes(UPath(tmp_path / "c.bin"), b"old")

    def cut_off(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(UPath(tmp_path / "c.bin"), b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_file_in_the_place_of_a_folder_is_explained(tmp_path: Path):
    (tmp_path / "a").touch()
    with pytest.raises(SettingsError, match=r"in the folder .*a: a file stands where a folder is needed"):
        write_bytes(UPath(tmp_path / "a" / "c.bin"), b"x")


def test_a_folder_in_the_place_of_the_file_is_explained(tmp_path: Path):
    (tmp_path / "c.bin" / "d").mkdir(parents=True)
    with pytest.raises(SettingsError, match="a folder stands where the file is needed"):
        write_bytes(UPath(tmp_path / "c.bin"), b"x")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "disk is read-only"), (errno.EACCES, "may not be written"), (errno.EIO, "Input/output error")],
)
def test_what_the_disk_says_is_put_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "_write_new", refuse)
    with pytest.raises(SettingsError, match=f"in the folder {tmp_path}: .*{words}.*BANANA_DATA_DIR"):
        write_bytes(UPath(tmp_path / "c.bin"), b"x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_explained(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="may not be written"):
        write_bytes(UPath(tmp_path / "c.bin"), b"x")


def test_an_object_store_gets_one_put():
    path = UPath("memory://write/a/b.bin")
    write_bytes(path, b"x")
    assert [it.name for it in path.parent.iterdir()] == ["b.bin"]


def test_an_object_store_that_refuses_is_explained(monkeypatch: pytest.MonkeyPatch):
    path = UPath("memory://write/a/c.bin")

    def refuse(*_: object) -> None:
        raise RuntimeError("Unable to locate credentials")

    monkeypatch.setattr(path.fs, "pipe_file", refuse)
    with pytest.raises(SettingsError, match=r"locate credentials.*may write there"):
        write_bytes(path, b"x")


def test_a_location_on_a_disk_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert as_location(UPath("data/x")) == str(tmp_path / "data" / "x")


def test_a_location_in_an_object_store_is_its_uri():
    assert as_location(UPath("memory://bucket/x")) == "memory://bucket/x"


# -- columns ----------------------------------------------------------------------------------------------------------


def test_the_columns_of_generations_are_those_of_the_contract():
    assert contract_schema("generations").names == [*GENERATIONS, "extra"]


def test_images_have_the_columns_of_generations_and_then_their_own():
    assert contract_schema("images").names == [*GENERATIONS, *IMAGES, "extra"]


@pytest.mark.parametrize("asset", ASSETS)
def test_every_column_is_described_in_a_sentence(asset: str):
    assert all(field.metadata[b"description"].endswith(b".") for field in contract_schema(asset))


def test_times_are_utc():
    assert contract_schema("images").field("archived_at").type == pa.timestamp("us", tz="UTC")


# -- filling ----------------------------------------------------------------------------------------------------------


def test_prompts_have_one_row_per_request(tmp_path: Path):
    table = prompts(tmp_path, prompt=["a", None, "c"], samples=[2, 1, 1], tag=["x", "y", "z"])
    assert table.select(["row_number", "sample", "extra"]).to_pylist() == [
        {"row_number": 0, "sample": 0, "extra": '{"tag":"x"}'},
        {"row_number": 0, "sample": 1, "extra": '{"tag":"x"}'},
        {"row_number": 2, "sample": 0, "extra": '{"tag":"z"}'},
    ]


def test_prompts_keep_hashes_of_local_images_and_null_for_links(tmp_path: Path):
    table = prompts(tmp_path, prompt=["a"], image_input=[["https://x.org/a.png", "b.png"]])
    assert table["image_sha256"].to_pylist() == [[None, "ab" * 32]]


def test_rejected_prompts_have_all_problems_and_the_tables_columns(tmp_path: Path):
    rows = contents(tmp_path, prompt=["a", "b"], samples=[1, 0], resolution=["1K", "9K"], tag=["x", "y"])
    (row,) = rejected_table(rows, shard=SHARD, table_version="v1").to_pylist()
    assert len(row["problems"]) == 2
    assert row["problem"] == "; ".join(row["problems"])
    assert json.loads(row["extra"]) == {"tag": "y"}


def test_rejected_prompts_show_text_that_is_none(tmp_path: Path):
    raw = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"]).buffers())
    table = rejected_table(contents(tmp_path, prompt=raw), shard=SHARD, table_version="v1")
    assert table["prompt"].to_pylist() == ["caf\ufffd"]


def test_rejected_prompts_show_the_template(tmp_path: Path):
    table = rejected_table(contents(tmp_path, prompt_template=["{x}"]), shard=SHARD, table_version="v1")
    assert table["prompt"].to_pylist() == ["{x}"]


@pytest.mark.parametrize("build", [prompts_table, rejected_table])
def test_a_slice_may_give_no_rows(tmp_path: Path, build):
    rows = contents(tmp_path, prompt=[None] if build is prompts_table else ["a"], tag=["x"])
    table = build(rows, shard=SHARD, table_version="v1")
    assert table.num_rows == 0
    assert unpacked(table).column_names == ["tag"]


def test_sixty_own_columns_are_carried_in_order(tmp_path: Path):
    extras = {f"extra {index}": [index, index] for index in range(60)}
    (row,) = own(prompts(tmp_path, prompt=["a", ""], **extras))
    assert list(row) == list(extras)
    assert row["extra 59"] == 59


@pytest.mark.parametrize("name", ["status", "Status", "extra", "shard", "source", "request_id", "a.b", '"', "é"])
def test_an_own_column_keeps_whatever_name_it_has(tmp_path: Path, name: str):
    assert own(prompts(tmp_path, prompt=["a"], **{name: ["theirs"]})) == [{name: "theirs"}]


def test_the_schema_is_the_same_whatever_own_columns_a_table_has(tmp_path: Path, warehouse: Warehouse):
    paths = [
        warehouse.write("prompts", Shard(table="cards", index=index), prompts(tmp_path, prompt=["a"], **columns)).path
        for index, columns in enumerate([{}, {"tag": [1]}, {"tag": ["x"], "status": [2.5]}])
    ]
    assert [pq.read_schema(path).equals(contract_schema("prompts")) for path in paths] == [True] * 3


def test_own_columns_and_their_types_go_along_from_output_to_output(tmp_path: Path, warehouse: Warehouse):
    given = {"n": pa.array([3], pa.int8()), "at": pa.array([1], pa.timestamp("ns", "Europe/Berlin"))}
    table = generations_table(prompts(tmp_path, prompt=["a"], **given), [{}])
    warehouse.write("images", SHARD, images_table(table, [{}, {}], positions=[0, 0]))
    found = unpacked(warehouse.read("images", SHARD))
    assert {name: found[name].type for name in found.column_names} == {name: it.type for name, it in given.items()}
    assert found["n"].to_pylist() == [3, 3]


def test_requests_are_read_back_from_prompts(tmp_path: Path):
    rows = contents(tmp_path, prompt=["a", "é"], samples=[2, 1], image_input=[["https://x/a", "b.png"], None])
    again = requests_of(prompts_table(rows, shard=SHARD, table_version="v1"))
    assert again == [request for row in rows.rows for request in row.requests]


def test_a_generation_has_its_request_and_its_outcome(tmp_path: Path):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    outcome = {"status": "succeeded", "credits": 18.0, "result_urls": ["u"], "submitted_at": at, "is_reused": False}
    (row,) = generations_table(prompts(tmp_path, prompt=["a"], tag=["x"]), [outcome]).to_pylist()
    assert (row["prompt"], row["cost_usd"], row["submitted_at"], row["extra"]) == ("a", 0.09, at, '{"tag":"x"}')
    assert (row["shard"], row["parameters"]) == ("cards.0000", "{}")


def test_an_outcome_for_each_request_is_required(tmp_path: Path):
    with pytest.raises(ValueError, match="0 records for 1 rows"):
        generations_table(prompts(tmp_path, prompt=["a"]), [])


def test_a_request_with_two_results_has_two_rows_of_images(tmp_path: Path):
    generations = generations_table(prompts(tmp_path, prompt=["a", "b"]), [{}, {}])
    table = images_table(generations, [{"image_path": "x"}, {"image_path": "y"}], positions=[1, 1])
    assert table.select(["row_number", "image_path"]).to_pylist() == [
        {"row_number": 1, "image_path": "x"},
        {"row_number": 1, "image_path": "y"},
    ]


# -- the warehouse ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_what_is_written_is_read_back(tmp_path: Path, warehouse: Warehouse, count: int):
    table = prompts(tmp_path, prompt=[f"p{n}" for n in range(max(count, 1))]).slice(0, count)
    written = warehouse.write("prompts", SHARD, table)
    assert written.row_count == count
    assert warehouse.read("prompts", SHARD).equals(table)


def test_some_columns_are_read_alone(tmp_path: Path, warehouse: Warehouse):
    warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]))
    assert warehouse.read("prompts", SHARD, ["prompt"]).to_pylist() == [{"prompt": "a"}]


def test_a_shard_is_where_the_contract_says(warehouse: Warehouse):
    path = warehouse.path("prompts", Shard(table="a b/c", index=3))
    assert path.relative_to(warehouse.root).parts == ("warehouse", "prompts", "source=a%20b%2Fc", "0003.parquet")


def test_the_written_path_is_absolute(tmp_path: Path, warehouse: Warehouse):
    written = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]))
    assert Path(written.path).is_absolute()
    assert Path(written.path).stat().st_size == written.size_bytes


def test_provenance_is_json_in_the_footer(tmp_path: Path, warehouse: Warehouse):
    written = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]), {"run_id": "r1"})
    assert json.loads(pq.read_metadata(written.path).metadata[b"banana_pipeline"]) == {"run_id": "r1"}
    assert warehouse.provenance("prompts", SHARD) == {"run_id": "r1"}


def test_descriptions_are_in_the_file(tmp_path: Path, warehouse: Warehouse):
    written = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"], tag=["x"]))
    assert pq.read_schema(written.path).field("prompt").metadata[b"description"].startswith(b"The text sent")


def test_files_are_compressed_with_zstd(tmp_path: Path, warehouse: Warehouse):
    written = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]))
    assert pq.read_metadata(written.path).row_group(0).column(0).compression == "ZSTD"


def test_equal_content_has_one_data_version_whatever_the_provenance(tmp_path: Path, warehouse: Warehouse):
    table = prompts(tmp_path, prompt=["a", "b"])
    one = warehouse.write("prompts", SHARD, table, {"run_id": "r1"})
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1, 1)])
    other = warehouse.write("prompts", Shard(table="cards", index=1), pieces, {"run_id": "another"})
    assert one.data_version == other.data_version
    assert len(one.data_version) == 32


@pytest.mark.parametrize("change", [{"prompt": ["b"]}, {"prompt": ["a"], "tag": ["x"]}])
def test_other_content_has_another_data_version(tmp_path: Path, warehouse: Warehouse, change: dict[str, list[str]]):
    one = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]))
    assert warehouse.write("prompts", SHARD, prompts(tmp_path, **change)).data_version != one.data_version


def test_a_shard_that_was_not_written_is_explained(warehouse: Warehouse):
    with pytest.raises(TableError, match=r"no output 'prompts' for cards.0000 yet; materialize"):
        warehouse.read("prompts", SHARD)


def test_a_damaged_shard_is_explained(tmp_path: Path, warehouse: Warehouse):
    Path(warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"])).path).write_bytes(b"PAR1")
    with pytest.raises(TableError, match="damaged; materialize"):
        warehouse.read("prompts", SHARD)


def test_a_shard_with_a_damaged_page_is_explained(tmp_path: Path, warehouse: Warehouse):
    path = Path(warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"])).path)
    path.write_bytes(b"PAR1" + b"\xff" * 200 + path.read_bytes()[204:])
    with pytest.raises(TableError, match="damaged; materialize"):
        warehouse.read("prompts", SHARD)


def test_a_shard_that_cannot_be_removed_is_explained(warehouse: Warehouse):
    (warehouse.path("prompts", SHARD) / "x").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"Cannot remove '0000.parquet' in the folder"):
        warehouse.remove("prompts", SHARD)


def test_shards_are_listed_by_table_and_index(tmp_path: Path, warehouse: Warehouse):
    table = prompts(tmp_path, prompt=["a"])
    shards = [Shard(table="a b/ü", index=12_345), Shard(table="a b/ü", index=2), Shard(table="Z.z", index=0)]
    for shard in shards:
        warehouse.write("prompts", shard, table)
    assert warehouse.shards("prompts") == sorted(shards)


def test_an_output_never_written_has_no_shards(warehouse: Warehouse):
    assert warehouse.shards("images") == []


def test_a_removed_shard_is_gone(tmp_path: Path, warehouse: Warehouse):
    warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]))
    assert warehouse.exists("prompts", SHARD)
    assert (warehouse.remove("prompts", SHARD), warehouse.remove("prompts", SHARD)) == (True, False)
    assert not warehouse.exists("prompts", SHARD)


def test_a_dataset_of_nothing_has_the_contract_columns(warehouse: Warehouse):
    assert warehouse.dataset("generations").to_table().column_names == [*GENERATIONS, "extra"]


def test_a_folder_is_read_as_everybody_reads_it(tmp_path: Path, warehouse: Warehouse):
    for name, columns in {"cards": {"seed": [1]}, "other": {"seed": ["x"], "source": [1]}, "plain": {}}.items():
        warehouse.write("prompts", Shard(table=name, index=0), prompts(tmp_path, prompt=[name], **columns))
    for table in (
        pq.read_table(tmp_path / "data/warehouse/prompts"),
        pa.Table.from_pandas(pd.read_parquet(tmp_path / "data/warehouse/prompts")),
    ):
        assert table.sort_by("prompt")["extra"].to_pylist() == ['{"seed":1}', '{"seed":"x","source":1}', "{}"]


def test_a_scan_reads_around_a_damaged_file_and_names_it(tmp_path: Path, warehouse: Warehouse):
    for name in ("cards", "other"):
        warehouse.write("prompts", Shard(table=name, index=0), prompts(tmp_path, prompt=[name]))
    Path(str(warehouse.path("prompts", SHARD))).write_bytes(b"PAR1")
    scanned = warehouse.scan("prompts", ["prompt"], pc.field("prompt") != "x")
    assert scanned.rows.to_pylist() == [{"prompt": "other"}]
    assert [sentence.split(";")[1] for sentence in scanned.problems] == [" materialize 'prompts' for cards.0000 again."]


def test_a_warehouse_in_an_object_store_works(tmp_path: Path):
    warehouse = Warehouse(UPath("memory://bucket/prefix"))
    written = warehouse.write("prompts", SHARD, prompts(tmp_path, prompt=["a"]), {"run_id": "r"})
    assert written.path.startswith("memory://")
    assert warehouse.shards("prompts") == [SHARD]
    assert warehouse.dataset("prompts").to_table()["prompt"].to_pylist() == ["a"]
    assert warehouse.read("prompts", SHARD).num_rows == 1
    assert warehouse.remove("prompts", SHARD)
