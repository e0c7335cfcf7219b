"""The body of a callback: which task it is about, and nothing else.

Lives here: finding the task's id in all the forms that KIE's pages show. Does not live here: the task's state, results
and cost; those are read from recordInfo (``kie.wire``), because a callback's body is not signed.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from banana_pipeline.kie.json_values import id_text, unpacked


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def task_of(body: dict[str, Any]) -> str | None:
    """The first usable of ``data.taskId``, ``data.task_id``, ``taskId``, ``task_id``, which is also what is signed.

    Then ``recordId``, which stands beside them in KIE's answers.
    """
    places = [place for place in (unpacked(body.get("data")), body) if isinstance(place, dict)]
    for names in (("taskId", "task_id"), ("recordId", "record_id")):
        for place, name in product(places, names):
            if (found := id_text(place.get(name))) is not None:
                return found
    return None
