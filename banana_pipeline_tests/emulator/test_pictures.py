"""The pictures: exact sizes and formats, any text, and how long they can be downloaded (sections 8 and 9)."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from banana_pipeline.emulator.pictures import Drawing, draw
from banana_pipeline.emulator.sizes import SCALES, SIZES_1K, nearest_ratio, pixel_size
from banana_pipeline_tests.emulator.conftest import Caller, Start, anyone

DAY_S = 86_400


def _opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("resolution", SCALES)
@pytest.mark.parametrize("ratio", SIZES_1K)
def test_every_ratio_and_resolution_has_its_exact_size(ratio: str, resolution: str) -> None:
    size = pixel_size(ratio, resolution)
    content = draw(Drawing(prompt="a", key="k", size=size, output_format="png", is_plain=True))
    assert _opened(content).size == size


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [("1:1", "4K", (4096, 4096)), ("21:9", "2K", (3168, 1344)), ("9:16", "1K", (768, 1376))],
)
def test_sizes_agree_with_the_published_table(ratio: str, resolution: str, size: tuple[int, int]) -> None:
    assert pixel_size(ratio, resolution) == size


@pytest.mark.parametrize(
    ("extension", "kind", "mime_type"), [("png", "PNG", "image/png"), ("jpg", "JPEG", "image/jpeg")]
)
def test_a_result_downloads_without_a_key_in_the_format_asked_for(
    caller: Caller, extension: str, kind: str, mime_type: str
) -> None:
    url = caller.picture_url(aspect_ratio="16:9", output_format=extension)
    answer = anyone.get(url)
    image = _opened(answer.content)
    assert url.endswith(f".{extension}")
    assert (answer.headers["content-type"], image.format, image.size) == (mime_type, kind, (1376, 768))


def test_a_4k_result_is_drawn_in_full(caller: Caller) -> None:
    url = caller.picture_url(resolution="4K", aspect_ratio="5:4")
    assert _opened(anyone.get(url).content).size == (4608, 3712)


def test_samples_of_one_prompt_look_different(caller: Caller) -> None:
    assert anyone.get(caller.picture_url("same")).content != anyone.get(caller.picture_url("same")).content


def test_a_picture_does_not_change_between_downloads(caller: Caller) -> None:
    url = caller.picture_url()
    assert anyone.get(url).content == anyone.get(url).content


def test_a_plain_picture_has_the_right_size_too(start: Start) -> None:
    assert _opened(anyone.get(start(is_drawing=False).picture_url()).content).size == (1024, 1024)


def test_auto_without_images_is_square() -> None:
    assert pixel_size("auto", "1K") == (1024, 1024)


def test_auto_takes_the_ratio_nearest_to_the_reference() -> None:
    assert [nearest_ratio(size) for size in ((1920, 1080), (500, 760), (3000, 1000))] == [
        "16:9",
        "2:3",
        "21:9",
    ]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_any_text_can_be_drawn(prompt: str) -> None:
    content = draw(Drawing(prompt=prompt, key="k", size=(256, 160), output_format="png"))
    assert _opened(content).size == (256, 160)


@pytest.mark.parametrize("prompt", ["\ud800 half", "a\x00b\nc\u202e", "熊と🐻‍❄️ ", "x" * 10_000, " \t "])
def test_a_strange_prompt_is_sold_recorded_and_drawn(caller: Caller, prompt: str) -> None:
    body = {"model": "nano-banana-pro", "input": {"prompt": prompt}}
    answer = caller.http.post("/api/v1/jobs/createTask", content=json.dumps(body).encode()).json()
    caller.emulator.advance(10)
    data = caller.record(answer["data"]["taskId"])["data"]
    assert anyone.get(data["response"]["resultUrls"][0]).status_code == 200
    assert caller.http.get("/admin").status_code == 200


def test_a_picture_does_not_exist_before_its_task_is_finished(caller: Caller) -> None:
    task_id = caller.task_id()
    name = caller.emulator.books.tasks[task_id].media_name
    assert caller.http.get(f"/h/{name}").status_code == 404


def test_a_result_url_is_gone_after_a_day_and_the_picture_after_fourteen(start: Start) -> None:
    caller = start()
    url = caller.picture_url()
    statuses = [anyone.get(url).status_code]
    for days in (1, 13):
        caller.emulator.advance(days * DAY_S)
        statuses.append(anyone.get(url).status_code)
    assert statuses == [200, 410, 404]


def test_a_download_link_works_for_twenty_minutes_after_the_url_has_expired(start: Start) -> None:
    caller = start()
    url = caller.picture_url()
    caller.emulator.advance(2 * DAY_S)
    link = caller.http.post("/api/v1/common/download-url", json={"url": url}).json()["data"]
    statuses = [anyone.get(link).status_code]
    caller.emulator.advance(20 * 60)
    assert [*statuses, anyone.get(link).status_code] == [200, 410]


def test_a_link_cannot_be_prolonged_by_hand(caller: Caller) -> None:
    url = caller.picture_url()
    assert anyone.get(f"{url}?expires=99999999999&signature=0").status_code == 410


def test_a_download_link_is_refused_for_a_foreign_url(caller: Caller) -> None:
    answer = caller.http.post("/api/v1/common/download-url", json={"url": "https://host/a.png"})
    assert answer.json() == {"code": 422, "msg": "url is wrong", "data": None}


@pytest.mark.parametrize("ratio", SIZES_1K)
def test_eight_references_fit_on_every_ratio(ratio: str) -> None:
    reference = draw(Drawing(prompt="r", key="r", size=(512, 300), output_format="jpg"))
    size = pixel_size(ratio, "1K")
    drawing = Drawing(prompt="a", key="k", size=size, output_format="png", references=(reference,) * 8)
    assert _opened(draw(drawing)).size == size
