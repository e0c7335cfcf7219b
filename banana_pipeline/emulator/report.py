"""The books in sums, for people and for checks: what was sold, how often twice, and what it cost.

Here: reading the books into plain JSON values. Not here: changing anything, HTTP, HTML (admin).
"""

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Any

from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.tasks import Account, Task

MAX_LISTED = 1_000


def books_report(books: Books) -> dict[str, Any]:
    """All counters and sums; their names are a contract with checks and demos.

    `paid_twice`: tasks beyond the first of the same account, model and input, not counting failed ones (they
    cost nothing). Samples ask for the same input on purpose: compare with what was ordered.
    """
    now, tasks, counters = books.now(), list(books.tasks.values()), books.counters
    return {
        "now": now,
        "tasks": len(tasks),
        "tasks_by_state": dict(Counter(task.state(now) for task in tasks)),
        "tasks_by_input": {
            "inputs": len(books.tasks_by_input),
            "max": max(books.tasks_by_input.values(), default=0),
        },
        "paid_twice": _paid_twice(tasks),
        "credits": _credits(tasks, now),
        "peak_creations_in_window": books.created.peak,
        "rate_window_s": books.config.rate_window_s,
        "polls": counters["polls"],
        "refusals_by_code": {str(code): count for code, count in sorted(books.refusals.items())},
        "faults": {name[6:]: count for name, count in sorted(counters.items()) if name.startswith("fault_")},
        "uploads": counters["uploads"],
        "upload_refusals": counters["upload_refusals"],
        "uploads_kept": sum(books.is_kept(upload) for upload in list(books.uploads.values())),
        "downloads": counters["downloads"],
        "callbacks_delivered": counters["callbacks_delivered"],
        "callbacks_failed": counters["callbacks_failed"],
        "accounts": [_account(books, account, now) for account in books.accounts.all()],
    }


def tasks_report(books: Books) -> list[dict[str, Any]]:
    """Every task in order of creation, with its input, state and credits. Times are epoch seconds."""
    now = books.now()
    return [_task(task, now) for task in list(books.tasks.values())]


def _paid_twice(tasks: list[Task]) -> dict[str, Any]:
    groups: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.failure is None:
            groups[task.account_id, task.input_digest].append(task)
    again = [group for group in groups.values() if len(group) > 1]
    return {
        "extra_tasks": sum(len(group) - 1 for group in again),
        "extra_credits": float(sum(task.price_credits for group in again for task in group[1:])),
        "requests": [{"prompt": group[0].order.prompt, "tasks": len(group)} for group in again[:MAX_LISTED]],
    }


def _credits(tasks: list[Task], now: float) -> dict[str, float]:
    """Held by running tasks, spent on finished ones, returned for failed ones."""
    over = [task for task in tasks if task.state(now) in ("success", "fail")]
    spent = sum(task.price_credits for task in over if task.failure is None)
    returned = sum(task.price_credits for task in over if task.failure is not None)
    held = sum(task.price_credits for task in tasks) - spent - returned
    return {"held": float(held), "spent": float(spent), "returned": float(returned)}


def _account(books: Books, account: Account, now: float) -> dict[str, Any]:
    return {
        "account": account.account_id,
        "key_sha256_12": account.key_sha256[:12],
        "balance_credits": books.accounts.balance(account.account_id, now),
        "is_revoked": account.is_revoked,
        "peak_createtask_in_window": books.accounts.peak_creations(account.account_id),
        "peak_queries_per_s": books.accounts.peak_queries(account.account_id),
    }


def _task(task: Task, now: float) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "account": task.account_id,
        "input": asdict(task.order),
        "input_digest": task.input_digest,
        "call_back_url": task.call_back_url,
        "state": task.state(now),
        "outcome": task.outcome,
        "credits": task.credits(now),
        "price_credits": task.price_credits,
        "media_name": task.media_name if task.has_media else None,
        "created_at": task.created_at,
        "completes_at": task.completes_at,
    }
