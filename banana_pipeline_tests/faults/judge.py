"""The judge: what a disaster did, told by the service's books and the outputs, never by the program's own word.

Here: pure functions of the books' tasks, the credits taken, and the rows of `generations` as an analyst reads them.
Not here: making disasters (scene, doomed, torture). The tables judged must ask for different things in every row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Task = Mapping[str, Any]
"""One entry of the emulator's `/admin/tasks.json`."""

Row = Mapping[str, Any]
"""One row of the output `generations`."""

Asked = tuple[str, ...]
STATUSES = {"succeeded", "failed", "refused", "pending", "overdue", "unconfirmed", "not_submitted"}
# Prices are sums of numbers such as 18.25.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is left of the promise.

    Attributes:
        bought_twice: prompts with more than one task that cost money.
        lost: tasks that cost money and stand in no row, and in no row's doubt.
        hidden: tasks that cost money, whose row says that nobody knows (`unconfirmed`).
        mistaken: task ids in rows that the service never gave, or gave for something else.
        unexplained: rows without a status, or without a picture and without a reason.
        unseen_credits: what hidden tasks and tasks still under way cost.
    """

    rows: int
    tasks: int
    statuses: Mapping[str, int]
    bought_twice: Sequence[str]
    lost: Sequence[str]
    hidden: Sequence[str]
    mistaken: Sequence[str]
    unexplained: Sequence[str]
    told_credits: float
    taken_credits: float
    unseen_credits: float

    @property
    def unconfirmed(self) -> int:
        return self.statuses.get("unconfirmed", 0)

    @property
    def has_equal_sums(self) -> bool:
        """Do the outputs account for every credit the service took?"""
        return abs(self.taken_credits - self.told_credits - self.unseen_credits) < _ROUNDING

    @property
    def broken_money(self) -> list[str]:
        """A sentence for each way in which money was wasted, lost or miscounted; empty if there is none."""
        lists = {
            "bought twice": self.bought_twice,
            "paid and lost": self.lost,
            "a task of something else": self.mistaken,
        }
        told = [f"{len(found)} {words}: {list(found)[:5]}" for words, found in lists.items() if found]
        if not self.has_equal_sums:
            told.append(
                f"{self.taken_credits:g} credits taken, {self.told_credits:g} told and {self.unseen_credits:g} unseen"
            )
        return told

    @property
    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was broken; empty if it was kept."""
        unexplained = [f"{len(self.unexplained)} without an explanation: {list(self.unexplained)[:5]}"]
        return self.broken_money + (unexplained if self.unexplained else [])


def judge(*, tasks: Sequence[Task], rows: Sequence[Row], taken_credits: float) -> Verdict:
    """Compare books and outputs. `taken_credits`: by how much the balance has fallen, what is held included."""
    paid = [task for task in tasks if task["credits"] > 0]
    lost, hidden = _missing(paid, rows)
    return Verdict(
        rows=len(rows),
        tasks=len(tasks),
        statuses=dict(Counter(str(row["status"]) for row in rows)),
        bought_twice=[asked[0] for asked, count in Counter(_asked(it["input"]) for it in paid).items() if count > 1],
        lost=[task["task_id"] for task in lost],
        hidden=[task["task_id"] for task in hidden],
        mistaken=_mistaken(tasks, rows),
        unexplained=[f"row {row['row_number']}: {_unexplained(row)}" for row in rows if _unexplained(row)],
        told_credits=sum(row["credits"] or 0.0 for row in rows),
        taken_credits=taken_credits,
        unseen_credits=sum(task["credits"] for task in [*hidden, *_under_way(paid, rows)]),
    )


def peak_creates(created_at: Iterable[float], window_s: float = 10.0) -> int:
    """The most moments that lie within any `window_s` seconds, by the service's clock."""
    moments = sorted(created_at)
    peak = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_s:
            first += 1
        peak = max(peak, last - first + 1)
    return peak


def _asked(values: Mapping[str, Any]) -> Asked:
    """What makes two purchases the same; a task's `input` and a row have the same names."""
    return tuple(values[name] for name in ("prompt", "aspect_ratio", "resolution", "output_format"))


def _missing(paid: Sequence[Task], rows: Sequence[Row]) -> tuple[list[Task], list[Task]]:
    """Tasks in no row: those that nothing explains, and those that a row in doubt explains (one each)."""
    known = {row["task_id"] for row in rows}
    doubts = {_asked(row) for row in rows if row["status"] == "unconfirmed"}
    lost: list[Task] = []
    hidden: list[Task] = []
    for task in paid:
        if task["task_id"] in known:
            continue
        is_doubted = _asked(task["input"]) in doubts
        doubts.discard(_asked(task["input"]))
        (hidden if is_doubted else lost).append(task)
    return lost, hidden


def _under_way(paid: Sequence[Task], rows: Sequence[Row]) -> list[Task]:
    """Tasks whose every row says that the cost is not known yet."""
    costs: defaultdict[str | None, list[float | None]] = defaultdict(list)
    for row in rows:
        costs[row["task_id"]].append(row["credits"])
    return [task for task in paid if None in costs.get(task["task_id"], [])]


def _mistaken(tasks: Sequence[Task], rows: Sequence[Row]) -> list[str]:
    sold = {task["task_id"]: _asked(task["input"]) for task in tasks}
    return [row["task_id"] for row in rows if row["task_id"] and sold.get(row["task_id"]) != _asked(row)]


def _unexplained(row: Row) -> str:
    if row["status"] not in STATUSES:
        return f"status {row['status']!r}"
    if row["status"] == "succeeded":
        return "" if row["result_urls"] else "succeeded without a picture"
    return "" if row["status_reason"] else f"{row['status']} without a reason"
