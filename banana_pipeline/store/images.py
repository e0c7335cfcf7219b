"""The archive of pictures: bytes that were paid for, checked, hashed, measured and kept.

Lives here: where pictures and thumbnails are, keeping them, finding them again. Does not live here: what counts as a
picture (``picture_bytes``), downloading (``archive``), the ``images`` table (``output_tables``).

    <root>/images/<first 2 hex>/<request_id>[-<index>].<ext>      <root>/thumbnails/<first 2 hex>/<request_id>.webp
"""

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from datetime import datetime

from upath import UPath

from banana_pipeline.core.failures import BananaError
from banana_pipeline.store.files import (
    as_location,
    check_place,
    has_file,
    is_local,
    local_path,
    modified_at,
    read_bytes,
    size_bytes,
    write_bytes,
)
from banana_pipeline.store.picture_bytes import (
    BadImage,
    Measured,
    can_be_decoded,
    has_content_credentials,
    is_whole,
    measure,
    perceptual_hash,
)

_EXTENSIONS = ("png", "jpg", "webp")
_OWN_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")


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
        has_content_credentials, perceptual_hash: as ``picture_bytes`` finds them; None in older records.
    """

    image_path: str
    thumbnail_path: str | None
    image_sha256: str
    image_bytes: int
    image_format: str
    width_px: int
    height_px: int
    archived_at: datetime
    has_content_credentials: bool | None = None
    perceptual_hash: str | None = None

    def record(self) -> dict[str, object]:
        """Column name to value, for `output_tables.images_table`."""
        return asdict(self)


@dataclass(frozen=True)
class ImageArchive:
    """The pictures below ``root`` (the data folder, or a URI)."""

    root: UPath

    def __post_init__(self) -> None:
        check_place(self.root)

    def image_path(self, request_id: str, index: int, ext: str) -> UPath:
        """Where the ``index``-th picture of a request is, in the format ``ext``."""
        return self.root / "images" / request_id[:2] / f"{_stem(request_id, index)}.{ext}"

    def thumbnail_path(self, request_id: str, index: int = 0) -> UPath:
        """Where its thumbnail is: WebP, at most 256 pixels wide and high."""
        return self.root / "thumbnails" / request_id[:2] / f"{_stem(request_id, index)}.webp"

    def find(self, request_id: str, index: int, known: ArchivedImage | None = None) -> ArchivedImage | None:
        """The picture if it is here and whole, measured again from its bytes; a missing thumbnail is made again.

        ``archived_at`` is the time the file was written. A damaged file counts as missing.

        Args:
            request_id, index: which result.
            known: what was written down about it before. It is returned without reading the picture if the file still
                has that size and, on a disk, that time.

        Raises:
            SettingsError: the object store cannot be read.
        """
        if known is not None and self._is_as_known(request_id, index, known):
            return known
        for ext in _EXTENSIONS:
            path = self.image_path(request_id, index, ext)
            try:
                data = read_bytes(path)
                at = modified_at(path)
                has_thumbnail = has_file(self.thumbnail_path(request_id, index))
                measured = measure(data, with_thumbnail=not has_thumbnail)
            except (OSError, BadImage):
                continue
            if is_whole(data, measured.format) or can_be_decoded(data):
                return self._described(request_id, index, path, data, measured, at, has_thumbnail=has_thumbnail)
        return None

    def _is_as_known(self, request_id: str, index: int, known: ArchivedImage) -> bool:
        if known.image_format not in _EXTENSIONS:
            return False
        path, thumbnail = self.image_path(request_id, index, known.image_format), self.thumbnail_path(request_id, index)
        if (known.image_path, known.thumbnail_path) != (as_location(path), as_location(thumbnail)):
            return False
        try:
            is_same = size_bytes(path) == known.image_bytes and has_file(thumbnail)
            # An object store's own time is another than ours, and its objects are always whole.
            return is_same and (not is_local(path) or modified_at(path) == known.archived_at)
        except OSError:
            return False

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
        measured = measure(data, with_thumbnail=True)
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
        measured: Measured,
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
            has_content_credentials=has_content_credentials(data),
            perceptual_hash=_hash_of(thumbnail) if has_thumbnail else None,
        )


def _stem(request_id: str, index: int) -> str:
    # Ids are ours, but they come back through tables that others can write: none may lead out of the archive.
    if not _OWN_ID.fullmatch(request_id):
        raise BadImage(f"{request_id[:40]!r} cannot name a picture; materialize the generations again")
    return request_id if index == 0 else f"{request_id}-{index}"


def _hash_of(thumbnail: UPath) -> str | None:
    """Of the thumbnail as it is kept, so that a second look at the picture finds the same."""
    try:
        return perceptual_hash(read_bytes(thumbnail))
    except (OSError, BananaError):
        return None


def _keep_thumbnail(path: UPath, data: bytes | None) -> bool:
    if data is None:
        return False
    try:
        write_bytes(path, data, is_durable=False)
    except BananaError:  # the picture itself is safe, and the next look at it tries again
        return False
    return True
