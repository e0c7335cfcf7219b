"""Pictures that stand in a prompt table: references like files under ``image_input``, and nowhere else even read."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.core.failures import ReadFailed, TableError
from banana_pipeline.core.requests import MAX_IMAGE_BYTES, ReferenceImage
from banana_pipeline.core.row_values import EmbeddedImage
from banana_pipeline.core.rows import Row
from banana_pipeline.store.references import ReferenceResolver, reference_bytes
from banana_pipeline.store.shard_rows import read_shard
from banana_pipeline.store.tables import open_table

PNG, JPG, WEBP = b"\x89PNG\r\n\x1a\n" + bytes(20), b"\xff\xd8\xff\xe0" + bytes(20), b"RIFF\0\0\0\0WEBP" + bytes(20)
LINK = "https://example.org/a.png"
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.fixture
def kept_in(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "data" / "reference")


def checked(folder: Path, images: object, kept_in: UPath | None = None) -> list[Row]:
    column = images if isinstance(images, pa.Array) else pa.array(images)
    pq.write_table(pa.table({"prompt": ["a"] * len(column), "image_input": column}), folder / "t.parquet")
    resolver = ReferenceResolver([folder], keep_in=kept_in)
    return list(read_shard(open_table(folder / "t.parquet"), range(99), resolve_image=resolver).rows)


def kept(kept_in: UPath) -> list[str]:
    return sorted(path.name for path in Path(str(kept_in)).rglob("*") if path.is_file())


def as_struct(*pictures: bytes) -> list[dict[str, object]]:
    return [{"bytes": data, "path": None} for data in pictures]


@pytest.mark.parametrize("column", [
    pa.array(as_struct(PNG, JPG), STRUCT), pa.array([as_struct(PNG), as_struct(JPG)], pa.list_(STRUCT)),
    pa.array([PNG, JPG]), pa.array([[PNG], [JPG]]), pa.array([PNG, JPG], pa.binary_view()),
    pa.array([PNG, JPG]).dictionary_encode(), pa.array([[PNG], [JPG]], pa.large_list(pa.large_binary())),
    pa.array([{"bytes": PNG}, {"bytes": JPG}]), pa.array([[PNG], [JPG]], pa.list_(pa.binary(), 1)),
    pa.array(as_struct(PNG, JPG), pa.struct({"path": pa.large_string(), "bytes": pa.large_binary()})),
])  # fmt: skip
def test_bytes_are_a_reference_named_by_their_content(tmp_path: Path, kept_in: UPath, column: pa.Array):
    rows = checked(tmp_path, column, kept_in)
    for row, data in zip(rows, (PNG, JPG), strict=True):
        (image,) = row.requests[0].images
        assert image.sha256 == hashlib.sha256(data).hexdigest()
        assert reference_bytes(image, [], kept_in) == data
        assert reference_bytes(image, [Path(str(kept_in))]) == data
    assert kept(kept_in) == sorted(row.requests[0].images[0].source.split("/")[1] for row in rows)


def test_a_picture_without_bytes_is_its_path_or_link(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(PNG)
    entries = [
        {"bytes": None, "path": "a.png"},
        {"bytes": None, "path": LINK},
        None,
        {"bytes": None, "path": "gone.png"},
    ]
    file, link, nothing, gone = checked(tmp_path, pa.array(entries, STRUCT))
    assert file.requests[0].images[0].source == "a.png"
    assert link.requests[0].images == (ReferenceImage(source=LINK),)
    assert nothing.requests[0].images == ()
    assert "does not exist" in gone.problems[0]


@pytest.mark.parametrize(("data", "words"), [
    (b"", "is an empty file"), (b"<html>", "is not a JPEG, PNG or WebP image"),
    (PNG + bytes(MAX_IMAGE_BYTES), "at most 30 MB"),
])  # fmt: skip
def test_bytes_that_are_no_usable_picture_are_explained(tmp_path: Path, kept_in: UPath, data: bytes, words: str):
    (row,) = checked(tmp_path, pa.array([{"bytes": data, "path": "cat.png"}], STRUCT), kept_in)
    assert row.problems[0].startswith("image_input picture 'cat.png' ")
    assert words in row.problems[0]
    assert kept(kept_in) == []


@pytest.mark.parametrize("column", [[{"url": LINK}], [{"bytes": PNG, "width": 1}], [{"path": "x"}], [[{"url": LINK}]]])
def test_other_structs_are_refused_in_words(tmp_path: Path, column: list[object]):
    with pytest.raises(TableError, match="or pictures as bytes or"):
        checked(tmp_path, column)


def test_an_empty_entry_among_pictures_is_a_reason(tmp_path: Path):
    (row,) = checked(tmp_path, pa.array([[*as_struct(PNG), None]], pa.list_(STRUCT)))
    assert "is empty" in row.problems[0]


def test_a_look_at_the_table_keeps_nothing(tmp_path: Path, kept_in: UPath):
    (row,) = checked(tmp_path, [WEBP])
    assert row.requests[0].images[0].source.endswith(".webp")
    assert kept(kept_in) == []


def test_a_picture_that_was_harmed_on_disk_is_kept_again(tmp_path: Path, kept_in: UPath):
    image = checked(tmp_path, [PNG], kept_in)[0].requests[0].images[0]
    (kept_in / image.source).write_bytes(b"half")
    with pytest.raises(ReadFailed, match="has changed"):
        reference_bytes(image, [], kept_in)
    checked(tmp_path, [PNG], kept_in)
    assert reference_bytes(image, [], kept_in) == PNG


def test_a_picture_that_is_gone_is_explained(tmp_path: Path, kept_in: UPath):
    image = checked(tmp_path, [PNG])[0].requests[0].images[0]
    with pytest.raises(ReadFailed, match="cannot be read"):
        reference_bytes(image, [], kept_in)


def test_pictures_are_kept_in_an_object_store_too(tmp_path: Path):
    kept_in = UPath("memory://embedded/reference")
    image = checked(tmp_path, [PNG], kept_in)[0].requests[0].images[0]
    assert reference_bytes(image, [], kept_in) == PNG


def test_the_bytes_do_not_show(tmp_path: Path):
    assert "PNG" not in repr(EmbeddedImage(data=PNG))


def test_other_columns_of_raw_bytes_are_not_even_read(tmp_path: Path):
    path = tmp_path / "t.parquet"
    pictures = pa.array(as_struct(PNG * 1_000), STRUCT)
    pq.write_table(pa.table({"prompt": ["a"], "photo": pictures, "n": [1]}), path, compression="none")
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    table = open_table(path)
    assert table.extra_columns == ("n",)
    assert list(table.left_out) == ["photo"]
    assert table.read(range(1)).to_pylist() == [{"prompt": "a", "n": 1}]


def test_a_template_cannot_use_a_column_of_raw_bytes(tmp_path: Path):
    columns = {"prompt_template": ["a {photo}", "a {image_input}"], "photo": [PNG, PNG], "image_input": [PNG, PNG]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    rows = read_shard(open_table(tmp_path / "t.parquet"), range(9), resolve_image=ReferenceResolver([])).rows
    assert "uses {photo}, which holds raw bytes" in rows[0].problems[0]
    assert "uses {image_input}, which holds what cannot be written" in rows[1].problems[0]


def test_pictures_do_not_fill_the_memory(tmp_path: Path):
    pictures = [{"bytes": PNG + number.to_bytes(4, "big") * 50_000, "path": None} for number in range(400)]
    table = pa.table({"prompt": ["a"] * 400, "image_input": pa.array(pictures, STRUCT)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=50, use_dictionary=False, compression="none")
    size_bytes = (tmp_path / "t.parquet").stat().st_size
    del table, pictures
    before_bytes, seen_bytes = pa.total_allocated_bytes(), []

    def resolve(entry: object) -> ReferenceImage | str:
        seen_bytes.append(pa.total_allocated_bytes() - before_bytes)
        return ReferenceImage(source=LINK)

    contents = read_shard(open_table(tmp_path / "t.parquet"), range(400), resolve_image=resolve)
    assert contents.request_count == 400
    assert max(seen_bytes) < size_bytes / 2
    assert contents.slice.column_names == ["prompt"]
