"""Whole files, written at once: a reader sees the old file or the new one, never half of either.

Lives here: the one way this package writes a file, on a disk or in an object store; what a failed write means in
words; how a place is named in records. Does not live here: what the bytes are (``outputs``, ``images``).
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import SettingsError

_LOCAL_PROTOCOLS = {"", "file", "local"}
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
        path.unlink()
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
    try:
        try:
            path.fs.pipe_file(path.path, data)
        except FileNotFoundError:  # a remote file system that has real folders
            path.fs.makedirs(path.parent.path, exist_ok=True)
            path.fs.pipe_file(path.path, data)
    except Exception as error:  # each object store has its own error classes
        raise SettingsError(
            f"Cannot write {path.name!r} to {as_location(path.parent)}: {error or type(error).__name__}. "
            "Check that the place exists and that this machine may write there."
        ) from error


def _sentence(path: UPath, error: OSError, verb: str = "write") -> str:
    advice = _ADVICE.get(error.errno or 0, f"{error.strerror or error}; make it writable {_ELSEWHERE}")
    return f"Cannot {verb} {path.name!r} in the folder {as_location(path.parent)}: {advice}."
