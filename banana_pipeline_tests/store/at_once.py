"""Processes that open one ledger at the same moment. Here: starting them. Not here: facts; the tests state those."""

import subprocess
import sys

_OPEN = """
import sys
from banana_pipeline.store.ledger_open import open_engine
print("ready", flush=True)
sys.stdin.readline()
open_engine(sys.argv[1]).dispose()
print("opened", flush=True)
"""


def open_at_once(url: str, count: int) -> list[str]:
    """What each process said when all were let go together."""
    command = [sys.executable, "-c", _OPEN, url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in processes]
