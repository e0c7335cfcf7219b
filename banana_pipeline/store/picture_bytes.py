"""What counts as a picture: the bytes decide, never a name or header.

Lives here: format, size in pixels, wholeness and thumbnail of some bytes. Does not live here: where pictures are kept
(``images``).
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

from banana_pipeline.core.failures import BananaError

MAX_PIXELS = 89_000_000
"""Five times the largest picture sold (6336 x 2688), and below the size at which Pillow itself warns of bombs."""

THUMBNAIL_PX = 256
_HASH_SIZE = (9, 8)
# A JUMBF description box of the type "C2PA manifest store", which stands in PNG, JPEG and WebP alike (C2PA
# specification, "Embedding manifests").
_CONTENT_CREDENTIALS = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_EXTENSION_OF = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}


class BadImage(BananaError):
    """The bytes are not a complete picture in a known format. The text is one plain sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the bytes say; ``format`` is the file's ending."""

    format: str
    width_px: int
    height_px: int
    thumbnail: bytes | None


def measure(data: bytes, *, with_thumbnail: bool) -> Measured:
    """Open the bytes; decode all of them only where a thumbnail is wanted, which also proves that they are complete.

    Opening reads the header only. Of an animation only the first frame is decoded; Pillow itself bounds packed texts.
    """
    with _opened(data) as image:
        width_px, height_px = image.size
        thumbnail = _decoded_thumbnail(image) if with_thumbnail else None
        extension = _EXTENSION_OF[image.format or ""]
    return Measured(format=extension, width_px=width_px, height_px=height_px, thumbnail=thumbnail)


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    if not data:
        raise BadImage("the answer was empty instead of a picture")
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
    except Image.DecompressionBombError as error:
        raise BadImage("the picture has far more pixels than any that is sold") from error
    except Exception as error:  # hostile bytes make Pillow raise almost anything
        raise BadImage(f"the bytes are not a PNG, JPEG or WebP picture (they start with {data[:12]!r})") from error
    with image:
        width_px, height_px = image.size
        if width_px * height_px > MAX_PIXELS:
            raise BadImage(f"the picture has {width_px} x {height_px} pixels; at most {MAX_PIXELS:,} are accepted")
        yield image


def _decoded_thumbnail(image: Image.Image) -> bytes | None:
    try:
        # A JPEG is decoded at a fraction of its size, but still to its last byte.
        image.draft("RGB", (THUMBNAIL_PX * 2, THUMBNAIL_PX * 2))
        image.load()
    except Exception as error:  # as above
        raise BadImage("the picture is damaged or was cut off") from error
    try:
        return _webp(image, THUMBNAIL_PX)
    except Exception:  # a picture without a thumbnail is still a picture
        return None


def preview(data: bytes, size_px: int) -> bytes:
    """The picture as WebP, at most ``size_px`` wide and high.

    Raises:
        BadImage: as `measure`.
    """
    with _opened(data) as image:
        try:
            return _webp(image, size_px)
        except Exception as error:  # hostile bytes make Pillow raise almost anything
            raise BadImage("the picture is damaged or was cut off") from error


def _webp(image: Image.Image, size_px: int) -> bytes:
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    # reducing_gap lets Pillow shrink by whole steps first: several times faster, no difference to the eye.
    small = image.convert("RGBA" if has_alpha else "RGB") if image.mode not in {"RGB", "RGBA"} else image
    small.thumbnail((size_px, size_px), reducing_gap=2.0)
    sink = io.BytesIO()
    small.save(sink, "WEBP", quality=80, method=2)
    return sink.getvalue()


def has_content_credentials(data: bytes) -> bool:
    """Does the file carry a C2PA manifest, whose signature tells how it was made? It is not verified here."""
    return _CONTENT_CREDENTIALS in data


def perceptual_hash(thumbnail: bytes) -> str | None:
    """dHash of a picture, from its thumbnail: 64 bits as 16 hex digits, one for each step from dark to bright.

    Few bits differ between pictures that look alike. None if the thumbnail cannot be read.
    """
    try:
        with _opened(thumbnail) as image:
            small = image.convert("L").resize(_HASH_SIZE)
    except Exception:  # a picture without a hash is still a picture
        return None
    width, height = _HASH_SIZE
    rows = [small.crop((0, y, width, y + 1)).tobytes() for y in range(height)]
    bits = "".join("1" if right > left else "0" for row in rows for left, right in pairwise(row))
    return f"{int(bits, 2):016x}"


def can_be_decoded(data: bytes) -> bool:
    """The slow way to know that a file is whole."""
    try:
        measure(data, with_thumbnail=True)
    except BadImage:
        return False
    return True


def is_whole(data: bytes, extension: str) -> bool:
    """A cheap look at the end of a file that was whole when it was written."""
    if extension == "png":
        return b"IEND" in data[-64:]
    if extension == "jpg":
        return b"\xff\xd9" in data[-4096:]
    return len(data) >= int.from_bytes(data[4:8], "little") + 8
