"""Standard output and standard error that cannot end a command.

Lives here: whatever a terminal, a pipe or a file behind them may do: an encoding without our letters, a reader who has
left, a full disk, no stream at all. Does not live here: what is said.

A command that has bought goes on to its end, archives and writes its outputs, also where nobody reads any more.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_ENCODING_OF_NOTHING = "utf-8"


class Sink(io.RawIOBase):
    """Bytes for a stream that may fail. After a failure they go nowhere, and ``error`` says why."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self.error: Exception | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left and self.error is None:
            left = left[self._written(left) :]
        return size

    def flush(self) -> None:
        if self.error is None and not self._raw.closed:
            self._attempt(self._raw.flush)

    def _written(self, data: memoryview) -> int:
        count = self._attempt(self._raw.write, data)
        if count is None and self.error is None:  # a terminal that takes nothing now, and would not make us wait
            self._attempt(select.select, [], [self._raw], [], 1.0)
            return 0
        return count or 0

    def _attempt(self, do: Any, *args: Any) -> Any:
        try:
            return do(*args)
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            self.error = error
            return None


@contextlib.contextmanager
def patient_streams() -> Iterator[None]:
    """While the block runs, nothing that is printed can raise. What a full disk did not take is told at the end."""
    _open_descriptors()
    before = sys.stdout, sys.stderr
    out, err = (_sink_of(stream) for stream in before)
    sys.stdout, sys.stderr = _text(out, before[0]), _text(err, before[1])
    own = sys.stdout, sys.stderr
    try:
        yield
    finally:
        own[0].flush()
        if (told := _lost(out.error)) is not None:
            print(f"banana: the output could not be written ({told}).", file=own[1])
        own[1].flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def own_error_stream() -> Iterator[TextIO]:
    """Standard error as it is now, also while Dagster leads it into a file of its own, as it does in every step."""
    try:
        raw = open(os.dup(sys.stderr.fileno()), "wb", buffering=0)  # noqa: PTH123, SIM115
    except (OSError, ValueError):  # no file stands behind it
        yield sys.stderr
        return
    with raw:
        yield _text(Sink(raw), sys.stderr)


def _lost(error: Exception | None) -> str | None:
    """Why output was lost; None where none was, or where its reader has left on purpose."""
    if error is None or (isinstance(error, OSError) and error.errno in {errno.EPIPE, errno.EBADF, errno.EINVAL}):
        return None
    return getattr(error, "strerror", None) or str(error)


def _open_descriptors() -> None:
    """A closed standard stream leaves its number to the next file that is opened, which must not be the ledger."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _sink_of(stream: TextIO | None) -> Sink:
    if stream is None:
        return Sink(io.BytesIO())
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    buffer: Any = getattr(stream, "buffer", None)
    if buffer is None:  # somebody's own stream of text
        return Sink(_Texts(stream))
    # Not the buffer itself: it would keep what it could not write, and try again when the interpreter ends.
    return Sink(getattr(buffer, "raw", buffer))


class _Texts(io.RawIOBase):
    """Bytes for a stream that takes only text."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode(_ENCODING_OF_NOTHING, "replace"))
        return len(data)


def _text(sink: Sink, stream: TextIO | None) -> TextIO:
    encoding = getattr(stream, "encoding", None) if getattr(stream, "buffer", None) is not None else None
    return io.TextIOWrapper(
        io.BufferedWriter(sink),
        encoding=encoding or _ENCODING_OF_NOTHING,
        errors="backslashreplace",
        line_buffering=True,
    )
