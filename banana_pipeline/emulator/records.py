"""KIE's JSON for a task: recordInfo's `data` (section 3) and the callback's body (section 4).

Here: field names, units and the differences between the recorded years. Pure functions of a task and a time.
Not here: the envelope (answers), when a callback is sent (courier).
"""

import json
from typing import Any

from banana_pipeline.emulator.config import MODEL
from banana_pipeline.emulator.tasks import Task

SUCCESS_FLAGS = {"waiting": 0, "generating": 0, "success": 1, "fail": 2}


def record(
    task: Task, *, now: float, base_url: str, fields: str = "2026-09", is_generating_skipped: bool = False
) -> dict[str, Any]:
    """`data` of recordInfo at `now` (epoch seconds), in the field set of 2026-04 or 2026-09.

    `costTime` is whole seconds, times are epoch milliseconds, `param` is the doubly encoded request, `resultJson`
    is "" before success and `response` absent, as recorded on the wire (section 3).
    """
    state = task.state(now)
    urls = result_urls(task, base_url) if state == "success" else None
    is_over = now >= task.completes_at
    failure = task.failure if state == "fail" else None
    values = {
        "taskId": task.task_id,
        "model": MODEL,
        "state": "waiting" if is_generating_skipped and state == "generating" else state,
        "param": task.param,
        "resultJson": "" if urls is None else _result_json(urls),
        "failCode": failure.code if failure else None,
        "failMsg": failure.text if failure else None,
        "costTime": cost_time_s(task) if is_over else None,
        "completeTime": milliseconds(task.completes_at) if is_over else None,
        "createTime": milliseconds(task.created_at),
    }
    if fields == "2026-04":
        return values
    return {
        **values,
        "creditsConsumed": float(task.credits(now)),
        "operationType": MODEL,
        **({} if urls is None else {"response": {"resultUrls": urls}}),
        "successFlag": SUCCESS_FLAGS[state],
        "paramJson": task.param,
    }


def callback_body(task: Task) -> dict[str, Any]:
    """The body of the callback on the final state, in the 2026 shape (section 4)."""
    final = record(task, now=task.completes_at, base_url=task.base_url)
    names = ("taskId", "model", "state", "param", "resultJson", "failCode", "failMsg")
    times = ("costTime", "completeTime", "createTime", "creditsConsumed")
    data = {name: final[name] for name in names + times}
    if task.failure:
        text = "Playground task failed."
        return {"code": 501, "msg": text, "data": {**data, "resultJson": None}}
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}


def result_urls(task: Task, base_url: str) -> list[str]:
    """Where the finished task's pictures are: one URL, or none for a success without result."""
    return [f"{base_url}/h/{task.media_name}"] if task.has_media else []


def cost_time_s(task: Task) -> int:
    """`costTime`: whole seconds on the wire (the documentation says milliseconds)."""
    return int(task.completes_at - task.created_at)


def milliseconds(epoch_s: float) -> int:
    """Epoch milliseconds of epoch seconds."""
    return round(epoch_s * 1000)


def _result_json(urls: list[str]) -> str:
    return json.dumps({"resultUrls": urls}, separators=(",", ":"))
