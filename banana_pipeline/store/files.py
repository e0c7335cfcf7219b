"""Whole files, written at once: a reader sees the old file or the new one, never half of either.

Lives here: the one way this package writes a file, on a disk or in an object store, and reads a whole one back; what a
failure means in words; how a place is named in records. Does not live here: what the bytes are (``outputs``,
``images``).
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec.config
from upath import UPath

from banana_pipeline.core.failures import SettingsError

_LOCAL_PROTOCOLS = {"", "file", "local"}
_S3_PROTOCOLS = {"s3", "s3a"}

# Listings and sizes that fsspec remembers are never asked for again: what another process has written would not be
# seen here, and a file that it has replaced could not be read any more.
_BUCKET_PROTOCOLS = {*_S3_PROTOCOLS, "gs", "gcs", "abfs", "az"}
for _protocol in _BUCKET_PROTOCOLS:
    fsspec.config.conf.setdefault(_protocol, {}).setdefault("use_listings_cache", False)

_PACKAGES = {
    **dict.fromkeys(_S3_PROTOCOLS, "banana-pipeline[s3]"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "fsspec[http]"),
    "hf": "huggingface_hub",
}
_ELSEWHERE = "or set BANANA_DATA_DIR to another place"
_ADVICE = {
    errno.EACCES: f"it may not be written by this user; allow it {_ELSEWHERE}",
    errno.EPERM: f"it may not be written by this user; allow it {_ELSEWHERE}",
    errno.EROFS: f"the disk is read-only; make it writable {_ELSEWHERE}",
    errno.ENOSPC: f"the disk is full; free some space {_ELSEWHERE}",
    errno.EDQUOT: f"the disk quota is used up; free some space {_ELSEWHERE}",
    errno.ENOTDIR: f"a file stands where a folder is needed; move it away {_ELSEWHERE}",
    errno.EEXIST: f"a file stands where a folder is needed; move it away {_ELSEWHERE}",
    errno.EISDIR: f"a folder stands where the file is needed; move it away {_ELSEWHERE}",
    errno.ENAMETOOLONG: "the name is too long for this disk; give the prompt table a shorter name",
}


def is_local(path: Path | UPath) -> bool:
    """True for a path on a disk of this machine, False for an object store or another remote place."""
    return not isinstance(path, UPath) or path.protocol in _LOCAL_PROTOCOLS


def local_path(path: Path | UPath) -> Path:
    """The plain `Path` behind a local ``path``."""
    return Path(path.path) if isinstance(path, UPath) else path


def as_location(path: Path | UPath) -> str:
    """How a record names a place: an absolute path on this machine, or a full URI such as ``s3://bucket/key``."""
    return str(local_path(path).absolute()) if is_local(path) else str(path)


def check_place(root: UPath) -> None:
    """Raises SettingsError if what is needed to reach ``root`` is not installed."""
    if not is_local(root):
        _file_system(root)


def read_bytes(path: UPath) -> bytes:
    """A whole file. From an object store in one GET: what is replaced meanwhile comes as it was or as it is.

    Raises:
        OSError: there is none, or a disk cannot be read.
        SettingsError: the object store cannot be read; the text says why.
    """
    if is_local(path):
        return local_path(path).read_bytes()
    with _remote_errors(path, "read"):
        return bytes(_file_system(path).cat_file(path.path))


def has_file(path: UPath) -> bool:
    """True if there is a file; raises as `read_bytes`."""
    if is_local(path):
        return local_path(path).is_file()
    with _remote_errors(path, "read"):
        return bool(_file_system(path).isfile(path.path))


def size_bytes(path: UPath) -> int:
    """Size of a file; raises as `read_bytes`."""
    if is_local(path):
        return local_path(path).stat().st_size
    with _remote_errors(path, "read"):
        return int(_file_system(path).size(path.path))


def modified_at(path: UPath) -> datetime:
    """When a file was written (UTC); raises as `read_bytes`."""
    if is_local(path):
        return datetime.fromtimestamp(local_path(path).stat().st_mtime, UTC)
    with _remote_errors(path, "read"):
        return _file_system(path).modified(path.path).astimezone(UTC)


def listed(folder: UPath) -> list[UPath]:
    """What is in a folder; nothing if there is none. Raises as `read_bytes`."""
    if is_local(folder):
        return list(folder.iterdir()) if folder.is_dir() else []
    with _remote_errors(folder, "read"):
        try:
            names = _file_system(folder).ls(folder.path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
    # Some stores list a folder's own marker among its content.
    return [folder / name for name in sorted({str(it).rstrip("/").rsplit("/", 1)[-1] for it in names} - {folder.name})]


def write_bytes(path: UPath, data: bytes | memoryview, *, is_durable: bool = True) -> None:
    """Put ``data`` at ``path``, making folders as needed and replacing what is there in one step.

    On a disk: a temporary file in the same folder, fsync, rename, fsync of the folder. In an object store: one PUT.

    Args:
        path: where to.
        data: the whole content.
        is_durable: False leaves out both fsyncs, for files that can be made again at no cost.

    Raises:
        SettingsError: it cannot be written; the text names the folder and says what to do.
    """
    if not is_local(path):
        _put(path, bytes(data))
        return
    try:
        _replace(local_path(path), data, is_durable=is_durable)
    except OSError as error:
        raise SettingsError(_sentence(path, error)) from error


def remove_file(path: UPath) -> bool:
    """Take a file away; False if there was none.

    Raises:
        SettingsError: it cannot be removed; the text names the folder and says what to do.
    """
    try:
        if is_local(path):
            path.unlink()
        elif not has_file(path):
            return False
        else:
            with _remote_errors(path, "remove"):
                _file_system(path).rm_file(path.path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SettingsError(_sentence(path, error, "remove")) from error
    return True


def _replace(path: Path, data: bytes | memoryview, *, is_durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that nobody who lists the folder takes it for a finished file.
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, data, is_durable=is_durable)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if is_durable and os.name == "posix":
        _sync_folder(path.parent)


def _write_new(path: Path, data: bytes | memoryview, *, is_durable: bool) -> None:
    with path.open("xb") as file:
        file.write(data)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(path: UPath, data: bytes) -> None:
    with _remote_errors(path, "write"):
        files = _file_system(path)
        try:
            files.pipe_file(path.path, data)
        except FileNotFoundError:
            # A file system with real folders. A bucket that is not there is a mistake, and none is made by itself.
            if path.protocol in _BUCKET_PROTOCOLS:
                raise
            files.makedirs(path.parent.path, exist_ok=True)
            files.pipe_file(path.path, data)


def _file_system(path: UPath) -> Any:
    try:
        return path.fs
    except ImportError as error:
        package = _PACKAGES.get(path.protocol) or error.name or f"fsspec[{path.protocol}]"
        raise SettingsError(
            f"{as_location(path)} needs a package that is not installed: pip install '{package}'"
        ) from error


@contextlib.contextmanager
def _remote_errors(path: UPath, verb: str) -> Iterator[None]:
    """Each object store has its own error classes; only "there is none" keeps its own, for readers."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        if verb == "read" and isinstance(error, FileNotFoundError):
            raise
        place = f"to {as_location(path.parent)}" if verb == "write" else f"in {as_location(path.parent)}"
        raise SettingsError(
            f"Cannot {verb} {path.name!r} {place}: {error or type(error).__name__}. "
            f"Check that the place exists and that this machine may {verb} there."
        ) from error


def _sentence(path: UPath, error: OSError, verb: str = "write") -> str:
    advice = _ADVICE.get(error.errno or 0, f"{error.strerror or error}; make it writable {_ELSEWHERE}")
    return f"Cannot {verb} {path.name!r} in the folder {as_location(path.parent)}: {advice}."
