"""Small copies of the reference images, kept beside the pictures that were made from them.

Lives here: where they are, and making those that are missing. Does not live here: which files may be used
(``references``), and the page that shows them (``gallery``).

    <root>/thumbnails/references/<first 2 hex>/<sha256 of the reference>.webp

Named by the content that was sent: when a file is replaced later, what stands beside the old pictures stays true.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import BananaError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.files import has_file, write_bytes
from banana_pipeline.store.picture_bytes import preview
from banana_pipeline.store.references import reference_bytes

PREVIEW_PX = 768
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ReferencePreviews:
    """The previews below ``root`` (the data folder, or a URI)."""

    root: UPath
    _kept: dict[tuple[str, Sequence[Path]], UPath | None] = field(default_factory=dict, repr=False)

    def keep(self, image: ReferenceImage, folders: Sequence[Path]) -> UPath | None:
        """Where the preview of a local reference is; it is made if it is not there yet.

        Args:
            image: as it was checked. Hashes come back through tables that others can write: none names another place.
            folders: where the file may lie.

        Returns:
            None for a link, and where neither the preview nor the unchanged file is there any more.
        """
        sha256 = image.sha256
        if sha256 is None or not _SHA256.fullmatch(sha256):
            return None
        key = (sha256, tuple(folders))
        if key not in self._kept:
            self._kept[key] = self._made(image, self._path(sha256), folders)
        return self._kept[key]

    def _path(self, sha256: str) -> UPath:
        return self.root / "thumbnails" / "references" / sha256[:2] / f"{sha256}.webp"

    def _made(self, image: ReferenceImage, path: UPath, folders: Sequence[Path]) -> UPath | None:
        if has_file(path):
            return path
        try:
            write_bytes(path, preview(reference_bytes(image, folders), PREVIEW_PX), is_durable=False)
        except BananaError:  # a page without it is still a page
            return None
        return path
