"""``banana demo`` and ``banana dev``: the pipeline without a key.

Lives here: the demo's own world (``data/demo``: ledger, outputs, emulator's books) and the Dagster UI beside it. Does
not live here: the run itself (``commands.run``), the emulator.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from banana_pipeline.commands.tables import ChosenTable, choose_table
from banana_pipeline.core.failures import TableError
from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline.settings import Settings, read_settings
from banana_pipeline.store.tables import find_tables

DEMO_KEY = "demo-key-of-the-emulator"
_OWN_SETTINGS = ("KIE_", "BANANA_")
# Nothing of a demo leaves this machine: what is wrong with the way out must not stop it.
_WAYS_OUT = ("_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@contextlib.contextmanager
def demo_world(port: int = 0) -> Iterator[Settings]:
    """An emulator on a free port, and an environment that points at it and at ``data/demo``.

    Only ``BANANA_PROMPTS_DIR`` is taken over from the caller's environment: nothing here may touch a real account or
    the user's own ledger. The emulator keeps its books in ``data/demo``, so that a second demo finds its tasks again.
    """
    home = Path("data/demo").absolute()
    home.mkdir(parents=True, exist_ok=True)
    prompts = os.environ.get("BANANA_PROMPTS_DIR") or str(Path("data/prompts").absolute())
    config = EmulatorConfig(
        keys=(DEMO_KEY,), opening_credits=100_000.0, latency_s=(2.0, 6.0), books_path=home / "emulator.sqlite"
    )
    with (
        RunningEmulator(config, port=port) as emulator,
        _environment(
            KIE_API_KEY=DEMO_KEY,
            KIE_BASE_URL=emulator.base_url,
            BANANA_DATA_DIR=str(home),
            BANANA_PROMPTS_DIR=prompts,
            DAGSTER_HOME="",
        ),
    ):
        yield read_settings(os.environ)


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(_OWN_SETTINGS) or name.upper().endswith(_WAYS_OUT):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def demo_tables(settings: Settings) -> list[ChosenTable]:
    """All sample tables.

    Raises:
        TableError: there are none.
    """
    names = sorted(find_tables(settings.prompts_dir))
    if not names:
        raise TableError(
            f"There are no prompt tables in {settings.prompts_dir}; run this in the project's folder, or set "
            "BANANA_PROMPTS_DIR."
        )
    return [choose_table(settings, name) for name in names]


def serve_ui(home: Path, *, port: int, workspace: str | None) -> int:
    """``dagster dev`` in the current environment until it is stopped; its exit code."""
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    target = ["-w", workspace] if workspace else ["-m", "banana_pipeline.definitions"]
    command = [sys.executable, "-m", "dagster", "dev", "-p", str(port), *target]
    # A group of its own, so that one signal reaches the servers and the runs that Dagster has started.
    process = subprocess.Popen(command, start_new_session=True)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    with contextlib.suppress(KeyboardInterrupt):
        return process.wait()
    for number, wait_s in ((signal.SIGTERM, 12), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            process.wait(timeout=wait_s)
    return 0


def _stop(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
