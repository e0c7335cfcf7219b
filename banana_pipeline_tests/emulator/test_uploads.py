"""The three uploads and what references do to a task (section 6)."""

import base64
import io
import re
from typing import Any

import pytest
from PIL import Image

from banana_pipeline_tests.emulator.conftest import Caller, Start, anyone

DAY_S = 86_400


def _png(size: tuple[int, int] = (64, 32), colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def _stream(caller: Caller, content: bytes, name: str = "t.png", path: str = "images/t") -> dict[str, Any]:
    fields = {"uploadPath": path, "fileName": name}
    return caller.http.post("/api/file-stream-upload", data=fields, files={"file": ("x.png", content)}).json()


def test_a_stream_upload_answers_in_the_recorded_shape(caller: Caller) -> None:
    content = _png()
    answer = _stream(caller, content)
    data = answer.pop("data")
    assert answer == {"success": True, "code": 200, "msg": "File uploaded successfully"}
    assert re.fullmatch(r"kieai/\d+/images/t/t\.png", data["filePath"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data["uploadedAt"])
    assert (data["fileSize"], data["mimeType"], data["fileName"]) == (len(content), "image/png", "t.png")
    assert anyone.get(data["downloadUrl"]).content == content


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_base64_may_be_bare_or_a_data_url(caller: Caller, prefix: str) -> None:
    text = prefix + base64.b64encode(_png()).decode()
    body = {"base64Data": text, "uploadPath": "a/b"}
    data = caller.http.post("/api/file-base64-upload", json=body).json()["data"]
    assert re.fullmatch(r"\d{13}-[0-9a-z]{10,11}\.png", data["fileName"])
    assert anyone.get(data["downloadUrl"]).content == _png()


def test_a_url_upload_fetches_from_this_machine(caller: Caller) -> None:
    source = caller.picture_url()
    body = {"fileUrl": source, "uploadPath": "a", "fileName": "copy.png"}
    data = caller.http.post("/api/file-url-upload", json=body).json()["data"]
    assert anyone.get(data["downloadUrl"]).content == anyone.get(source).content


def test_a_url_upload_never_reaches_another_host(caller: Caller) -> None:
    body = {"fileUrl": "https://example.com/a.png", "uploadPath": "a"}
    answer = caller.http.post("/api/file-url-upload", json=body)
    assert answer.status_code == 400
    assert "offline" in answer.json()["msg"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"base64Data": "AAAA"}, "Missing required parameter: uploadPath"),
        ({"uploadPath": "a"}, "Missing required parameter: base64Data"),
        ({"base64Data": "!!", "uploadPath": "a"}, "Base64 decoding failed: Invalid Base64 format"),
        ({"base64Data": "AAAA", "uploadPath": "/a"}, "Invalid parameter"),
        ({"base64Data": "AAAA", "uploadPath": "a/../.."}, "Invalid parameter"),
        ({"base64Data": "AAAA", "uploadPath": "a", "fileName": "b/c"}, "Invalid parameter"),
    ],
)
def test_a_wrong_upload_is_http_400_with_its_reason(caller: Caller, body: object, text: str) -> None:
    answer = caller.http.post("/api/file-base64-upload", json=body)
    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (400, False, 400)
    assert text in answer.json()["msg"]


def test_a_stream_upload_without_a_file_is_refused(caller: Caller) -> None:
    answer = caller.http.post("/api/file-stream-upload", data={"uploadPath": "a"})
    assert answer.json()["msg"] == "Missing required parameter: file"


def test_an_upload_without_a_key_is_http_401(caller: Caller) -> None:
    answer = anyone.post(f"{caller.emulator.base_url}/api/file-base64-upload", json={})
    assert (answer.status_code, answer.json()["msg"]) == (401, "Authentication failed: Invalid API Key")


def test_an_upload_with_get_is_405_in_the_upload_envelope(caller: Caller) -> None:
    answer = caller.http.get("/api/file-base64-upload")
    assert (answer.status_code, answer.json()["success"]) == (405, False)


def test_uploads_above_the_limit_are_refused(start: Start) -> None:
    caller = start(max_base64_bytes=100, max_stream_bytes=100)
    body = {"base64Data": "A" * 400, "uploadPath": "a"}
    assert caller.http.post("/api/file-base64-upload", json=body).status_code == 400
    assert _stream(caller, b"x" * 101)["code"] == 400


def test_the_same_path_and_name_overwrites(caller: Caller) -> None:
    _stream(caller, _png(colour="red"))
    url = _stream(caller, _png(colour="blue"))["data"]["downloadUrl"]
    assert anyone.get(url).content == _png(colour="blue")


def test_an_upload_is_free(caller: Caller) -> None:
    before = caller.credits()
    _stream(caller, _png())
    assert caller.credits() == before


def test_auto_follows_an_uploaded_reference_and_shows_it(caller: Caller) -> None:
    url = _stream(caller, _png((1920, 1080)))["data"]["downloadUrl"]
    picture = caller.picture_url(image_input=[url], aspect_ratio="auto")
    image = Image.open(io.BytesIO(anyone.get(picture).content)).convert("RGB")
    assert image.size == (1376, 768)
    assert image.getpixel((100, 100)) == (255, 0, 0)


def test_a_broken_reference_does_not_stop_the_drawing(caller: Caller) -> None:
    url = _stream(caller, b"\x89PNG\r\n\x1a\nnot really")["data"]["downloadUrl"]
    assert anyone.get(caller.picture_url(image_input=[url])).status_code == 200


def test_a_reference_that_is_not_an_image_is_refused(caller: Caller) -> None:
    url = _stream(caller, b"hello", name="t")["data"]["downloadUrl"]
    assert caller.create(image_input=[url])["msg"] == "File type not supported"


def test_a_reference_that_was_never_uploaded_fails_the_task_without_cost(caller: Caller) -> None:
    before = caller.credits()
    task_id = caller.task_id(image_input=[f"{caller.emulator.base_url}/kieai/1/a/no.png"])
    caller.emulator.advance(10)
    data = caller.record(task_id)["data"]
    assert (data["failCode"], data["failMsg"].split(".")[0]) == ("400", "Image fetch failed")
    assert caller.credits() == before


def test_a_foreign_reference_is_not_fetched_and_succeeds(caller: Caller) -> None:
    task_id = caller.task_id(image_input=["https://host.invalid/a.png"])
    caller.emulator.advance(10)
    assert caller.state(task_id) == "success"


def test_a_result_can_be_the_next_reference(caller: Caller) -> None:
    task_id = caller.task_id(image_input=[caller.picture_url()])
    caller.emulator.advance(10)
    assert caller.state(task_id) == "success"


def test_a_reference_of_one_pixel_fails_at_generation(caller: Caller) -> None:
    url = _stream(caller, _png((1, 1)))["data"]["downloadUrl"]
    task_id = caller.task_id(image_input=[url])
    caller.emulator.advance(10)
    assert caller.state(task_id) == "fail"


def test_an_upload_expires_after_three_days_and_then_fails_tasks(start: Start) -> None:
    caller = start()
    url = _stream(caller, _png())["data"]["downloadUrl"]
    caller.emulator.advance(3 * DAY_S)
    assert anyone.get(url).status_code == 404
    task_id = caller.task_id(image_input=[url])
    caller.emulator.advance(10)
    assert caller.state(task_id) == "fail"


def test_the_same_picture_uploaded_twice_counts_as_the_same_purchase(caller: Caller) -> None:
    before = caller.books()["paid_twice"]["extra_tasks"]
    for name in ("one.png", "two.png"):
        caller.task_id(image_input=[_stream(caller, _png(), name=name)["data"]["downloadUrl"]])
    assert caller.books()["paid_twice"]["extra_tasks"] == before + 1
