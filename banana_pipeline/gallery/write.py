"""Writing the page so that whoever opens it, at any moment, sees a whole one.

Lives here: the order of writing and what may be removed. Does not live here: the content (``index``, ``page.html``).

Every file but ``index.html`` is named by its content and never changes. They are all in place before ``index.html`` is
replaced; what it named before stays for those who have it open, and goes with the next change.
"""

import re
import time
from dataclasses import dataclass
from importlib.resources import files as package_files

from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.gallery.index import GalleryIndex, PageFile, named
from banana_pipeline.store.files import as_location, remove_file, write_bytes

SCRIPTS = ("dom", "data", "view", "controls", "card", "grid", "large", "page")
_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}\.(?:js|css)")
_GRACE_S = 600.0


@dataclass(frozen=True, kw_only=True)
class WrittenGallery:
    """A gallery as it was written.

    Attributes:
        path: absolute path or full URI of ``index.html``.
        size_bytes: of all its files, without the pictures.
    """

    path: str
    pictures: int
    row_count: int
    size_bytes: int


def page_in(root: UPath) -> UPath:
    """Where the gallery of a data folder is opened."""
    return root / "gallery" / "index.html"


def write_gallery(root: UPath, index: GalleryIndex, *, grace_s: float = _GRACE_S) -> WrittenGallery:
    """Write ``<root>/gallery/index.html`` and its files.

    Args:
        root: the data folder or its URI.
        index: the rows to show.
        grace_s: younger files are never removed: another process may be about to name them.

    Raises:
        SettingsError: the place cannot be written.
        TableError: an output file is damaged.
    """
    page_path = page_in(root)
    folder = page_path.parent
    size_bytes = 0
    page_files = _page_files()
    for file in page_files:
        size_bytes += _put(folder, file)
    names = [file.name for file in page_files]
    for file in index.files():
        size_bytes += _put(folder, file)
        names.append(file.name)
    before = _text(page_path)
    page = _page(page_files, manifest=names[-1])
    if page != before:
        write_bytes(page_path, page.encode())
        _tidy(folder, {*names, *_named_by(folder, before)}, grace_s)
    return WrittenGallery(
        path=as_location(page_path),
        pictures=index.pictures,
        row_count=index.row_count,
        size_bytes=size_bytes + len(page),
    )


def _page_files() -> list[PageFile]:
    here = package_files("banana_pipeline.gallery")
    sources = [("style", "css"), *((name, "js") for name in SCRIPTS)]
    return [named(stem, (here / f"{stem}.{extension}").read_bytes(), extension) for stem, extension in sources]


def _page(files: list[PageFile], *, manifest: str) -> str:
    template = (package_files("banana_pipeline.gallery") / "page.html").read_text("utf-8")
    style, *scripts, last = (file.name for file in files)
    tags = "\n".join(f'<script src="files/{name}" defer></script>' for name in [*scripts, manifest, last])
    return template.replace("{style}", f"files/{style}").replace("{scripts}", tags)


def _put(folder: UPath, file: PageFile) -> int:
    # Written again even if it is there: a fresh time keeps it from being tidied away.
    write_bytes(folder / "files" / file.name, file.data, is_durable=False)
    return len(file.data)


def _named_by(folder: UPath, page: str) -> set[str]:
    """Every file that a page needs: those it names, and those that its manifest names."""
    names = set(_NAME.findall(page))
    manifests = [name for name in names if name.startswith("manifest-")]
    return names.union(*(_NAME.findall(_text(folder / "files" / name)) for name in manifests))


def _tidy(folder: UPath, kept: set[str], grace_s: float) -> None:
    until_s = time.time() - grace_s
    for path in (folder / "files").iterdir():
        if _NAME.fullmatch(path.name) and path.name not in kept and _changed_s(path) <= until_s:
            try:
                remove_file(path)
            except SettingsError:  # the gallery is whole; what is left goes next time
                return


def _changed_s(path: UPath) -> float:
    try:
        return float(path.stat().st_mtime or 0.0)
    except OSError:
        return time.time()


def _text(path: UPath) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
