"""recordInfo, credits and links: the life of a task as its buyer sees it (sections 3, 5, 7, 8)."""

import json
import re

import pytest

from banana_pipeline_tests.emulator.conftest import START_S, Caller, Start, anyone

DAY_S = 86_400


def test_a_task_waits_then_generates_then_succeeds(start: Start) -> None:
    caller = start(latency_s=(10, 10), waiting_share=0.5)
    task_id = caller.task_id()
    states = [caller.state(task_id)]
    for _ in range(2):
        caller.emulator.advance(5)
        states.append(caller.state(task_id))
    assert states == ["waiting", "generating", "success"]


def test_waiting_may_go_straight_to_success(start: Start) -> None:
    caller = start(latency_s=(10, 10), waiting_share=0.5, is_generating_skipped=True)
    task_id = caller.task_id()
    caller.emulator.advance(9)
    assert caller.state(task_id) == "waiting"


def test_a_running_record_has_the_wire_values(start: Start) -> None:
    caller = start(latency_s=(10, 10))
    data = caller.record(caller.task_id(resolution="4K"))["data"]
    assert data["resultJson"] == ""
    assert {data[name] for name in ("failCode", "failMsg", "costTime", "completeTime")} == {None}
    assert (data["createTime"], data["creditsConsumed"], data["successFlag"]) == (START_S * 1000, 24.0, 0)


def test_a_finished_record_has_seconds_milliseconds_and_one_url(start: Start) -> None:
    caller = start(latency_s=(7, 7))
    task_id = caller.task_id()
    caller.emulator.advance(30)
    data = caller.record(task_id)["data"]
    urls = json.loads(data["resultJson"])["resultUrls"]
    unix_s = int(START_S + 7)
    assert re.fullmatch(rf"{caller.emulator.base_url}/h/[0-9a-f]{{32}}_{unix_s}\.png", urls[0])
    assert (data["costTime"], data["completeTime"]) == (7, (START_S + 7) * 1000)
    assert (data["response"], data["successFlag"]) == ({"resultUrls": urls}, 1)


def test_param_is_encoded_twice_and_echoes_the_callback_url(caller: Caller) -> None:
    created = caller.create("ein Bär", call_back_url="http://127.0.0.1:9/cb?attempt=7", typo=1)
    data = caller.record(created["data"]["taskId"])["data"]
    param = json.loads(data["param"])
    assert param["callBackUrl"] == "http://127.0.0.1:9/cb?attempt=7"
    assert json.loads(param["input"]) == {"prompt": "ein Bär", "typo": 1}
    assert data["paramJson"] == data["param"]


def test_the_field_set_of_april_has_no_credits_and_no_duplicates(start: Start) -> None:
    caller = start(record_fields="2026-04")
    data = caller.record(caller.task_id())["data"]
    absent = {"creditsConsumed", "operationType", "successFlag", "response", "paramJson", "updateTime"}
    assert not absent & data.keys()


@pytest.mark.parametrize(
    ("mark", "code", "text"),
    [
        ("[fail:internal]", "500", "Internal Error"),
        ("[fail:busy]", "500", "busy"),
        ("[fail:gemini]", "500", "Gemini could not generate"),
        ("[fail:fetch]", "400", "Image fetch failed"),
        ("[fail:policy]", "400", "content policies"),
        ("[fail:sensitive]", "422", "flagged as sensitive"),
        ("[fail:408]", "408", "10 minutes"),
        ("[fail:501]", "501", "Generation failed"),
        ("some NSFW thing", "400", "content policies"),
    ],
)
def test_a_word_in_the_prompt_chooses_the_failure(caller: Caller, mark: str, code: str, text: str) -> None:
    task_id = caller.task_id(f"a cat {mark}")
    caller.emulator.advance(10)
    answer = caller.record(task_id)
    assert (answer["code"], answer["data"]["state"], answer["data"]["failCode"]) == (200, "fail", code)
    assert text in answer["data"]["failMsg"]
    assert (answer["data"]["resultJson"], answer["data"]["creditsConsumed"]) == ("", 0.0)


def test_a_numbered_failure_mark_fails_only_that_often(caller: Caller) -> None:
    task_ids = [caller.task_id("a cat [fail:internal:2]") for _ in range(3)]
    caller.emulator.advance(10)
    assert [caller.state(task_id) for task_id in task_ids] == ["fail", "fail", "success"]


def test_recordinfo_itself_may_answer_501_once_the_task_is_over(caller: Caller) -> None:
    task_id = caller.task_id("a cat [fail:envelope501]")
    first = caller.record(task_id)["code"]
    caller.emulator.advance(10)
    assert [first, caller.record(task_id)["code"]] == [200, 501]


def test_a_success_without_result_is_charged(caller: Caller) -> None:
    before = caller.credits()
    task_id = caller.task_id("a cat [fail:noresult]")
    caller.emulator.advance(10)
    data = caller.record(task_id)["data"]
    assert (data["state"], json.loads(data["resultJson"])) == ("success", {"resultUrls": []})
    assert caller.credits() == before - 18


def test_the_share_of_failures_is_the_same_choice_in_a_second_run(start: Start) -> None:
    def outcomes() -> list[str]:
        caller = start(fail_share=0.5, seed=3)
        task_ids = [caller.task_id(f"cat {number}") for number in range(40)]
        caller.emulator.advance(10)
        return [caller.state(task_id) for task_id in task_ids]

    first = outcomes()
    assert first == outcomes()
    assert 8 <= first.count("fail") <= 32


def test_a_missing_task_id_is_code_400(caller: Caller) -> None:
    answer = caller.http.get("/api/v1/jobs/recordInfo").json()
    assert answer == {"code": 400, "msg": "taskId parameter is required", "data": None}


def test_an_unknown_id_is_a_null_record(caller: Caller) -> None:
    assert caller.record("0" * 32) == {"code": 422, "msg": "recordInfo is null", "data": None}


def test_a_task_of_another_account_is_a_null_record(caller: Caller) -> None:
    assert Caller(caller.emulator).record(caller.task_id())["code"] == 422


def test_a_new_task_may_be_invisible_at_first(start: Start) -> None:
    caller = start(visible_after_s=3)
    task_id = caller.task_id()
    first = caller.record(task_id)["code"]
    caller.emulator.advance(3)
    assert [first, caller.record(task_id)["code"]] == [422, 200]


def test_a_record_is_forgotten_after_two_months(start: Start) -> None:
    caller = start()
    task_id = caller.task_id()
    caller.emulator.advance(61 * DAY_S)
    assert caller.record(task_id)["msg"] == "recordInfo is null"


def test_recordinfo_needs_a_key(caller: Caller) -> None:
    url = f"{caller.emulator.base_url}/api/v1/jobs/recordInfo"
    assert anyone.get(url, params={"taskId": "x"}).json()["code"] == 401


def test_the_balance_is_a_float_and_prices_follow_the_resolution(caller: Caller) -> None:
    balances = [caller.credits()]
    for resolution in ("1K", "2K", "4K"):
        caller.create(resolution=resolution)
        balances.append(caller.credits())
    assert balances == [100_000.25, 99_982.25, 99_964.25, 99_940.25]


def test_the_price_is_held_at_creation_and_given_back_on_failure(start: Start) -> None:
    caller = start(latency_s=(10, 10))
    caller.create("[fail:internal]")
    caller.create("fine")
    assert (caller.credits(), caller.books()["credits"]) == (
        99_964.25,
        {"held": 36.0, "spent": 0.0, "returned": 0.0},
    )
    caller.emulator.advance(10)
    assert (caller.credits(), caller.books()["credits"]) == (
        99_982.25,
        {"held": 0.0, "spent": 18.0, "returned": 18.0},
    )


def test_too_few_credits_are_refused_with_402_after_every_other_check(start: Start) -> None:
    caller = start(opening_credits=20.0)
    codes = [caller.create(resolution="4K")["code"], caller.create(resolution="8K")["code"]]
    codes += [caller.create()["code"], caller.create()["code"]]
    assert codes == [402, 500, 200, 402]
    assert caller.create()["msg"] == "The current credits are insufficient. Please top up."
