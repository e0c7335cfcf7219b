"""A task ends only on clear words; unknown and contradictory records mean looking again."""

from typing import Any

import pytest

from banana_pipeline.kie.records import TaskState, read_record

TASK, URL = "0123456789abcdef0123456789abcdef", "https://tempfile.example/h/a_1.png"
PICTURE = {"resultJson": {"resultUrls": [URL]}}


def state(**data: Any) -> TaskState:
    return read_record({"taskId": TASK, **data}, TASK).state


@pytest.mark.parametrize(
    "word", ["success", "SUCCESS", " Success ", "succeeded", "completed", "COMPLETE", "finished", "done"]
)
def test_a_picture_and_a_word_for_success_are_a_success(word: str) -> None:
    assert state(state=word, **PICTURE) is TaskState.SUCCESS
    assert state(status=word, **PICTURE) is TaskState.SUCCESS


@pytest.mark.parametrize("word", ["fail", "FAIL", " failed", "Failure"])
def test_a_word_for_failure_is_a_failure(word: str) -> None:
    assert state(state=word) is TaskState.FAIL


@pytest.mark.parametrize(
    "word", ["waiting", "queuing", "generating", "pending", "timeout", "error", "cancelled", "ok", "", 1]
)
def test_every_other_word_means_look_again(word: object) -> None:
    assert state(state=word, **PICTURE) is TaskState.RUNNING


def test_a_strange_word_for_success_needs_a_picture() -> None:
    assert state(state="completed") is TaskState.RUNNING
    assert state(state="success") is TaskState.SUCCESS


@pytest.mark.parametrize("flag", [1, "1", 1.0, True])
def test_the_flag_alone_with_a_picture_is_a_success(flag: object) -> None:
    assert state(successFlag=flag, **PICTURE) is TaskState.SUCCESS


@pytest.mark.parametrize(
    "data",
    [
        {"successFlag": 1}, {"successFlag": 2}, {"successFlag": 0, **PICTURE}, {"state": "fail", "successFlag": 1},
        {"state": "fail", **PICTURE}, {"state": "success", "successFlag": 0}, {"state": "success", "successFlag": 2},
        {"state": "generating", "successFlag": 1, **PICTURE}, {},
    ],
)  # fmt: skip
def test_a_record_that_contradicts_itself_means_look_again(data: dict[str, Any]) -> None:
    assert state(**data) is TaskState.RUNNING


def test_a_picture_outweighs_a_flag_that_denies_it() -> None:
    assert state(state="success", successFlag=0, **PICTURE) is TaskState.SUCCESS


@pytest.mark.parametrize("told", ["free", True, [], float("nan"), float("inf")])
def test_a_cost_that_is_no_number_is_said_but_not_counted(told: object) -> None:
    found = read_record({"taskId": TASK, "state": "success", "creditsConsumed": told}, TASK)
    assert (found.credits_consumed, found.credits_said is None) == (None, False)


@pytest.mark.parametrize("value", [0, 1_000, 1_777_539_190, -5, 253_402_300_799_000, "soon", True])
def test_a_time_that_cannot_be_is_not_told(value: object) -> None:
    found = read_record({"state": "success", "createTime": value, "completeTime": value}, TASK)
    assert (found.created_at, found.completed_at, found.generation_s) == (None, None, None)


def test_the_record_of_another_task_is_not_about_this_one() -> None:
    found = read_record({"taskId": "another", "state": "success", **PICTURE}, TASK)
    assert not found.is_about("our attempt")
    assert read_record({"state": "success"}, TASK).is_about("our attempt")
    assert read_record({"taskId": "another", "recordId": TASK}, TASK).is_about("our attempt")


def test_a_record_that_names_our_attempt_is_about_it_whatever_its_id() -> None:
    param = {"input": {}, "callBackUrl": "https://me.example/cb?attempt=abc"}
    assert read_record({"taskId": "another", "param": param}, TASK).is_about("abc")


def test_what_was_asked_is_also_read_from_its_later_duplicate() -> None:
    found = read_record({"paramJson": '{"input":"{\\"prompt\\":\\"a boat\\"}"}'}, TASK)
    assert found.asked == {"prompt": "a boat"}
