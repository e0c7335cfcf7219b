"""createTask: what is accepted, what is refused, in which order and in which words (section 2)."""

import re

import pytest

from banana_pipeline_tests.emulator.conftest import Caller, Start, anyone

GOOD = {"model": "nano-banana-pro", "input": {"prompt": "a red boat"}}


def _with(**given: object) -> dict[str, object]:
    return {"model": "nano-banana-pro", "input": {"prompt": "a red boat", **given}}


def test_a_prompt_alone_is_accepted_in_the_recorded_shape(caller: Caller) -> None:
    answer = caller.post(GOOD)
    task_id = answer.json()["data"]["taskId"]
    assert answer.json() == {"code": 200, "msg": "success", "data": {"taskId": task_id, "recordId": task_id}}
    assert re.fullmatch("[0-9a-f]{32}", task_id)
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"


def test_two_posts_make_two_tasks_because_there_is_no_idempotency_key(caller: Caller) -> None:
    assert caller.task_id("same") != caller.task_id("same")


def test_unknown_input_keys_are_ignored(caller: Caller) -> None:
    assert caller.create(image_urls=["https://host/a.png"], seed=7)["code"] == 200


def test_the_old_playground_alias_works(caller: Caller) -> None:
    assert caller.http.post("/api/v1/playground/createTask", json=GOOD).json()["code"] == 200


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"input": {"prompt": "x"}}, 500, "This field is required"),
        ({"model": "nano-banana-pro"}, 500, "This field is required"),
        ({"model": "nano-banana-pro", "input": {}}, 500, "This field is required"),
        (_with(prompt=""), 500, "This field is required"),
        ({"model": "google/nano-banana-pro", "input": {"prompt": "x"}}, 422, "The model name you specified"),
        (_with(prompt="x" * 10_001), 500, "The text length cannot exceed the maximum limit"),
        (_with(aspect_ratio="2:1"), 500, "aspect_ratio is not within the range of allowed options"),
        (_with(resolution="1k"), 500, "resolution is not within the range of allowed options"),
        (_with(output_format="jpeg"), 500, "output_format is not within the range of allowed options"),
        (_with(image_input=["https://host/a.png"] * 9), 422, "image_input"),
        (_with(image_input=["data:image/png;base64,AAAA"]), 500, "File type not supported"),
        (_with(image_input=["https://host/a.gif"]), 500, "File type not supported"),
        (_with(image_input=["http://[bad/a.png"]), 500, "File type not supported"),
        (_with(image_input="https://host/a.png"), 422, "image_input"),
        (_with(prompt=7), 422, "prompt"),
        ([1, 2], 422, "object"),
    ],
)
def test_a_bad_request_is_refused_with_http_200_and_null_data(
    caller: Caller, body: object, code: int, text: str
) -> None:
    answer = caller.post(body)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, code, None)
    assert text in answer.json()["msg"]


def test_a_refused_request_costs_nothing(caller: Caller) -> None:
    before = caller.credits()
    caller.create(resolution="8K")
    assert caller.credits() == before


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"model": "wrong", "input": {}}, "model name"),
        ({"model": "nano-banana-pro", "input": {"resolution": "8K"}}, "required"),
        (_with(prompt="x" * 10_001, resolution="8K"), "text length"),
        (_with(resolution="8K", image_input=["https://h/a.png"] * 9), "range of allowed"),
    ],
)
def test_problems_are_told_one_at_a_time_in_kies_order(caller: Caller, given: object, text: str) -> None:
    assert text in caller.post(given).json()["msg"]


def test_ten_thousand_characters_and_eight_images_are_allowed(caller: Caller) -> None:
    assert caller.create("x" * 10_000, image_input=["https://host/a.webp"] * 8)["code"] == 200


def test_malformed_json_is_http_400(caller: Caller) -> None:
    answer = caller.http.post("/api/v1/jobs/createTask", content=b'{"model": ')
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "k"}, {"authorization": "Token k"}, {"authorization": "k"}])
def test_without_a_bearer_key_the_body_code_is_401(caller: Caller, headers: dict[str, str]) -> None:
    url = f"{caller.emulator.base_url}/api/v1/jobs/createTask"
    answer = anyone.post(url, json={"model": "wrong"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (200, 401)
    assert answer.json()["msg"] == "You do not have access permissions"


def test_only_listed_keys_are_accepted_when_keys_are_listed(start: Start) -> None:
    caller = start(keys=("good", "gone"), revoked_keys=frozenset({"gone"}))
    codes = [Caller(caller.emulator, key).create()["code"] for key in ("good", "gone", "other")]
    assert codes == [200, 401, 401]


def test_the_real_status_option_moves_the_code_to_http(start: Start) -> None:
    caller = start(has_real_statuses=True)
    assert [caller.post(GOOD).status_code, caller.post({}).status_code] == [200, 500]


def test_the_message_key_can_be_the_old_one(start: Start) -> None:
    assert start(message_key="message").post({}).json()["message"] == "This field is required"


def test_the_user_agent_of_urllib_is_refused_by_the_gateway(caller: Caller) -> None:
    answer = caller.http.get("/api/v1/chat/credit", headers={"user-agent": "Python-urllib/3.11"})
    assert (answer.status_code, answer.text) == (403, "error code: 1010")


def test_an_unknown_path_is_a_json_404(caller: Caller) -> None:
    answer = caller.http.get("/api/v1/jobs/listTasks")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


def test_the_twenty_first_creation_in_ten_seconds_is_refused_and_not_stored(start: Start) -> None:
    caller = start(rate_limit=20)
    answers = [caller.create(f"{number}") for number in range(21)]
    assert [answer["code"] for answer in answers] == [200] * 20 + [429]
    assert answers[20]["msg"] == "Your call frequency is too high. Please try again later."
    assert caller.books()["tasks"] == 20
    assert caller.books()["peak_creations_in_window"] == 20


def test_the_window_slides_and_belongs_to_one_account(start: Start) -> None:
    caller = start(rate_limit=2)
    codes = [caller.create()["code"]]
    caller.emulator.advance(6)
    codes += [caller.create()["code"], caller.create()["code"]]
    caller.emulator.advance(4)
    codes += [caller.create()["code"], caller.create()["code"]]
    assert codes == [200, 200, 429, 200, 429]
    assert Caller(caller.emulator, "another").create()["code"] == 200


def test_queries_do_not_count_against_the_creation_limit(start: Start) -> None:
    caller = start(rate_limit=1)
    task_id = caller.task_id()
    assert [caller.record(task_id)["code"] for _ in range(5)] == [200] * 5


def test_queries_have_a_limit_of_their_own_when_asked_for(start: Start) -> None:
    caller = start(query_limit=2)
    task_id = caller.task_id()
    assert [caller.record(task_id)["code"] for _ in range(3)] == [200, 200, 429]
