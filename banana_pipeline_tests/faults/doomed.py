"""`python -m banana_pipeline_tests.faults.doomed PLACE COUNT ARGUMENTS...`: the program, killed at an exact place.

Here: the places, each a patch of the program's own code that ends the process like kill -9 when it gets there for the
COUNT-th time. Not here: any of this in the product; what must hold afterwards (test_exact_kills).
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from banana_pipeline.core.failures import Created
from banana_pipeline.kie.client import KieClient
from banana_pipeline.store import files, ledger

Die = Callable[[], None]


def _claimed(die: Die) -> None:
    """The claim is committed, the order has not left."""
    order = KieClient.create_task

    async def create_task(*args: Any, **more: Any) -> Any:
        die()
        return await order(*args, **more)

    KieClient.create_task = create_task


def _answered(die: Die) -> None:
    """KIE has stored the task and answered, nothing of it is written down."""
    order = KieClient.create_task

    async def create_task(*args: Any, **more: Any) -> Any:
        outcome = await order(*args, **more)
        if isinstance(outcome, Created):
            die()
        return outcome

    KieClient.create_task = create_task


def _recording(die: Die) -> None:
    """The answer is written down, the transaction is not committed."""
    save = ledger.save_created

    def save_created(*args: Any, **more: Any) -> Any:
        saved = save(*args, **more)
        die()
        return saved

    ledger.save_created = save_created


def _submitted(die: Die) -> None:
    """The task is known and committed, nobody has asked for it yet."""
    look = KieClient.fetch_task

    async def fetch_task(*args: Any, **more: Any) -> Any:
        die()
        return await look(*args, **more)

    KieClient.fetch_task = fetch_task


def _writing(die: Die) -> None:
    """Half of a file of `generations` is on the disk."""
    write = files._write_new

    def write_new(path: Any, data: Any, **more: Any) -> None:
        if "generations" in path.parts:
            write(path, data[: len(data) // 2], **more)
            die()
            path.unlink()
        write(path, data, **more)

    files._write_new = write_new


PLACES = {
    "claimed": _claimed,
    "answered": _answered,
    "recording": _recording,
    "submitted": _submitted,
    "writing": _writing,
}


def dying_at(count: int) -> Die:
    """A function that ends this process, without any warning, when it is called for the `count`-th time."""
    calls = itertools.count(1)

    def die() -> None:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def main() -> None:
    """Prepare the death, then run the program as its own command would."""
    place, count, *arguments = sys.argv[1:]
    PLACES[place](dying_at(int(count)))
    sys.argv = ["banana", *arguments]
    from banana_pipeline.cli import main as program

    program()


if __name__ == "__main__":
    main()
