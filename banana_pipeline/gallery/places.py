"""Where pictures are, as the page names them: a path below the data folder, percent-encoded, or nothing.

Lives here: which files the page may show. Does not live here: looking for rows (``entries``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from upath import UPath

from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.files import as_location, is_local, local_path
from banana_pipeline.store.reference_previews import ReferencePreviews

_PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Places:
    """The data folder, and the folders that hold each table's reference images.

    Attributes:
        root: the data folder or its URI.
        folders: for each prompt table where its local reference images may lie; of a table that is not there any more
            only ``<data>/reference`` is known.
    """

    root: UPath
    folders: Mapping[str, Sequence[Path]] = field(default_factory=dict)

    def below(self, location: str | None) -> str | None:
        """The path of a picture relative to the data folder; None if it lies elsewhere or is no picture.

        A table can name any file. The page shows none but pictures of this data folder.
        """
        if not location:
            return None
        for root in self._roots:
            if location.startswith(f"{root}/"):
                return _encoded(location[len(root) + 1 :])
        return None

    def reference(self, table: str, image: ReferenceImage) -> dict[str, str]:
        """A reference image: ``{"url"}`` for a link, ``{"path", "name"}`` for a file, or only its ``{"name"}``."""
        if _is_link(image.source):
            return {"url": image.source}
        name = PurePosixPath(image.source).name or image.source
        kept = self._previews.keep(image, self.folders.get(table, self._common_folders()))
        path = None if kept is None else self.below(as_location(kept))
        return {"name": name} if path is None else {"name": name, "path": path}

    @cached_property
    def _previews(self) -> ReferencePreviews:
        return ReferencePreviews(self.root)

    def _common_folders(self) -> tuple[Path, ...]:
        return (local_path(self.root) / "reference",) if is_local(self.root) else ()

    @cached_property
    def _roots(self) -> set[str]:
        roots = {as_location(self.root).rstrip("/")}
        if is_local(self.root):  # the data folder may be reached through a symbolic link
            roots.add(str(local_path(self.root).resolve()))
        return roots


def _encoded(path: str) -> str | None:
    parts = path.split("/")
    if any(part in {"", ".", ".."} or "\\" in part for part in parts):
        return None
    if PurePosixPath(path).suffix.lower() not in _PICTURES:
        return None
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in parts)


def _is_link(entry: str) -> bool:
    try:
        parts = urlsplit(entry.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(parts.netloc)
