"""Outputs and pictures in an object store: the same tables, the same archive, seen by every process at once."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from PIL import Image
from upath import UPath

from banana_pipeline.core.failures import SettingsError, TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.files import has_file, listed, read_bytes, remove_file, write_bytes
from banana_pipeline.store.images import ImageArchive
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline_tests.e2e.command import Ended, Office
from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.services.conftest import Bucket

SHARD = Shard(table="cards", index=0)


def _picture(color: str = "red") -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(sink, "PNG")
    return sink.getvalue()


def _rows(*ids: str) -> pa.Table:
    return pa.table({"request_id": list(ids)})


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


# Files


def test_a_file_is_one_object_and_nothing_else(bucket: Bucket) -> None:
    write_bytes(UPath(bucket.url) / "a" / "b.bin", b"all of it")
    assert bucket.keys() == ["a/b.bin"]


def test_what_another_process_writes_is_seen_at_once(bucket: Bucket) -> None:
    folder = UPath(bucket.url) / "a"
    write_bytes(folder / "one.bin", b"1")
    assert [it.name for it in listed(folder)] == ["one.bin"]
    bucket.put("a/two.bin", b"2")
    assert [it.name for it in listed(folder)] == ["one.bin", "two.bin"]
    assert has_file(folder / "two.bin")


def test_what_another_process_replaces_is_read_as_it_is_now(bucket: Bucket) -> None:
    path = UPath(bucket.url) / "a" / "one.bin"
    bucket.put("a/one.bin", b"old")
    assert (has_file(path), read_bytes(path)) == (True, b"old")
    bucket.put("a/one.bin", b"the new and longer content")
    assert read_bytes(path) == b"the new and longer content"


def test_a_missing_bucket_is_told_in_words_and_is_not_made(bucket: Bucket) -> None:
    with pytest.raises(SettingsError, match="Check that the place exists"):
        write_bytes(UPath("s3://no-such-bucket/a/b.bin"), b"1")
    assert [one["Name"] for one in bucket.client.list_buckets()["Buckets"]].count("no-such-bucket") == 0


def test_a_file_is_removed_once(bucket: Bucket) -> None:
    path = UPath(bucket.url) / "a.bin"
    write_bytes(path, b"1")
    assert (remove_file(path), remove_file(path)) == (True, False)


# Tables


def test_a_shard_comes_back_as_written(bucket: Bucket) -> None:
    warehouse = Warehouse(UPath(bucket.url))
    written = warehouse.write("prompts", SHARD, _rows("a", "b"), {"run_id": "1"})
    assert warehouse.read("prompts", SHARD).to_pylist() == [{"request_id": "a"}, {"request_id": "b"}]
    assert warehouse.provenance("prompts", SHARD) == {"run_id": "1"}
    assert warehouse.data_version("prompts", SHARD) == written.data_version


def test_a_shard_that_another_machine_replaced_is_read_as_it_is_now(bucket: Bucket) -> None:
    warehouse = Warehouse(UPath(bucket.url))
    warehouse.write("prompts", SHARD, _rows("a"))
    assert warehouse.read("prompts", SHARD).num_rows == 1
    bucket.put("warehouse/prompts/source=cards/0000.parquet", _parquet(_rows(*"abcdefgh")))
    assert warehouse.read("prompts", SHARD).num_rows == 8
    assert warehouse.dataset("prompts").count_rows() == 8


def test_shards_are_listed_and_missing_ones_told_in_words(bucket: Bucket) -> None:
    warehouse = Warehouse(UPath(bucket.url))
    assert warehouse.shards("prompts") == []
    warehouse.write("prompts", SHARD, _rows("a"))
    assert warehouse.shards("prompts") == [SHARD]
    with pytest.raises(TableError, match="no output 'generations'"):
        warehouse.read("generations", SHARD)


def test_a_store_that_cannot_be_reached_is_told_in_words(bucket: Bucket) -> None:
    root = UPath(bucket.url, endpoint_url="http://127.0.0.1:9", config_kwargs={"retries": {"max_attempts": 0}})
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1:9"):
        Warehouse(root).write("prompts", SHARD, _rows("a"))


# Pictures


def test_a_picture_is_kept_with_its_thumbnail_and_found_again(bucket: Bucket) -> None:
    archive = ImageArchive(UPath(bucket.url))
    stored = archive.store("ab" * 16, 0, _picture(), datetime.now(UTC))
    assert bucket.keys("images") == [f"images/ab/{'ab' * 16}.png"]
    assert bucket.keys("thumbnails") == [f"thumbnails/ab/{'ab' * 16}.webp"]
    assert stored.image_path == f"{bucket.url}/images/ab/{'ab' * 16}.png"
    found = archive.find("ab" * 16, 0)
    assert found is not None
    assert (found.image_sha256, found.width_px) == (stored.image_sha256, 64)


def test_a_picture_on_record_is_not_read_again(bucket: Bucket) -> None:
    archive = ImageArchive(UPath(bucket.url))
    stored = archive.store("ab" * 16, 0, _picture(), datetime.now(UTC))
    bucket.put(f"images/ab/{'ab' * 16}.png", b"x" * stored.image_bytes)  # reading it would show that it is none
    assert archive.find("ab" * 16, 0, known=stored) == stored


def test_a_picture_of_another_size_than_on_record_is_looked_at_again(bucket: Bucket) -> None:
    archive = ImageArchive(UPath(bucket.url))
    stored = archive.store("ab" * 16, 0, _picture(), datetime.now(UTC))
    bucket.put(f"images/ab/{'ab' * 16}.png", b"x")
    assert archive.find("ab" * 16, 0, known=stored) is None


# The whole run


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Office]]:
    with ExitStack() as stack:
        yield lambda: open_office(stack, tmp_path_factory.mktemp("s3run"))


def _run(office: Office, bucket: Bucket, *arguments: str, **more: str) -> Ended:
    own = {
        "BANANA_DATA_DIR": bucket.url,
        "BANANA_PROMPTS_DIR": str(office.data / "prompts"),
        "BANANA_LEDGER_URL": f"sqlite:///{office.folder}/ledger.sqlite",
    }
    return office.run(*arguments, **{**own, **bucket.environment, **more})


@pytest.fixture
def sold(open_one: Callable[[], Office], bucket: Bucket) -> Office:
    """After one `banana run` of six rows into the bucket."""
    office = open_one()
    office.add_table("boats", {"prompt": [*(f"boat {number}" for number in range(5)), "boat [fail:policy]"]})
    ended = _run(office, bucket, "run", "boats")
    assert ended.code == 1, ended.said
    assert "Bought 5 tasks for 90 credits" in ended.out, ended.said
    return office


@pytest.mark.slow
def test_an_analyst_reads_the_outputs_with_pandas_and_pyarrow(sold: Office, bucket: Bucket) -> None:
    folder = f"{bucket.url}/warehouse/images"
    images = pd.read_parquet(folder)
    assert images["image_path"].str.startswith(f"{bucket.url}/images/").tolist() == [True] * 5
    generations = ds.dataset(
        UPath(f"{bucket.url}/warehouse/generations").path, filesystem=UPath(bucket.url).fs, partitioning="hive"
    ).to_table()
    assert sorted(generations["status"].to_pylist()) == ["failed", *["succeeded"] * 5]
    data = read_bytes(UPath(images["image_path"][0]))
    assert Image.open(io.BytesIO(data)).size == (1024, 1024)


@pytest.mark.slow
def test_a_second_run_buys_nothing_and_downloads_nothing_again(sold: Office, bucket: Bucket) -> None:
    before = (len(sold.tasks), sold.books["downloads"], bucket.keys())
    ended = _run(sold, bucket, "run", "boats")
    assert "Bought nothing" in ended.out, ended.said
    assert (len(sold.tasks), sold.books["downloads"], bucket.keys()) == before


@pytest.mark.slow
def test_without_s3fs_one_sentence_says_what_to_install(
    open_one: Callable[[], Office], bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "s3fs.py").write_text("raise ImportError('No module named s3fs', name='s3fs')\n")
    office = open_one()
    office.add_table("boats", {"prompt": ["a boat"]})
    ended = _run(office, bucket, "run", "boats", PYTHONPATH=str(tmp_path))
    assert ended.code == 2
    assert "pip install 'banana-pipeline[s3]'" in ended.err
    assert "Traceback" not in ended.said
    assert office.tasks == []


@pytest.mark.slow
@pytest.mark.parametrize("command", [("run", "boats"), ("estimate", "boats"), ("status",)])
def test_a_store_that_cannot_be_reached_is_one_sentence(
    open_one: Callable[[], Office], bucket: Bucket, command: tuple[str, ...]
) -> None:
    office = open_one()
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "BANANA_PROMPTS_DIR": f"{bucket.url}/prompts"}
    ended = _run(office, bucket, *command, **nowhere)
    assert ended.code == 2
    assert "127.0.0.1:9" in ended.err
    assert "Check that the place exists" in ended.err
    assert "Traceback" not in ended.said
    assert office.tasks == []
