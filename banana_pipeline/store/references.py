"""Reference images as prompt tables name them: links, and paths of local files.

Lives here: which entries may be used, in words where not, and getting a file's bytes again later, unchanged. Does not
live here: fetching links (KIE does) and uploading files (``uploads``).

A prompt table is strangers' input: no entry may reach a file outside the two folders that are meant for it.
"""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from urllib.parse import urlsplit

from upath import UPath

from banana_pipeline.core.failures import ReadFailed
from banana_pipeline.core.requests import MAX_IMAGE_BYTES, ReferenceImage
from banana_pipeline.core.row_values import EmbeddedImage
from banana_pipeline.store.embedded_images import embedded_name, is_embedded, keep_embedded, read_embedded
from banana_pipeline.store.files import is_local, local_path

MAX_URL_CHARACTERS = 2_000
# At least two letters, so that a Windows drive is no scheme; "a:b.png" without slashes may well be a file's name.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://|(file|data|ftp|blob|mailto|javascript|about|http|https):", re.I)


def reference_folders(table: Path | UPath, data_dir: Path | UPath) -> tuple[Path, ...]:
    """The folders in which a table's reference images may lie: the one the table is in, and ``<data>/reference``.

    Args:
        table: the Parquet file, or the folder of parts.
        data_dir: the data folder. Folders in object stores are left out: paths are for files of this machine.
    """
    folders = (UPath(table).parent, UPath(data_dir) / "reference")
    return tuple(local_path(folder) for folder in folders if is_local(folder))


class ReferenceResolver:
    """Looks up ``image_input`` entries of one table: a `core.rows.Resolver`.

    A file is hashed once for each (path, size, time of change).

    Args:
        folders: where files may lie, in the order in which relative paths are tried.
        keep_in: ``<data>/reference``, where pictures that stand in the table are kept; by default only checked.
    """

    def __init__(self, folders: Sequence[Path], keep_in: UPath | None = None) -> None:
        self.folders = tuple(folders)
        self._keep_in = keep_in
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._kept: set[str] = set()

    def __call__(self, entry: str | EmbeddedImage) -> ReferenceImage | str:
        """The checked reference, or a sentence that says what is wrong with ``entry``."""
        if isinstance(entry, EmbeddedImage):
            return self._embedded(entry)
        scheme = _SCHEME.match(entry.strip())
        if scheme is None:
            return self._local(entry)
        name = (scheme[1] or scheme[2]).lower()
        if name not in {"http", "https"}:
            return f"image_input {_shown(entry)} is a {name}: address; use an https link or a path"
        problem = _link_problem(entry)
        return ReferenceImage(source=entry) if problem is None else f"image_input {problem}"

    def _local(self, entry: str) -> ReferenceImage | str:
        path = find_file(entry, self.folders)
        if isinstance(path, str):
            return path
        if path.is_dir():
            return f"image_input {_shown(entry)} is a folder; name the image in it"
        try:
            with _opened(path, self.folders) as file:
                problem = _file_problem(file)
                if problem is None:
                    return ReferenceImage(source=entry, sha256=self._hash(path, file))
        except OSError as error:
            problem = f"cannot be read ({error.strerror or error})"
        return f"image_input {_shown(entry)} {problem}"

    def _embedded(self, image: EmbeddedImage) -> ReferenceImage | str:
        problem = _size_problem(len(image.data)) or _picture_problem(image.data[:12])
        if problem is not None:
            return f"image_input picture {_shown(image.path) if image.path else 'in the table'} {problem}"
        sha256 = hashlib.sha256(image.data).hexdigest()
        name = embedded_name(sha256, image.data)
        if self._keep_in is not None and sha256 not in self._kept:
            keep_embedded(self._keep_in / name, image.data)
            self._kept.add(sha256)
        return ReferenceImage(source=name, sha256=sha256)

    def _hash(self, path: Path, file: BufferedReader) -> str:
        found = os.fstat(file.fileno())
        key = (str(path), found.st_size, found.st_mtime_ns)
        if key not in self._hashes:
            self._hashes[key] = _sha256(file)
        return self._hashes[key]


def find_file(entry: str, folders: Sequence[Path]) -> Path | str:
    """The file behind a path in a table, symbolic links followed, or a sentence that says why there is none."""
    if not folders:
        return f"image_input {_shown(entry)} is a path, but the tables are not on this machine; use an https link"
    is_outside = False
    for folder in folders:
        try:
            root = folder.resolve()
            path = (root / entry).resolve()
            if not path.is_relative_to(root) and not _is_in(path, folders):
                is_outside = True
            elif path.exists():
                return path
        except (OSError, ValueError, RuntimeError):  # NUL, a name that is too long, links in a circle
            return f"image_input {_shown(entry)} cannot be a path"
    if is_outside:
        return f"image_input {_shown(entry)} lies outside {_named(folders)}; put the file into one of these folders"
    hint = "; write paths with / instead of \\" if "\\" in entry else ""
    return f"image_input {_shown(entry)} does not exist in {_named(folders)}{hint}"


def reference_path(image: ReferenceImage, folders: Sequence[Path]) -> Path:
    """The file of a local reference, if its bytes are still those that were checked.

    Raises:
        ReadFailed: it is gone, has moved outside the folders, or has changed.
    """
    return _read(image, folders)[0]


def reference_bytes(image: ReferenceImage, folders: Sequence[Path], kept_in: UPath | None = None) -> bytes:
    """The bytes of a local reference, exactly those that were checked: what to upload.

    Args:
        image: what the table says.
        folders: as of `ReferenceResolver`.
        kept_in: its ``keep_in``; needed where the data folder is an object store.

    Raises:
        ReadFailed: as `reference_path`.
    """
    if kept_in is not None and is_embedded(image):
        return read_embedded(image, kept_in)
    return _read(image, folders)[1]


def _read(image: ReferenceImage, folders: Sequence[Path]) -> tuple[Path, bytes]:
    path = find_file(image.source, folders)
    if isinstance(path, str):
        raise ReadFailed(path)
    try:
        with _opened(path, folders) as file:
            data = file.read(MAX_IMAGE_BYTES + 1) if _is_regular(file) else b""
    except OSError as error:
        raise ReadFailed(f"image_input {_shown(image.source)} cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise ReadFailed(_changed(image))
    return path, data


@contextlib.contextmanager
def _opened(path: Path, folders: Sequence[Path]) -> Iterator[BufferedReader]:
    """A file that `find_file` found, opened without following any link.

    Its path has no links any more: one that is met now was put there in between, to lead outside. A pipe put there must
    not make us wait for somebody who writes into it.
    """
    if os.open not in os.supports_dir_fd:  # Windows, where making a link takes special rights
        with path.open("rb") as file:
            yield file
        return
    root = next((root for root in (folder.resolve() for folder in folders) if path.is_relative_to(root)), path.parent)
    with contextlib.ExitStack() as stack:
        place: int | None = None
        *inner, name = path.relative_to(root).parts
        for step in (root, *inner):
            place = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            stack.callback(os.close, place)
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        yield stack.enter_context(os.fdopen(opened, "rb"))


def _changed(image: ReferenceImage) -> str:
    return f"image_input {_shown(image.source)} has changed since it was checked; materialize the prompts again"


def _is_in(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)


def _link_problem(entry: str) -> str | None:
    if len(entry) > MAX_URL_CHARACTERS:
        return f"link {_shown(entry)} has {len(entry):,} characters; at most {MAX_URL_CHARACTERS:,} are allowed"
    if any(character.isspace() or not character.isprintable() for character in entry):
        return f"link {_shown(entry)} contains blanks; write %20 for a blank inside"
    try:
        parts = urlsplit(entry)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return f"link {_shown(entry)} is not a valid address"
    if not has_host:
        return f"link {_shown(entry)} names no host"
    if "@" in parts.netloc:
        return f"link to {parts.hostname} contains a user name or password; use a link that works without"
    return None


def _file_problem(file: BufferedReader) -> str | None:
    if not _is_regular(file):
        return "is not a regular file"
    return _size_problem(os.fstat(file.fileno()).st_size) or _picture_problem(file.read(12))


def _size_problem(size_bytes: int) -> str | None:
    if size_bytes > MAX_IMAGE_BYTES:
        return f"has {size_bytes / 1024**2:,.1f} MB; at most {MAX_IMAGE_BYTES // 1024**2} MB are allowed"
    return "is an empty file" if size_bytes == 0 else None


def _picture_problem(head: bytes) -> str | None:
    return None if _is_picture(head) else "is not a JPEG, PNG or WebP image"


def _is_regular(file: BufferedReader) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _is_picture(head: bytes) -> bool:
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp or head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def _sha256(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _named(folders: Sequence[Path]) -> str:
    return " or ".join(str(Path(folder.absolute().parent.name, folder.name)) for folder in folders)


def _shown(entry: str) -> str:
    text = repr(entry)
    return text if len(text) <= 80 else text[:77] + "..."
