"""How a command ends when something goes wrong: sentences and an exit code, never a traceback."""

import asyncio
import errno

import click
import pytest
from click.testing import CliRunner, Result

from banana_pipeline.commands.mistakes import Sentences
from banana_pipeline.core.failures import KieError, LedgerError, SettingsError

MISTAKE, OTHER = SettingsError("Set A."), LedgerError("Mend B.")
FAULT = "This is a fault of banana_pipeline; please report it with what you did."


def end_with(error: BaseException) -> Result:
    @click.group(cls=Sentences)
    def group() -> None: ...

    @group.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(group, ["fail"])


@pytest.mark.parametrize(("error", "code", "lines"), [
    (MISTAKE, 2, ["Set A."]),
    (ExceptionGroup("tasks", [MISTAKE]), 2, ["Set A."]),
    (ExceptionGroup("tasks", [MISTAKE, ExceptionGroup("more", [OTHER, MISTAKE])]), 2, ["Set A.", "Mend B."]),
    (BaseExceptionGroup("tasks", [asyncio.CancelledError(), OTHER]), 2, ["Mend B."]),
    (ExceptionGroup("tasks", [MISTAKE, ValueError("odd")]), 1, ["Set A.", f"ValueError: odd. {FAULT}"]),
    (KieError("KIE does not answer; try later."), 1, ["KIE does not answer; try later."]),
    (RuntimeError(), 1, [f"RuntimeError. {FAULT}"]),
    (KeyboardInterrupt(), 1, ["stopped."]),
    (click.Abort(), 1, ["stopped."]),
    (asyncio.CancelledError(), 1, ["stopped."]),
    (BaseExceptionGroup("tasks", [OTHER, BaseExceptionGroup("more", [KeyboardInterrupt()])]), 1,
     ["Mend B.", "stopped."]),
    (ExceptionGroup("tasks", [OSError(errno.ENOSPC, "No space left on device", "/data/x")]), 2,
     ["No space left on device (/data/x); check that it is there and can be written."]),
    (OSError(errno.EADDRINUSE, "Address already in use"), 2,
     ["Address already in use; choose another --port or --host."]),
])  # fmt: skip
def test_what_went_wrong_is_told_once_and_ends_with_its_code(error: BaseException, code: int, lines: list[str]) -> None:
    ended = end_with(error)
    assert ended.stderr.splitlines() == [f"banana: {line}" for line in lines]
    assert (ended.exit_code, ended.stdout) == (code, "")


def test_who_wants_the_traceback_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANANA_TRACEBACK", "1")
    error = RuntimeError("odd")
    assert end_with(error).exception is error
