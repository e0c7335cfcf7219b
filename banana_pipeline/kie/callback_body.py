"""The body of a callback: which task it is about, and nothing else.

Lives here: finding the task's id in all the forms that KIE's pages show. Does not live here: the task's state, results
and cost; those are read from recordInfo (``kie.wire``), because a callback's body is not signed.
"""

from __future__ import annotations

import json
from typing import Any

from banana_pipeline.kie.json_values import is_plain

MOST_TASK_ID_CHARACTERS = 128


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def task_of(body: dict[str, Any]) -> str | None:
    """The first usable of ``data.taskId``, ``data.task_id``, ``taskId``, ``task_id``, which is also what is signed."""
    data = body.get("data")
    for place in (data, body):
        if not isinstance(place, dict):
            continue
        for name in ("taskId", "task_id"):
            value = place.get(name)
            if is_plain(value) and len(value) <= MOST_TASK_ID_CHARACTERS:
                return value
    return None
