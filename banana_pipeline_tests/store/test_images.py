"""The archive of pictures: the bytes decide."""

import hashlib
import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from banana_pipeline.core.failures import BananaError, SettingsError
from banana_pipeline.core.pixels import expected_size
from banana_pipeline.store import picture_bytes
from banana_pipeline.store.images import ImageArchive
from banana_pipeline.store.picture_bytes import BadImage
from banana_pipeline.store.schemas import IMAGES, contract_schema

REQUEST_ID = "ab" * 16
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def picture(kind: str = "PNG", size_px: tuple[int, int] = (640, 320), mode: str = "RGB") -> bytes:
    sink = io.BytesIO()
    Image.effect_noise(size_px, 40).convert(mode).save(sink, kind)
    return sink.getvalue()


def bomb(width_px: int, height_px: int) -> bytes:
    """A PNG that says it is large; it holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def archive(tmp_path: Path) -> ImageArchive:
    return ImageArchive(UPath(tmp_path))


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_the_bytes_decide_the_format(archive: ImageArchive, kind: str, extension: str):
    stored = archive.store(REQUEST_ID, 0, picture(kind), AT)
    assert (stored.image_format, Path(stored.image_path).suffix) == (extension, f".{extension}")


def test_the_stored_bytes_are_those_that_came(archive: ImageArchive):
    data = picture()
    stored = archive.store(REQUEST_ID, 0, data, AT)
    assert Path(stored.image_path).read_bytes() == data


def test_a_picture_is_hashed_and_measured(archive: ImageArchive):
    data = picture()
    stored = archive.store(REQUEST_ID, 0, data, AT)
    assert stored.image_sha256 == hashlib.sha256(data).hexdigest()
    assert stored.image_bytes == len(data)
    assert (stored.width_px, stored.height_px, stored.archived_at) == (640, 320, AT)


def test_a_large_jpeg_is_measured_in_full(archive: ImageArchive):
    stored = archive.store(REQUEST_ID, 0, picture("JPEG", (2048, 1024)), AT)
    assert (stored.width_px, stored.height_px) == (2048, 1024)


@pytest.mark.parametrize(("index", "stem"), [(0, REQUEST_ID), (1, f"{REQUEST_ID}-1")])
def test_a_picture_is_where_the_contract_says(archive: ImageArchive, index: int, stem: str):
    path = archive.image_path(REQUEST_ID, index, "png")
    assert path.relative_to(archive.root).parts == ("images", "ab", f"{stem}.png")
    assert archive.thumbnail_path(REQUEST_ID, index).relative_to(archive.root).parts == (
        "thumbnails",
        "ab",
        f"{stem}.webp",
    )


def test_paths_are_absolute(archive: ImageArchive):
    stored = archive.store(REQUEST_ID, 0, picture(), AT)
    assert Path(stored.image_path).is_absolute()
    assert Path(stored.thumbnail_path or "").is_absolute()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("size_px", "thumbnail_px"), [((640, 320), (256, 128)), ((320, 640), (128, 256))])
def test_a_thumbnail_has_256_pixels_on_its_longer_side(
    archive: ImageArchive, kind: str, size_px: tuple[int, int], thumbnail_px: tuple[int, int]
):
    stored = archive.store(REQUEST_ID, 0, picture(kind, size_px), AT)
    with Image.open(stored.thumbnail_path or "") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", thumbnail_px)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "I;16"])
def test_every_kind_of_pixel_gets_a_thumbnail(archive: ImageArchive, mode: str):
    sink = io.BytesIO()
    Image.new(mode, (600, 600)).save(sink, "PNG")
    assert archive.store(REQUEST_ID, 0, sink.getvalue(), AT).thumbnail_path is not None


def test_a_thumbnail_that_fails_does_not_lose_the_picture(archive: ImageArchive, monkeypatch: pytest.MonkeyPatch):
    def fail(_: object) -> bytes:
        raise OSError("encoder error")

    monkeypatch.setattr(picture_bytes, "_webp", fail)
    stored = archive.store(REQUEST_ID, 0, picture(), AT)
    assert stored.thumbnail_path is None
    assert Path(stored.image_path).exists()


def test_a_thumbnail_that_cannot_be_written_does_not_lose_the_picture(archive: ImageArchive, tmp_path: Path):
    (tmp_path / "thumbnails").touch()
    stored = archive.store(REQUEST_ID, 0, picture(), AT)
    assert stored.thumbnail_path is None
    assert Path(stored.image_path).exists()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<html>gone</html>", "not a PNG, JPEG or WebP"),
        (b"GIF89a" + bytes(50), "not a PNG, JPEG or WebP"),
        (b"\x89PNG\r\n\x1a\n", "not a PNG, JPEG or WebP"),
        (bomb(10_000, 10_000), "at most"),
        (bomb(60_000, 60_000), "more pixels"),
        (bomb(100, 100), "damaged"),
    ],
    ids=["nothing", "html", "gif", "only a start", "100 megapixels", "a bomb", "no pixels"],
)
def test_what_is_no_picture_is_refused(archive: ImageArchive, data: bytes, words: str):
    with pytest.raises(BadImage, match=words):
        archive.store(REQUEST_ID, 0, data, AT)


@pytest.mark.filterwarnings("error")
def test_the_largest_picture_sold_is_accepted(archive: ImageArchive):
    sink = io.BytesIO()
    Image.new("RGB", (6336, 2688)).save(sink, "PNG", compress_level=1)
    assert archive.store(REQUEST_ID, 0, sink.getvalue(), AT).width_px == 6336


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_picture_that_was_cut_off_is_refused(archive: ImageArchive, kind: str, part: float):
    data = picture(kind)
    with pytest.raises(BadImage):
        archive.store(REQUEST_ID, 0, data[: int(len(data) * part)], AT)
    assert archive.find(REQUEST_ID, 0) is None


def test_a_refused_picture_is_an_error_of_ours():
    assert issubclass(BadImage, BananaError)


def test_an_archive_that_cannot_be_written_is_explained(archive: ImageArchive, tmp_path: Path):
    (tmp_path / "images").touch()
    with pytest.raises(SettingsError, match="a file stands where a folder is needed"):
        archive.store(REQUEST_ID, 0, picture(), AT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_archived_picture_is_found_as_it_was_stored(archive: ImageArchive, kind: str):
    stored = archive.store(REQUEST_ID, 1, picture(kind), AT)
    found = archive.find(REQUEST_ID, 1)
    assert found is not None
    assert {**found.record(), "archived_at": AT} == stored.record()
    assert found.archived_at.tzinfo is UTC


def test_a_picture_that_is_not_here_is_not_found(archive: ImageArchive):
    archive.store(REQUEST_ID, 0, picture(), AT)
    assert archive.find(REQUEST_ID, 1) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_picture_counts_as_missing(archive: ImageArchive, kind: str):
    path = Path(archive.store(REQUEST_ID, 0, picture(kind), AT).image_path)
    path.write_bytes(path.read_bytes()[:-5000])
    assert archive.find(REQUEST_ID, 0) is None


def test_a_picture_with_more_behind_its_end_is_found(archive: ImageArchive):
    archive.store(REQUEST_ID, 0, picture() + bytes(10_000), AT)
    assert archive.find(REQUEST_ID, 0) is not None


def test_a_missing_thumbnail_is_made_again(archive: ImageArchive):
    Path(archive.store(REQUEST_ID, 0, picture(), AT).thumbnail_path or "").unlink()
    found = archive.find(REQUEST_ID, 0)
    assert found is not None
    assert Path(found.thumbnail_path or "").exists()


def test_a_record_has_columns_of_the_images_table(archive: ImageArchive):
    record = archive.store(REQUEST_ID, 0, picture(), AT).record()
    assert set(record) <= set(contract_schema(IMAGES).names)


def test_an_archive_in_an_object_store_works():
    archive = ImageArchive(UPath("memory://archive/data"))
    stored = archive.store(REQUEST_ID, 0, picture(), AT)
    found = archive.find(REQUEST_ID, 0)
    assert stored.image_path.startswith("memory://")
    assert found is not None
    assert found.image_sha256 == stored.image_sha256


@pytest.mark.parametrize(
    ("ratio", "resolution", "size_px"),
    [("1:1", "1K", (1024, 1024)), ("21:9", "4K", (6336, 2688)), ("9:16", "2K", (1536, 2752)), ("auto", "1K", None)],
)
def test_the_size_of_a_picture_is_known_before(ratio: str, resolution: str, size_px: tuple[int, int] | None):
    assert expected_size(ratio, resolution) == size_px
