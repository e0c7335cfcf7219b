"""`make torture`: hundreds of deaths at random moments under random faults, and the bill afterwards.

Here: the loop of lives, the moments of death, the table of results. Exit code 1 if the promise was broken.
Not here: what broken means (judge), the program's surroundings (scene). The same seed chooses the same faults and
moments; what they hit depends on the machine.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from banana_pipeline_tests.databases import new_database
from banana_pipeline_tests.e2e.command import ended, kill_group
from banana_pipeline_tests.faults.judge import Verdict
from banana_pipeline_tests.faults.receiver import SIGNED, receiving
from banana_pipeline_tests.faults.scene import Scene, open_scene

FAULTS = {
    "lost_answer_share": 0.03,
    "dropped_before_store_share": 0.02,
    "html_502_after_store_share": 0.01,
    "cut_json_share": 0.01,
    "poll_drop_share": 0.05,
    "poll_html_502_share": 0.05,
    "poll_no_data_share": 0.05,
    "slow_answer_share": 0.05,
}
SLOW_ANSWER_S = 0.5
PACE = {"BANANA_RATE_LIMIT": "100/1s", "BANANA_MAX_IN_FLIGHT": "300"}
_START_S = 3.0
_DURING_IMPORTS = 0.1
_LIVES_WITHOUT_PURCHASE = 4


@dataclass(kw_only=True)
class Tally:
    """What happened on one ledger."""

    scene: Scene
    tables: list[str] = field(default_factory=list)
    kills: int = 0
    resumes_s: list[float] = field(default_factory=list)
    breakdowns: list[str] = field(default_factory=list)

    @property
    def start_s(self) -> float:
        """How long this machine takes from the start of the program to its first purchase, as far as is known."""
        return statistics.median(self.resumes_s) if self.resumes_s else _START_S

    def verdict(self) -> Verdict:
        return self.scene.judge(*self.tables)


def moment_s(chance: random.Random, start_s: float) -> float:
    """Seconds from start to death, 1 to 6 where a start takes 3: mostly while it buys, sometimes while it imports."""
    is_early = chance.random() < _DURING_IMPORTS
    return start_s * (chance.uniform(0.02, 0.33) if is_early else chance.uniform(0.33, 2.0))


def some_faults(chance: random.Random) -> dict[str, float]:
    """About half of the faults, each up to its share."""
    shares = {name: chance.choice([0.0, chance.uniform(0, most)]) for name, most in FAULTS.items()}
    return {**shares, "slow_answer_s": SLOW_ANSWER_S}


def lived(process: "subprocess.Popen[str]", scene: Scene, until_s: float) -> float | None:
    """Watch a process until a moment or its end; the moment of its first purchase."""
    tasks, bought_s = scene.task_count, None
    while time.monotonic() < until_s and process.poll() is None:
        if bought_s is None and scene.task_count > tasks:
            bought_s = time.monotonic()
        time.sleep(0.005)
    return bought_s


def one_life(tally: Tally, table: str, lifetime_s: float, *, is_after_kill: bool) -> bool:
    """Start the program and kill it; True if it came to its own end before."""
    started_s = time.monotonic()
    process = tally.scene.start("run", table)
    bought_s = lived(process, tally.scene, started_s + lifetime_s)
    has_ended = process.poll() is not None
    if is_after_kill and (bought_s is not None or has_ended):
        tally.resumes_s.append((bought_s or time.monotonic()) - started_s)
    if not has_ended:
        kill_group(process)
        tally.kills += 1
        return False
    run = ended(process)
    if run.code not in (0, 1) or "Traceback" in run.said:
        tally.breakdowns.append(run.said[-2_000:])
    return True


def one_table(tally: Tally, rows: int, chance: random.Random) -> None:
    """A new table, killed again and again until a run of it comes to its end."""
    number = len(tally.tables)
    name = f"table-{number:03}"
    tally.scene.add_boats(name, range(number * rows, (number + 1) * rows))
    tally.tables.append(name)
    tally.scene.admin("faults", **some_faults(chance))
    idle, is_done, is_after_kill = 0, False, False
    while not is_done:
        tasks = tally.scene.task_count
        # A table with nothing left to buy is not killed for ever: what remains needs a run's whole length.
        lifetime_s = moment_s(chance, tally.start_s) if idle < _LIVES_WITHOUT_PURCHASE else float("inf")
        is_done = one_life(tally, name, lifetime_s, is_after_kill=is_after_kill)
        idle = 0 if tally.scene.task_count > tasks else idle + 1
        is_after_kill = not is_done


def torture(scene: Scene, *, kills: int, rows: int, seed: int, console: Console) -> Tally:
    """Kill runs on one ledger until it was often enough, and let the last table end."""
    chance, tally = random.Random(seed), Tally(scene=scene)
    while tally.kills < kills:
        one_table(tally, rows, chance)
        console.print(f"{tally.tables[-1]}: {tally.kills} kills, {scene.task_count} tasks so far", highlight=False)
    return tally


def results(tallies: dict[str, tuple[Tally, Verdict]]) -> Table:
    """One column per ledger."""
    table = Table("", *tallies)
    columns = [_result(tally, verdict) for tally, verdict in tallies.values()]
    for name in columns[0]:
        table.add_row(name, *(str(column[name]) for column in columns))
    return table


def _result(tally: Tally, verdict: Verdict) -> dict[str, object]:
    resumes_s = tally.resumes_s or [0.0]
    return {
        "rows": verdict.rows,
        "kills": tally.kills,
        "tasks made": verdict.tasks,
        "bought twice": len(verdict.bought_twice),
        "lost": len(verdict.lost),
        "unconfirmed": verdict.unconfirmed,
        "of these paid": len(verdict.hidden),
        "recovered": tally.scene.recovered(),
        "sums equal": "yes" if verdict.has_equal_sums else "NO",
        "seconds to resume, median": f"{statistics.median(resumes_s):.1f}",
        "seconds to resume, max": f"{max(resumes_s):.1f}",
        "runs that broke down": len(tally.breakdowns),
    }


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill `banana run` at random, resume it, and judge by KIE's books.")
    parser.add_argument("--kills", type=int, default=200, help="per ledger")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--callbacks", action="store_true", help="run `banana callbacks` beside it")
    parser.add_argument("--rows", type=int, default=400, help="rows of each table")
    return parser.parse_args(argv)


def main() -> int:
    """Torture the chosen ledgers one after the other; 0 if the promise held."""
    chosen, console = arguments(), Console()
    ledgers = ["sqlite", "postgres"] if chosen.ledger == "both" else [chosen.ledger]
    tallies: dict[str, tuple[Tally, Verdict]] = {}
    with ExitStack() as stack:
        for ledger in ledgers:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="banana-torture-")))
            url = stack.enter_context(new_database()) if ledger == "postgres" else ""
            scene = open_scene(stack, folder, ledger_url=url, settings=dict(PACE), **SIGNED)
            if chosen.callbacks:
                stack.enter_context(receiving(scene))
            console.rule(ledger)
            tally = torture(scene, kills=chosen.kills, rows=chosen.rows, seed=chosen.seed, console=console)
            tallies[ledger] = tally, tally.verdict()
        console.print(results(tallies))
    for ledger, (tally, verdict) in tallies.items():
        for sentence in [*verdict.broken, *tally.breakdowns]:
            console.print(f"{ledger}: {sentence}", style="red", highlight=False, markup=False)
    return 1 if any(verdict.broken or tally.breakdowns for tally, verdict in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
