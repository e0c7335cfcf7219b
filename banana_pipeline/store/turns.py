"""Turns: only one process of this machine, or of those that share its disk, works on one thing at a time.

Lives here: locks by name, many in one file. Does not live here: what is done in a turn (``archive``).

A lock ends with its process, however that dies. Object stores have no such thing: there everyone has every turn.
"""

import hashlib
import os
from types import TracebackType

from upath import UPath

from banana_pipeline.store.files import is_local, local_path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Turns:
    """Locks by name for one folder. Use one object per process and folder, as a context manager.

    The system forgets all locks of a file when a process closes it anywhere, so the file is opened once.
    """

    def __init__(self, folder: UPath) -> None:
        self._folder = folder
        self._file: int | None = None

    def __enter__(self) -> "Turns":
        if fcntl is not None and is_local(self._folder):
            folder = local_path(self._folder)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(folder / ".archive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:  # whoever may not write here learns it from the first file
                self._file = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def take(self, name: str) -> bool:
        """Try to take the turn for ``name``; False while another process has it. Within this process it is no lock."""
        if self._file is None or fcntl is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except BlockingIOError:
            return False
        except OSError:  # a disk without locks (some network shares): as in an object store
            return True
        return True

    def give(self, name: str) -> None:
        """End the turn."""
        if self._file is not None and fcntl is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(name))


def _place(name: str) -> int:
    # One byte of the file for each name; the file itself stays empty. Two names that meet only wait for each other.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
