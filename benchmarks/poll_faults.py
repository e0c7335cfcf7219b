"""How much longer a run takes when polls fail: 0, 2 and 20 % of them, in four ways at once.

The driver buys at 20 rows per s from an emulator in a process of its own whose tasks take 2 to 5 s. Each share has a
fresh ledger that first learns from 100 rows how long tasks take. The ratio is against the run without faults.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from benchmarks.drive import driver_run

ROWS = 300
KINDS = ("poll_drop", "poll_html_502", "poll_exception_500", "poll_rate_429")


async def _timed(base_url: str, ledger_url: str, folder: Path) -> float:
    common = {"base_url": base_url, "ledger_url": ledger_url, "folder": folder, "per_second": 20}
    await driver_run(prompts=[f"learn {number}" for number in range(100)], run_id="1", **common)
    started_s = time.monotonic()
    await driver_run(prompts=[f"boat {number}" for number in range(ROWS)], run_id="2", **common)
    return time.monotonic() - started_s


def _measure(share: float) -> float:
    faults = ", ".join(f"{kind}_share={share / len(KINDS)}" for kind in KINDS)
    emulator = (
        "from banana_pipeline.emulator import EmulatorConfig, Faults, serve\n"
        f"serve(EmulatorConfig(rate_limit=None, faults=Faults({faults}), opening_credits=1e9))"
    )
    service = subprocess.Popen([sys.executable, "-u", "-c", emulator], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    try:
        base_url = next(word for word in service.stdout.readline().split() if word.startswith("http://"))
        with tempfile.TemporaryDirectory() as folder:
            return anyio.run(_timed, base_url, f"sqlite:///{folder}/ledger.sqlite", Path(folder))
    finally:
        service.terminate()


def main() -> None:
    """Print seconds and the ratio for each share."""
    print(f"{'polls that fail':>16} {'seconds':>8} {'against none':>13}")
    base_s = None
    for share in (0.0, 0.02, 0.2):
        taken_s = _measure(share)
        base_s = base_s or taken_s
        print(f"{share:16.0%} {taken_s:8.1f} {taken_s / base_s:13.2f}")
