"""Pictures made to do harm: they are refused before they are unpacked, or kept without being unpacked.

Not here: pictures that are merely broken (test_images).
"""

import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from banana_pipeline.store.images import ImageArchive
from banana_pipeline.store.picture_bytes import MAX_PIXELS, BadImage

ATTEMPT_ID = "ab" * 16
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.fixture(scope="module")
def packed() -> bytes:
    """A hundred megabytes in a hundred kilobytes."""
    return zlib.compress(bytes(100_000_000), 9)


@pytest.fixture
def archive(tmp_path: Path) -> ImageArchive:
    return ImageArchive(UPath(tmp_path))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*before: bytes, pixels: bytes | None = None, after: bytes = b"", size_px: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG with more chunks before or after its pixels, or with other pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size_px, 8, 2, 0, 0, 0))
    own = zlib.compress((b"\0" + bytes(3 * 64)) * 64)
    parts = [header, *before, chunk(b"IDAT", own if pixels is None else pixels), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(kind: str, **more: object) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (64, 64)).save(sink, kind, **more)  # pyright: ignore[reportArgumentType]
    return sink.getvalue()


def jpeg_that_says(width_px: int, height_px: int) -> bytes:
    data = bytearray(saved("JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height_px, width_px)
    return bytes(data)


def webp_that_says(width_px: int, height_px: int) -> bytes:
    """A small picture on a large canvas."""
    canvas = (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")
    frame = bytes(6) + (63).to_bytes(3, "little") * 2 + (10).to_bytes(3, "little") + b"\0" + saved("WEBP")[12:]
    parts = [(b"VP8X", b"\2\0\0\0" + canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data for kind, data in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def refused(archive: ImageArchive, data: bytes) -> str:
    with pytest.raises(BadImage) as error:
        archive.store(ATTEMPT_ID, 0, data, AT)
    assert not (archive.root / "images").exists()
    return str(error.value)


@pytest.fixture
def never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: Image.Image) -> None:
        raise AssertionError("it was decoded")

    for plugin in ("PngImagePlugin.PngImageFile", "JpegImagePlugin.JpegImageFile", "WebPImagePlugin.WebPImageFile"):
        monkeypatch.setattr(f"PIL.{plugin}.load", load)


@pytest.mark.usefixtures("never_decoded")
@pytest.mark.parametrize("size_px", [(9_500, 9_500), (16_000, 16_000), (65_000, 65_000), (65_000, 1_400)])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_too_many_pixels_are_refused_before_they_are_decoded(
    archive: ImageArchive, kind: str, size_px: tuple[int, int]
) -> None:
    make = {"png": lambda w, h: png(size_px=(w, h)), "jpeg": jpeg_that_says, "webp": webp_that_says}[kind]
    assert size_px[0] * size_px[1] > MAX_PIXELS
    said = refused(archive, make(*size_px))
    # A format that cannot hold so many pixels is refused as such.
    assert "pixels" in said or "not a PNG, JPEG or WebP" in said


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_packed_text_that_grows_without_end_is_refused(
    archive: ImageArchive, packed: bytes, kind: bytes, is_before: bool
) -> None:
    bomb = chunk(kind, (b"k\0\1\0\0\0" if kind == b"iTXt" else b"k\0\0") + packed)
    refused(archive, png(bomb) if is_before else png(after=bomb))


def test_many_packed_texts_are_refused(archive: ImageArchive) -> None:
    text = zlib.compress(bytes(1_000_000), 9)
    refused(archive, png(*[chunk(b"zTXt", b"k%d\0\0" % number + text) for number in range(70)]))


def test_more_pixels_than_the_header_says_are_not_unpacked(archive: ImageArchive, packed: bytes) -> None:
    stored = archive.store(ATTEMPT_ID, 0, png(pixels=packed), AT)
    assert (stored.width_px, stored.height_px) == (64, 64)


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("WEBP", "webp")])
def test_of_an_animation_only_the_first_frame_is_looked_at(
    archive: ImageArchive, monkeypatch: pytest.MonkeyPatch, kind: str, extension: str
) -> None:
    def seek(image: Image.Image, frame: int) -> None:
        assert frame == 0, "a later frame was decoded"

    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in range(1, 60)]
    data = saved(kind, save_all=True, append_images=frames)
    for plugin in ("PngImagePlugin.PngImageFile", "WebPImagePlugin.WebPImageFile"):
        monkeypatch.setattr(f"PIL.{plugin}.seek", seek)
    stored = archive.store(ATTEMPT_ID, 0, data, AT)
    assert (stored.image_format, stored.width_px) == (extension, 64)


def test_the_thumbnail_of_an_animation_stands_still(archive: ImageArchive) -> None:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in range(1, 9)]
    stored = archive.store(ATTEMPT_ID, 0, saved("WEBP", save_all=True, append_images=frames), AT)
    with Image.open(stored.thumbnail_path or "") as thumbnail:
        assert getattr(thumbnail, "n_frames", 1) == 1


@pytest.mark.parametrize("data", [
    b"GIF89a" + bytes(50), b"BM" + bytes(60), b"II*\0" + bytes(60), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>",
    b"\0\0\1\0" + bytes(60), b"8BPS" + bytes(60), b"\0\0\0\x0cjP  \r\n\x87\n", b"MZ" + bytes(60), b"RIFF\4\0\0\0WAVE",
])  # fmt: skip
def test_no_other_format_is_even_opened(archive: ImageArchive, data: bytes) -> None:
    assert "not a PNG, JPEG or WebP" in refused(archive, data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_at_any_place_is_refused(archive: ImageArchive, kind: str) -> None:
    sink = io.BytesIO()
    Image.effect_noise((64, 64), 40).convert("RGB").save(sink, kind)
    data = sink.getvalue()
    for length in range(0, len(data) * 9 // 10, max(1, len(data) // 40)):
        refused(archive, data[:length])


@pytest.mark.parametrize("attempt_id", ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "a\0b", "C:x", "a" * 101, "ä"])
def test_an_id_that_could_lead_out_of_the_archive_names_no_file(archive: ImageArchive, attempt_id: str) -> None:
    with pytest.raises(BadImage, match="cannot name a picture"):
        archive.store(attempt_id, 0, saved("PNG"), AT)
    with pytest.raises(BadImage, match="cannot name a picture"):
        archive.find(attempt_id, 0)
    assert list(Path(archive.root.path).iterdir()) == []
