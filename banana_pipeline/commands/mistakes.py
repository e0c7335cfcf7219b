"""What a command says and how it ends when something goes wrong: sentences, an exit code, and no traceback.

Lives here: click's group with that habit. Does not live here: the sentences (``core.told`` and who raises them),
streams that cannot be written to (``commands.streams``).
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any

import click

from banana_pipeline.commands.streams import patient_streams
from banana_pipeline.core.failures import UserError
from banana_pipeline.core.told import is_stop, leaves, sentence_of

WELL, UNWELL, BAD_USAGE = 0, 1, 2
_PORTS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL}


class Sentences(click.Group):
    """A user's mistake becomes a sentence and exit code 2; a stop, or a fault of ours, words and exit code 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        with patient_streams():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, SystemExit):
            raise
        except BaseException as error:
            if os.environ.get("BANANA_TRACEBACK"):
                raise
            sys.exit(tell(error))


def tell(error: BaseException) -> int:
    """Say what went wrong, each thing once; the exit code."""
    found = list(leaves(error))
    wrong = [one for one in found if not _is_stop(one)]
    for sentence in dict.fromkeys(map(_sentence, wrong)):
        click.echo(f"banana: {sentence}", err=True)
    if not wrong or any(isinstance(one, KeyboardInterrupt | click.Abort) for one in found):
        click.echo("banana: stopped.", err=True)
        return UNWELL
    return BAD_USAGE if all(isinstance(one, UserError | OSError) for one in wrong) else UNWELL


def _sentence(error: BaseException) -> str:
    told = sentence_of(error)
    if not isinstance(error, OSError):
        return told
    if error.errno in _PORTS or isinstance(error, socket.gaierror):
        return f"{told.removesuffix('.')}; choose another --port or --host."
    return f"{told.removesuffix('.')}; check that it is there and can be written." if error.filename else told


def _is_stop(error: BaseException) -> bool:
    return is_stop(error) or isinstance(error, click.Abort)
