"""Output that nobody can read, or that cannot be written: the command goes on."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from banana_pipeline.commands.streams import Sink, patient_streams

BANANA = str(Path(sys.executable).with_name("banana"))


class Broken(io.RawIOBase):
    """A stream that takes so many bytes and then fails."""

    def __init__(self, error: Exception, takes: int = 0) -> None:
        super().__init__()
        self.error, self.left, self.taken = error, takes, b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if not self.left:
            raise self.error
        some = bytes(data)[: self.left]  # type: ignore[call-overload]
        self.left -= len(some)
        self.taken += some
        return len(some)


class Waiting(io.RawIOBase):
    """A pipe that does not wait, and is full every second time."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw, self._calls = raw, 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, data: memoryview) -> int | None:
        self._calls += 1
        return None if self._calls % 2 else self._raw.write(data[:3])


def stream(raw: io.RawIOBase, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding)


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.ENOSPC, "full"), ValueError()])
def test_a_stream_that_fails_half_way_raises_nothing(error: Exception) -> None:
    raw = Broken(error, takes=3)
    sink = Sink(raw)
    assert sink.write(b"boats") == 5
    assert sink.write(b"and more") == 8
    assert raw.taken == b"boa"
    assert sink.error is error


def test_a_pipe_that_does_not_wait_gets_everything(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as file:
        assert Sink(Waiting(file)).write(b"ten boats!") == 10
    assert (tmp_path / "out").read_bytes() == b"ten boats!"


@pytest.mark.parametrize(("encoding", "written"), [
    ("ascii", b"\\xe9t\\xe9 \\u96e8 \\udcff\n"), ("cp1252", b"\xe9t\xe9 \\u96e8 \\udcff\n"),
    ("utf-8", "été 雨 \\udcff\n".encode()),
])  # fmt: skip
def test_what_an_encoding_does_not_have_is_written_as_escapes(
    monkeypatch: pytest.MonkeyPatch, encoding: str, written: bytes
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    with patient_streams():
        print("été 雨 \udcff")
    assert raw.getvalue() == written


def test_a_reader_who_left_is_not_told_about(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", stream(Broken(BrokenPipeError(errno.EPIPE, "gone"))))
    with patient_streams():
        print("boats")
    assert capfd.readouterr().err == ""


def test_a_full_disk_is_told_on_the_other_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", stream(Broken(OSError(errno.ENOSPC, "No space left on device"))))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding="utf-8"))
    with patient_streams():
        print("boats")
    assert err.getvalue() == b"banana: the output could not be written (No space left on device).\n"


def test_streams_that_are_not_there_are_written_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with patient_streams():
        print("boats", file=sys.stdout)
        print("boats", file=sys.stderr)
        assert not sys.stdout.isatty()
    assert sys.stdout is None


@pytest.mark.parametrize("shell", ["{} >&- 2>&-", "{} >/dev/full 2>/dev/full", "set -o pipefail; {} | true"])
@pytest.mark.parametrize("arguments", ["status --json", "estimate nothing"])
def test_no_command_minds_who_reads_it(tmp_path: Path, shell: str, arguments: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("KIE_", "BANANA_"))}
    ended = subprocess.run(
        ["/bin/bash", "-c", shell.format(f"'{BANANA}' {arguments}")],
        env={**own, "PYTHONIOENCODING": "ascii", "BANANA_DATA_DIR": str(tmp_path / "été 雨")},
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == (2 if "estimate" in arguments else 0)
    assert b"Traceback" not in ended.stdout + ended.stderr
    assert b"Exception ignored" not in ended.stderr
