"""A task's record, as recordInfo tells it (protocol reference, section 3).

Lives here: ``data`` -> `TaskRecord`, in all the forms that were met. Does not live here: the envelope around it
(``kie.wire``), where its pictures are (``kie.results``), what it makes of an attempt (``judge``).

A task ends only on clear words. Whatever is unknown, or contradicts itself, counts as running: looking again is free,
and a wrong end would lose a picture or buy it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from banana_pipeline.core.plausible import plausible_moment
from banana_pipeline.kie.callback_address import attempt_of_address
from banana_pipeline.kie.json_values import code_text, decoded, finite, id_text, plain_text, whole
from banana_pipeline.kie.results import result_addresses, result_text

_SUCCESS, _FAIL = "success", "fail"
# Not KIE's own words today. Believed only with a picture: "completed" without one may mean something else.
_LIKE_SUCCESS = frozenset({"succeeded", "succeed", "successful", "completed", "complete", "finished", "done"})
_LIKE_FAIL = frozenset({"failed", "failure"})
_FLAG_SUCCESS = 1


class TaskState(StrEnum):
    """State of a task. Words that KIE may add later count as ``RUNNING``: looking again is free."""

    RUNNING = "running"
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """What recordInfo says about a task. Times are UTC; ``generation_s`` is completeTime - createTime.

    ``costTime`` is not read: documented in milliseconds, sent in seconds.

    Attributes:
        result_text: what stands where the result should stand, if no address was found in it.
        credits_said: the figure of what the task cost, as text, where it is no number.
        asked: the ``input`` object that KIE says it was sent; None where it does not say.
        attempt_id: our attempt, as the task's own callback address names it; None without one.
        is_named_otherwise: the record carries an id, and not the one that was asked for.
    """

    task_id: str
    state: TaskState
    result_urls: tuple[str, ...] = ()
    result_text: str | None = None
    fail_code: str | None = None
    fail_msg: str | None = None
    credits_consumed: float | None = None
    credits_said: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    generation_s: float | None = None
    asked: Mapping[str, Any] | None = None
    attempt_id: str | None = None
    is_named_otherwise: bool = False

    def is_about(self, attempt_id: str) -> bool:
        """Can this be the record that an attempt has asked for? A cache on the way may hand out another one."""
        return not self.is_named_otherwise or self.attempt_id == attempt_id


def says_a_state(data: Mapping[str, Any]) -> bool:
    """Does a record say how its task stands?"""
    return not (_word(data) is None and _flag(data) is None)


def names(data: Mapping[str, Any], task_id: str) -> bool:
    """Does a record carry this task's id?"""
    return task_id in _ids(data)


def read_record(data: Mapping[str, Any], task_id: str) -> TaskRecord:
    """The record in a non-empty ``data``; ``task_id``: the task that was asked for."""
    ids, urls = _ids(data), result_addresses(data)
    created_at, completed_at = (plausible_moment(finite(data.get(name))) for name in ("createTime", "completeTime"))
    generation_s = None
    if created_at is not None and completed_at is not None and completed_at >= created_at:
        generation_s = (completed_at - created_at).total_seconds()
    told = next((data[name] for name in ("creditsConsumed", "consumeCredits") if data.get(name) is not None), None)
    param = decoded(data.get("param")) or decoded(data.get("paramJson")) or {}
    address = param.get("callBackUrl")
    return TaskRecord(
        task_id=task_id,
        state=_state(data, has_result=bool(urls)),
        result_urls=urls,
        result_text=None if urls else result_text(data),
        fail_code=code_text(data.get("failCode")),
        fail_msg=plain_text(data.get("failMsg")) or None,
        credits_consumed=finite(told),
        credits_said=None if told is None or finite(told) is not None else plain_text(str(told)[:40]),
        created_at=created_at,
        completed_at=completed_at,
        generation_s=generation_s,
        asked=decoded(param.get("input")),
        attempt_id=attempt_of_address(address) if isinstance(address, str) else None,
        is_named_otherwise=bool(ids) and task_id not in ids,
    )


def _state(data: Mapping[str, Any], *, has_result: bool) -> TaskState:
    word, flag = _word(data), _flag(data)
    if word in _LIKE_SUCCESS or word is None:
        return TaskState.SUCCESS if has_result and (word or flag == _FLAG_SUCCESS) else TaskState.RUNNING
    if word == _SUCCESS:
        is_sure = has_result or flag in {None, _FLAG_SUCCESS}
        return TaskState.SUCCESS if is_sure else TaskState.RUNNING
    if word == _FAIL or word in _LIKE_FAIL:
        is_sure = not has_result and flag != _FLAG_SUCCESS
        return TaskState.FAIL if is_sure else TaskState.RUNNING
    return TaskState.RUNNING


def _word(data: Mapping[str, Any]) -> str | None:
    """The state's word; older models call it ``status``."""
    word = data.get("state", data.get("status"))
    return word.strip().lower() if isinstance(word, str) and word.strip() else None


def _flag(data: Mapping[str, Any]) -> int | None:
    flag = data.get("successFlag")
    return int(flag) if isinstance(flag, bool) else whole(flag)


def _ids(data: Mapping[str, Any]) -> set[str]:
    found = (id_text(data.get(name)) for name in ("taskId", "task_id", "recordId", "record_id", "id"))
    return {one for one in found if one is not None}
