"""One answer of each shape that was recorded on the wire, with values of our own, read as it is meant.

Not here: odd answers (test_wire, test_records, test_results), the same shapes from the emulator (emulator/test_fields).
"""

import json
from datetime import UTC, datetime
from typing import Any

from banana_pipeline.core.failures import Created, FetchMeaning, Refusal, Refused
from banana_pipeline.kie.records import TaskRecord, TaskState
from banana_pipeline.kie.wire import read_answer, read_created, read_credits, read_fetched, read_upload

TASK = "00112233445566778899aabbccddeeff"
PICTURE = "https://tempfile.aiquickdraw.com/h/00ff00ff.png"
ASKED = {"prompt": "a green kite", "aspect_ratio": "16:9", "nsfw_checker": False}
PARAM = json.dumps({"input": json.dumps(ASKED), "model": "some-image-model"})
RUNNING_2026_04: dict[str, Any] = {
    "taskId": TASK, "model": "some-image-model", "state": "waiting", "param": PARAM, "resultJson": "",
    "failCode": None, "failMsg": None, "costTime": None, "completeTime": None, "createTime": 1_777_000_000_250,
}  # fmt: skip
DONE = {
    "state": "success", "resultJson": json.dumps({"resultUrls": [PICTURE]}), "costTime": 41,
    "completeTime": 1_777_000_042_000,
}  # fmt: skip
LATER = {"creditsConsumed": 6.0, "operationType": "some-image-model", "successFlag": 0, "paramJson": PARAM}


def record(data: dict[str, Any]) -> TaskRecord:
    body = json.dumps({"code": 200, "msg": "success", "data": data}).encode()
    found = read_fetched(read_answer(200, body), TASK)
    assert found.meaning is FetchMeaning.RECORD
    assert found.record is not None
    assert found.record.is_about("an attempt")
    return found.record


def answer(body: dict[str, Any]) -> Any:
    return read_answer(200, json.dumps(body, ensure_ascii=False).encode())


def test_an_accepted_order() -> None:
    body = {"code": 200, "msg": "success", "data": {"taskId": TASK, "recordId": TASK}}
    assert read_created(answer(body)) == Created(task_id=TASK)


def test_an_order_with_a_wrong_key_is_answered_without_data() -> None:
    outcome = read_created(answer({"code": 401, "msg": "Unauthorized – check the headers"}))
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.KEY


def test_a_waiting_record_of_2026_04() -> None:
    found = record(RUNNING_2026_04)
    assert (found.state, found.result_urls, found.credits_consumed, found.asked) == (TaskState.RUNNING, (), None, ASKED)
    assert found.created_at == datetime.fromtimestamp(1_777_000_000.25, tz=UTC)


def test_a_finished_record_of_2026_04() -> None:
    found = record(RUNNING_2026_04 | DONE)
    assert (found.state, found.result_urls, found.generation_s) == (TaskState.SUCCESS, (PICTURE,), 41.75)
    assert (found.credits_consumed, found.credits_said) == (None, None)


def test_a_generating_record_of_2026_09_names_its_price_already() -> None:
    found = record(RUNNING_2026_04 | LATER | {"state": "generating"})
    assert (found.state, found.credits_consumed, found.completed_at) == (TaskState.RUNNING, 6.0, None)


def test_a_finished_record_of_2026_09() -> None:
    found = record(RUNNING_2026_04 | LATER | DONE | {"response": {"resultUrls": [PICTURE]}, "successFlag": 1})
    assert (found.state, found.result_urls, found.credits_consumed) == (TaskState.SUCCESS, (PICTURE,), 6.0)


def test_a_record_that_is_not_there() -> None:
    body = {"code": 422, "msg": "recordInfo is null", "data": None}
    assert read_fetched(answer(body), TASK).meaning is FetchMeaning.NOT_KNOWN


def test_a_balance_is_a_float() -> None:
    assert read_credits(answer({"code": 200, "msg": "success", "data": 1234.75})) == 1234.75


def test_an_upload() -> None:
    url = "https://tempfile.redpandaai.co/kieai/7/images/1700000000000-abc.jpg"
    data = {
        "success": True, "fileName": "1700000000000-abc.jpg", "filePath": "kieai/7/images/1700000000000-abc.jpg",
        "downloadUrl": url, "fileSize": 70, "mimeType": "image/jpeg", "uploadedAt": "2026-04-30T08:53:07.838Z",
    }  # fmt: skip
    body = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": data}
    assert read_upload(answer(body)) == url


def test_no_link_for_a_strange_picture() -> None:
    found = answer({"code": 422, "msg": "url is wrong", "data": None})
    assert (found.code, found.is_kies_own, found.data) == (422, True, None)
