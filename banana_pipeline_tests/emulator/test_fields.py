"""Every answer has the fields, types and headers that were recorded on the wire: no more, no fewer.

Here: the whole table of shapes, and how answers are packed. Not here: what the values mean (the other tests).
"""

import gzip
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from banana_pipeline_tests.emulator.conftest import Caller, Start, anyone

NONE = type(None)
JSON_TYPE = "application/json;charset=UTF-8"
RUNNING_2026_04: dict[str, type] = {
    "taskId": str, "model": str, "state": str, "param": str, "resultJson": str, "failCode": NONE, "failMsg": NONE,
    "costTime": NONE, "completeTime": NONE, "createTime": int,
}  # fmt: skip
SUCCESS_2026_04 = RUNNING_2026_04 | {"costTime": int, "completeTime": int}
LATER = {"creditsConsumed": float, "operationType": str, "successFlag": int, "paramJson": str}
RUNNING_2026_09 = RUNNING_2026_04 | LATER
SUCCESS_2026_09 = SUCCESS_2026_04 | LATER | {"response": dict}
FAIL_2026_09 = SUCCESS_2026_04 | LATER | {"failCode": str, "failMsg": str}
UPLOADED = {
    "success": bool, "fileName": str, "filePath": str, "downloadUrl": str, "fileSize": int, "mimeType": str,
    "uploadedAt": str,
}  # fmt: skip
PRICE = {
    "modelDescription": str, "interfaceType": str, "provider": str, "creditPrice": str, "creditUnit": str,
    "usdPrice": str, "falPrice": str, "discountRate": float, "anchor": str, "discountPrice": bool,
}  # fmt: skip
PAGE = {
    "records": list, "total": int, "size": int, "current": int, "orders": list, "searchCount": bool, "pages": int,
}  # fmt: skip


def types(values: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in values.items()}


def prices(caller: Caller, **asked: Any) -> dict[str, Any]:
    return anyone.post(f"{caller.emulator.base_url}/client/v1/model-pricing/page", json=asked).json()["data"]


def on_the_wire(caller: Caller, path: str, accepted: str) -> tuple[http.client.HTTPResponse, bytes]:
    """An answer as it comes, without a client that unpacks it."""
    connection = http.client.HTTPConnection(urlsplit(caller.emulator.base_url).netloc, timeout=10)
    connection.request("GET", path, headers={"authorization": f"Bearer {caller.key}", "accept-encoding": accepted})
    answer = connection.getresponse()
    return answer, answer.read()


def test_an_accepted_order(caller: Caller) -> None:
    answer = caller.create()
    assert types(answer) == {"code": int, "msg": str, "data": dict}
    assert types(answer["data"]) == {"taskId": str, "recordId": str}
    assert answer["data"]["taskId"] == answer["data"]["recordId"]


def test_a_key_that_is_not_accepted_is_answered_without_data(caller: Caller) -> None:
    answer = anyone.post(f"{caller.emulator.base_url}/api/v1/jobs/createTask", json={})
    assert types(answer.json()) == {"code": int, "msg": str}
    assert answer.json()["code"] == 401


@pytest.mark.parametrize(("fields", "running", "success"), [
    ("2026-04", RUNNING_2026_04, SUCCESS_2026_04), ("2026-09", RUNNING_2026_09, SUCCESS_2026_09),
])  # fmt: skip
def test_a_record_of_each_year(start: Start, fields: str, running: dict[str, type], success: dict[str, type]) -> None:
    caller = start(record_fields=fields, latency_s=(10, 10), waiting_share=0.5)
    task_id = caller.task_id()
    found = [types(caller.record(task_id)["data"])]
    for _ in range(2):
        caller.emulator.advance(5)
        found.append(types(caller.record(task_id)["data"]))
    assert found == [running, running, success]


def test_a_failed_record(caller: Caller) -> None:
    task_id = caller.task_id("a boat [fail:internal]")
    caller.emulator.advance(10)
    assert types(caller.record(task_id)["data"]) == FAIL_2026_09


def test_a_record_that_is_not_there(caller: Caller) -> None:
    assert caller.record("f" * 32) == {"code": 422, "msg": "recordInfo is null", "data": None}


def test_a_link_to_a_strange_picture(caller: Caller) -> None:
    answer = caller.http.post("/api/v1/common/download-url", json={"url": "https://host.example/a.png"})
    assert answer.json() == {"code": 422, "msg": "url is wrong", "data": None}


def test_the_balance(caller: Caller) -> None:
    assert types(caller.http.get("/api/v1/chat/credit").json()) == {"code": int, "msg": str, "data": float}


@pytest.mark.parametrize("method", ["stream", "base64"])
def test_an_upload_has_its_own_type_and_open_cors(caller: Caller, method: str) -> None:
    if method == "stream":
        answer = caller.http.post("/api/file-stream-upload", data={"uploadPath": "a"}, files={"file": ("a.txt", b"x")})
    else:
        answer = caller.http.post("/api/file-base64-upload", json={"uploadPath": "a", "base64Data": "eA=="})
    assert types(answer.json()) == {"success": bool, "code": int, "msg": str, "data": dict}
    assert types(answer.json()["data"]) == UPLOADED
    assert answer.headers["content-type"] == "application/json"
    names = ("access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods")
    assert all(answer.headers[name] for name in names)


def test_every_other_answer_is_json_in_utf_8(caller: Caller) -> None:
    assert caller.http.get("/api/v1/chat/credit").headers["content-type"] == JSON_TYPE
    assert caller.post({}).headers["content-type"] == JSON_TYPE
    assert caller.http.get("/nowhere").headers["content-type"] == JSON_TYPE


def test_the_price_list_has_the_real_names_units_and_paging(caller: Caller) -> None:
    page = prices(caller, pageNum=1, pageSize=100, modelDescription="", interfaceType="image")
    assert types(page) == PAGE
    assert [types(row) for row in page["records"]] == [PRICE, PRICE]
    shown = [(row["modelDescription"], row["creditPrice"], row["usdPrice"]) for row in page["records"]]
    assert shown == [
        ("Google nano banana pro, 1/2K", "18.0", "0.09"),
        ("Google nano banana pro, 4K", "24.0", "0.12"),
    ]


def test_the_price_list_is_filtered_and_paged(caller: Caller) -> None:
    assert prices(caller, modelDescription="Banana Pro, 4k")["total"] == 1
    assert prices(caller, modelDescription="sora")["records"] == []
    second = prices(caller, pageNum=2, pageSize=1)
    assert (second["current"], second["size"], second["pages"], second["total"]) == (2, 1, 2, 2)
    assert second["records"][0]["creditPrice"] == "24.0"


def test_who_accepts_gzip_gets_gzip_in_chunks(caller: Caller) -> None:
    answer, body = on_the_wire(caller, "/api/v1/chat/credit", "gzip, br")
    assert (answer.headers["content-encoding"], answer.headers["transfer-encoding"]) == ("gzip", "chunked")
    assert json.loads(gzip.decompress(body))["code"] == 200


def test_who_does_not_accept_gzip_gets_plain_json(caller: Caller) -> None:
    answer, body = on_the_wire(caller, "/api/v1/chat/credit", "identity")
    assert (answer.headers["content-encoding"], int(answer.headers["content-length"])) == (None, len(body))
    assert json.loads(body)["code"] == 200


def test_pictures_are_not_packed_again(caller: Caller) -> None:
    picture = httpx.get(caller.picture_url(), headers={"Accept-Encoding": "gzip"}, trust_env=False)
    assert "content-encoding" not in picture.headers
    assert picture.headers["content-type"] == "image/png"


def test_result_urls_of_jpeg_pictures_may_end_in_jpeg(start: Start) -> None:
    caller = start(jpg_ending="jpeg")
    url = caller.picture_url(output_format="jpg")
    assert url.endswith(".jpeg")
    assert anyone.get(url).headers["content-type"] == "image/jpeg"
    assert caller.picture_url(output_format="png").endswith(".png")
