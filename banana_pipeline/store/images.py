"""The archive of pictures: bytes that were paid for, checked, hashed, measured and kept.

Lives here: where pictures and thumbnails are, and what counts as a picture (the bytes decide, never a name or header).
Does not live here: downloading (``archive``), the ``images`` table (``output_tables``).

    <root>/images/<first 2 hex>/<request_id>[-<index>].<ext>      <root>/thumbnails/<first 2 hex>/<request_id>.webp
"""

import hashlib
import io
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from PIL import Image
from upath import UPath

from banana_pipeline.core.failures import BananaError
from banana_pipeline.store.files import as_location, is_local, local_path, write_bytes

MAX_PIXELS = 89_000_000
"""Five times the largest picture sold (6336 x 2688), and below the size at which Pillow itself warns of bombs."""

THUMBNAIL_PX = 256
_EXTENSION_OF = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}
_EXTENSIONS = ("png", "jpg", "webp")


class BadImage(BananaError):
    """The bytes are not a complete picture in a known format. The text is one plain sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedImage:
    """One picture in the archive; the names are those of the ``images`` table.

    Attributes:
        image_path, thumbnail_path: absolute path or full URI; no thumbnail where none could be made.
        image_sha256: hex digest of the bytes.
        image_bytes: size of the file.
        image_format: ``png``, ``jpg`` or ``webp``, by the bytes.
        width_px, height_px: as stored.
        archived_at: UTC.
    """

    image_path: str
    thumbnail_path: str | None
    image_sha256: str
    image_bytes: int
    image_format: str
    width_px: int
    height_px: int
    archived_at: datetime

    def record(self) -> dict[str, object]:
        """Column name to value, for `output_tables.images_table`."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    format: str
    width_px: int
    height_px: int
    thumbnail: bytes | None


@dataclass(frozen=True)
class ImageArchive:
    """The pictures below ``root`` (the data folder, or a URI)."""

    root: UPath

    def image_path(self, request_id: str, index: int, ext: str) -> UPath:
        """Where the ``index``-th picture of a request is, in the format ``ext``."""
        return self.root / "images" / request_id[:2] / f"{_stem(request_id, index)}.{ext}"

    def thumbnail_path(self, request_id: str, index: int = 0) -> UPath:
        """Where its thumbnail is: WebP, at most 256 pixels wide and high."""
        return self.root / "thumbnails" / request_id[:2] / f"{_stem(request_id, index)}.webp"

    def find(self, request_id: str, index: int) -> ArchivedImage | None:
        """The picture if it is here and whole, measured again from its bytes; a missing thumbnail is made again.

        ``archived_at`` is the time the file was written. A damaged file counts as missing.
        """
        for ext in _EXTENSIONS:
            path = self.image_path(request_id, index, ext)
            try:
                data = path.read_bytes()
                at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                has_thumbnail = self.thumbnail_path(request_id, index).is_file()
                measured = _measure(data, with_thumbnail=not has_thumbnail)
            except (OSError, BadImage):
                continue
            if _is_whole(data, measured.format) or _can_be_decoded(data):
                return self._described(request_id, index, path, data, measured, at, has_thumbnail=has_thumbnail)
        return None

    def store(self, request_id: str, index: int, data: bytes, at: datetime) -> ArchivedImage:
        """Check ``data`` and keep it; replaces what is there in one step.

        Args:
            request_id, index: which result.
            data: the whole file as it came.
            at: now, UTC.

        Raises:
            BadImage: not a PNG, JPEG or WebP picture, not complete, or too large to be one of ours.
            SettingsError: the archive cannot be written.
        """
        measured = _measure(data, with_thumbnail=True)
        path = self.image_path(request_id, index, measured.format)
        write_bytes(path, data)
        if is_local(path):
            # `find` tells the time of archiving by the file's own; both must agree, or the second look is a change.
            at_ns = round(at.timestamp() * 1e6) * 1_000
            os.utime(local_path(path), ns=(at_ns, at_ns))
        return self._described(request_id, index, path, data, measured, at, has_thumbnail=False)

    def _described(
        self,
        request_id: str,
        index: int,
        path: UPath,
        data: bytes,
        measured: _Measured,
        at: datetime,
        *,
        has_thumbnail: bool,
    ) -> ArchivedImage:
        thumbnail = self.thumbnail_path(request_id, index)
        has_thumbnail = has_thumbnail or _keep_thumbnail(thumbnail, measured.thumbnail)
        return ArchivedImage(
            image_path=as_location(path),
            thumbnail_path=as_location(thumbnail) if has_thumbnail else None,
            image_sha256=hashlib.sha256(data).hexdigest(),
            image_bytes=len(data),
            image_format=measured.format,
            width_px=measured.width_px,
            height_px=measured.height_px,
            archived_at=at,
        )


def _stem(request_id: str, index: int) -> str:
    return request_id if index == 0 else f"{request_id}-{index}"


def _keep_thumbnail(path: UPath, data: bytes | None) -> bool:
    if data is None:
        return False
    try:
        write_bytes(path, data, is_durable=False)
    except BananaError:  # the picture itself is safe, and the next look at it tries again
        return False
    return True


def _measure(data: bytes, *, with_thumbnail: bool) -> _Measured:
    """Open the bytes; decode all of them only where a thumbnail is wanted, which also proves that they are complete."""
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
        thumbnail = _decoded_thumbnail(image) if with_thumbnail else None
        extension = _EXTENSION_OF[image.format or ""]
    return _Measured(format=extension, width_px=width_px, height_px=height_px, thumbnail=thumbnail)


def _decoded_thumbnail(image: Image.Image) -> bytes | None:
    try:
        # A JPEG is decoded at a fraction of its size, but still to its last byte.
        image.draft("RGB", (THUMBNAIL_PX * 2, THUMBNAIL_PX * 2))
        image.load()
    except Exception as error:  # as above
        raise BadImage("the picture is damaged or was cut off") from error
    try:
        return _webp(image)
    except Exception:  # a picture without a thumbnail is still a picture
        return None


def _webp(image: Image.Image) -> bytes:
    has_alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    # reducing_gap lets Pillow shrink by whole steps first: several times faster, no difference to the eye.
    small = image.convert("RGBA" if has_alpha else "RGB") if image.mode not in {"RGB", "RGBA"} else image
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), reducing_gap=2.0)
    sink = io.BytesIO()
    small.save(sink, "WEBP", quality=80, method=2)
    return sink.getvalue()


def _can_be_decoded(data: bytes) -> bool:
    try:
        _measure(data, with_thumbnail=True)
    except BadImage:
        return False
    return True


def _is_whole(data: bytes, extension: str) -> bool:
    """A cheap look at the end of a file that was whole when it was written."""
    if extension == "png":
        return b"IEND" in data[-64:]
    if extension == "jpg":
        return b"\xff\xd9" in data[-4096:]
    return len(data) >= int.from_bytes(data[4:8], "little") + 8
