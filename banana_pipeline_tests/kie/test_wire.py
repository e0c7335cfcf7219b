"""Reading answers: every form met in the wild, and anything else without an exception or a made-up task."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.failures import Ambiguous, Created, FetchMeaning, Refusal, Refused
from banana_pipeline.core.requests import GenerationRequest
from banana_pipeline.kie.records import TaskState
from banana_pipeline.kie.wire import (
    create_body,
    read_answer,
    read_created,
    read_credits,
    read_fetched,
    read_upload,
    task_input,
)

TASK = "f23dc0faa81bda75e5a7a20e572a507b"
URL = "https://tempfile.aiquickdraw.com/h/a_1.png"
HTML = "<html><head><title>502 Bad Gateway</title></head><body>this field is required, try again later</body></html>"


def created(body: object, status: int = 200) -> Any:
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return read_created(read_answer(status, raw))


def fetched(data: object, status: int = 200, **envelope: Any) -> Any:
    body = {"code": 200, "msg": "success", "data": data, **envelope}
    return read_fetched(read_answer(status, json.dumps(body).encode()), TASK)


def record(**given: Any) -> Any:
    return fetched({"taskId": TASK, "state": "success", **given}).record


@pytest.mark.parametrize("status", [200, 201, 500])
@pytest.mark.parametrize("task_id", [TASK, "task_nano-banana-pro_1765178625768", "x" * 128, 123])
def test_a_task_id_of_any_shape_is_a_task(status: int, task_id: object) -> None:
    body = {"code": 200, "msg": "success", "data": {"taskId": task_id, "recordId": task_id}}
    assert created(body, status) == Created(task_id=str(task_id))


@pytest.mark.parametrize(
    "data",
    [None, [], {}, "", "abc", 5, True, {"taskId": None}, {"taskId": ""}, {"taskId": "x" * 129}, {"taskId": True},
     {"taskId": ["a"]}, {"taskId": "a\x00b"}, {"taskId": "\ud800"}, {"taskId": " "}, {"taskId": "null"},
     {"taskId": 0}, {"taskId": -1}, {"taskId": 1.5}, [TASK, TASK]],
)  # fmt: skip
def test_success_without_a_usable_task_id_is_ambiguous(data: object) -> None:
    assert isinstance(created({"code": 200, "msg": "success", "data": data}), Ambiguous)
    assert isinstance(created({"code": 200, "msg": "success"}), Ambiguous)


@pytest.mark.parametrize(
    "data",
    [{"recordId": TASK}, {"task_id": TASK}, {"record_id": TASK}, {"id": TASK}, TASK, f" {TASK}\n", [{"taskId": TASK}],
     {"taskId": None, "recordId": TASK}, {"taskId": "x" * 129, "recordId": TASK}, f'{{"recordId":"{TASK}"}}'],
)  # fmt: skip
def test_an_id_in_another_place_is_named_but_not_believed(data: object) -> None:
    outcome = created({"code": 200, "msg": "success", "data": data})
    assert isinstance(outcome, Ambiguous)
    assert outcome.named_task_id == TASK
    assert TASK in outcome.reason


def test_a_number_in_another_place_is_an_id_too() -> None:
    assert created({"code": 200, "data": {"recordId": 4711}}).named_task_id == "4711"
    assert created({"code": 200, "data": 4711}).named_task_id == "4711"


def test_a_refusal_that_names_a_record_is_not_certainly_a_refusal() -> None:
    assert created({"code": 422, "msg": "x", "data": {"recordId": TASK}}).named_task_id == TASK
    assert created({"code": 429, "msg": "x", "data": "RATE_LIMIT"}).why is Refusal.RATE
    assert created({"code": 422, "msg": "x", "data": {"id": "ratio"}}).why is Refusal.PARAMETERS


def test_success_in_another_word_reads_like_code_200_but_denies_nothing() -> None:
    assert created({"success": True, "data": {"taskId": TASK}}) == Created(task_id=TASK)
    record = {"taskId": TASK, "state": "generating"}
    envelope = {"success": True, "data": record}
    assert read_fetched(read_answer(200, json.dumps(envelope).encode()), TASK).meaning is FetchMeaning.RECORD
    empty = json.dumps({"success": True, "data": None}).encode()
    assert read_fetched(read_answer(200, empty), TASK).meaning is FetchMeaning.TRY_AGAIN


@pytest.mark.parametrize("key", ["msg", "message"])
@pytest.mark.parametrize("status", [200, 422])
@pytest.mark.parametrize("code", [422, 422.0, "422"])
def test_a_refusal_may_come_as_http_200_or_as_a_real_status(key: str, status: int, code: object) -> None:
    expected = Refused(why=Refusal.PARAMETERS, code=422, msg="wrong ratio")
    assert created({"code": code, key: "wrong ratio", "data": None}, status) == expected


def test_the_code_of_the_body_is_the_real_status() -> None:
    assert created({"code": 402, "msg": "Credits insufficient"}, 500).why is Refusal.CREDITS
    assert isinstance(created({"code": 500, "msg": "Server exception"}, 422), Ambiguous)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 505, 520, 524])
@pytest.mark.parametrize("body", [HTML, "", '{"message": "A valid session is required"}', "[]", '{"code": 42'])
def test_a_gateways_5xx_page_proves_nothing_whatever_it_says(status: int, body: str) -> None:
    assert isinstance(created(body, status), Ambiguous)


@pytest.mark.parametrize("body", [HTML, "", "null", "[]", '"x"', "5", '{"code": 200, "data": {"taskI', "{}"])
@pytest.mark.parametrize("status", [200, 201, 204, 302])
def test_an_unreadable_success_is_ambiguous(body: str, status: int) -> None:
    assert isinstance(created(body, status), Ambiguous)


@pytest.mark.parametrize(("status", "why"), [
    (401, Refusal.KEY), (429, Refusal.RATE), (400, Refusal.NOT_KIE), (403, Refusal.NOT_KIE), (404, Refusal.NOT_KIE),
    (405, Refusal.NOT_KIE), (407, Refusal.NOT_KIE), (413, Refusal.NOT_KIE), (422, Refusal.NOT_KIE),
])  # fmt: skip
def test_a_4xx_page_is_a_refusal_of_which_no_prompt_is_guilty(status: int, why: Refusal) -> None:
    assert created("error code: 1010", status).why is why


@pytest.mark.parametrize("code", [True, False, None, [], {}, "x", 200.5, 1e400])
def test_a_code_of_another_type_counts_as_absent(code: object) -> None:
    assert isinstance(created({"code": code, "msg": "This field is required"}), Ambiguous)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1" + "0" * 5000, "NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_beyond_measure_do_not_raise(number: str) -> None:
    body = f'{{"code": {number}, "data": {{"taskId": {number}, "state": "success", "completeTime": {number}}}}}'
    answer = read_answer(200, body.encode())
    assert isinstance(read_created(answer), Ambiguous | Created)
    assert read_fetched(answer, TASK).record is None
    assert read_credits(read_answer(200, f'{{"code": 200, "data": {number}}}'.encode())) is None


@pytest.mark.parametrize("nested", ["[" * 200_000, '{"code":' * 100_000, '{"data":' * 50_000 + "1" + "}" * 50_000])
def test_deep_nesting_does_not_raise(nested: str) -> None:
    assert isinstance(created(nested), Ambiguous)
    assert record(resultJson=nested).result_urls == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ["code", "msg", "message", "data", "taskId", "state", "resultJson", "resultUrls", "failCode", "failMsg",
                 "createTime", "completeTime", "creditsConsumed", "downloadUrl"], inner,
            ),
        )
    ),
    max_leaves=12,
)  # fmt: skip
envelopes = st.fixed_dictionaries({"code": st.sampled_from([200, 422, 500, 501]) | json_values, "data": json_values})


@given(json_values | envelopes, st.integers(100, 599))
def test_no_json_value_raises_or_makes_up_a_task(value: Any, status: int) -> None:
    answer = read_answer(status, json.dumps(value).encode())
    outcome, found = read_created(answer), read_fetched(answer, TASK)
    if isinstance(outcome, Created):
        assert outcome.task_id == str(value["data"]["taskId"]).strip()
    assert (found.record is None) == (found.meaning is not FetchMeaning.RECORD)
    for text in (answer.msg, found.msg, found.record and found.record.fail_msg):
        assert (text or "").encode() is not None
    read_credits(answer)
    read_upload(answer)


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_bytes_raise_or_make_up_a_task(body: bytes, status: int) -> None:
    outcome = created(body, status)
    assert not isinstance(outcome, Created)
    if isinstance(outcome, Refused):
        assert 400 <= status < 500


@given(st.text())
def test_every_message_can_be_stored(text: str) -> None:
    answer = read_answer(200, json.dumps({"code": 422, "msg": text + "\x00\ud800"}).encode())
    assert "\x00" not in answer.msg
    assert answer.msg.encode()


def test_the_recorded_answer_of_2026_09_is_read_in_full() -> None:
    found = record(
        model="nano-banana-pro", param='{"input":"{\\"prompt\\":\\"...\\"}","model":"..."}',
        resultJson=json.dumps({"resultUrls": [URL]}), failCode=None, failMsg=None, costTime=66,
        completeTime=1789126761759, createTime=1789126694807, creditsConsumed=6.0, operationType="x", successFlag=1,
        response={"resultUrls": [URL]}, paramJson="{}",
    )  # fmt: skip
    assert (found.state, found.result_urls, found.credits_consumed) == (TaskState.SUCCESS, (URL,), 6.0)
    assert found.generation_s == pytest.approx(66.952)
    assert found.completed_at == datetime.fromtimestamp(1789126761.759, tz=UTC)
    assert (found.fail_code, found.fail_msg) == (None, None)


def test_the_documented_failure_is_read_in_full() -> None:
    found = record(
        state="fail", resultJson="", failCode="500", failMsg="Internal Error, Please try again later.", costTime=0,
        creditsConsumed=0.0,
    )  # fmt: skip
    assert (found.state, found.fail_code, found.credits_consumed) == (TaskState.FAIL, "500", 0.0)
    assert found.fail_msg == "Internal Error, Please try again later."


def test_the_documents_empty_texts_count_as_absent() -> None:
    found = record(failCode="", failMsg="", resultJson="", completeTime=None, costTime=None)
    assert (found.fail_code, found.fail_msg, found.result_urls, found.generation_s) == (None, None, (), None)


@pytest.mark.parametrize("state", ["waiting", "queuing", "generating", "running", "new word", None, 5, [], {}])
def test_a_state_that_is_not_final_only_means_look_again(state: object) -> None:
    assert record(state=state).state is TaskState.RUNNING


@pytest.mark.parametrize(
    ("given_json", "urls"),
    [
        (json.dumps({"resultUrls": [URL, URL]}), (URL,)),
        ({"resultUrls": [URL]}, (URL,)),
        ({"resultUrls": URL}, (URL,)),
        (json.dumps({"resultUrls": [URL, None, 5, "", "a b", "half \ud800"]}), (URL,)),
        *((empty, ()) for empty in ("", " ", None, "null", "[]", "{", "5", [], {}, 5, True, {"resultUrls": {}})),
    ],
)
def test_result_urls_are_found_in_each_form_of_result_json(given_json: object, urls: tuple[str, ...]) -> None:
    assert record(resultJson=given_json).result_urls == urls


def test_the_older_name_of_the_price_is_read_too() -> None:
    assert record(consumeCredits=100).credits_consumed == 100.0
    assert record(consumeCredits=100, creditsConsumed=0.0).credits_consumed == 0.0
    assert record(creditsConsumed=True).credits_consumed is None


@pytest.mark.parametrize(("created_ms", "completed_ms"), [(2, 1), (None, 5), (5, None), ("x", 5), (True, 5)])
def test_a_duration_that_makes_no_sense_is_not_known(created_ms: object, completed_ms: object) -> None:
    assert record(createTime=created_ms, completeTime=completed_ms).generation_s is None


@pytest.mark.parametrize("data", [None, [], "", 5, {}])
def test_success_without_a_record_is_a_task_not_known_yet(data: object) -> None:
    assert fetched(data).meaning is FetchMeaning.NOT_KNOWN


@pytest.mark.parametrize("status", [408, 501])
def test_a_gateways_time_out_page_does_not_end_a_paid_task(status: int) -> None:
    assert read_fetched(read_answer(status, HTML.encode()), TASK).meaning is FetchMeaning.TRY_AGAIN
    assert fetched(None, code=status).meaning is FetchMeaning.TASK_OVER


@pytest.mark.parametrize("status", [200, 400, 404, 410, 422, 429, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", [HTML, "", "{}", "[]", '{"detail": "Not Found"}', '{"status": 404}', '{"code": "x"}'])
def test_a_gateway_never_says_that_a_task_is_not_known(status: int, body: str) -> None:
    assert read_fetched(read_answer(status, body.encode()), TASK).meaning is FetchMeaning.TRY_AGAIN


@pytest.mark.parametrize("code", [408, 422, 500, 501, "501"])
@pytest.mark.parametrize("state", ["success", "fail", "generating"])
def test_a_record_counts_beside_any_code(code: object, state: str) -> None:
    found = fetched({"taskId": TASK, "state": state}, code=code)
    assert found.meaning is FetchMeaning.RECORD
    assert found.record.state == {"generating": "running"}.get(state, state)


@pytest.mark.parametrize("code", [408, 501])
@pytest.mark.parametrize("data", [None, {}, [], "", {"taskId": TASK}, {"reason": "slow"}])
def test_without_a_record_those_codes_end_the_task(code: int, data: object) -> None:
    assert fetched(data, code=code).meaning is FetchMeaning.TASK_OVER


def test_a_record_may_be_packed_as_text_or_as_a_list_of_one() -> None:
    record = {"taskId": TASK, "state": "fail"}
    assert [fetched(data).record.state for data in (record, [record], json.dumps(record))] == [TaskState.FAIL] * 3


def test_a_gateways_json_is_a_record_only_if_it_names_the_task() -> None:
    for task_id, meaning in ((TASK, FetchMeaning.RECORD), ("other", FetchMeaning.TRY_AGAIN)):
        body = json.dumps({"data": {"taskId": task_id, "state": "success"}}).encode()
        assert read_fetched(read_answer(200, body), TASK).meaning is meaning


@pytest.mark.parametrize(("data", "balance"), [
    (5916.25, 5916.25), (60, 60.0), ("60.62", 60.62), (0, 0.0), (True, None), (None, None), ({}, None), ("x", None),
    (-36.5, -36.5), (1e12, None), (-1e12, None),
])  # fmt: skip
def test_the_balance_is_a_number_or_not_known(data: object, balance: float | None) -> None:
    assert read_credits(read_answer(200, json.dumps({"code": 200, "data": data}).encode())) == balance
    assert read_credits(read_answer(200, json.dumps({"code": 401, "data": data}).encode())) is None


@pytest.mark.parametrize("data", [None, [], {}, "u", {"downloadUrl": ""}, {"downloadUrl": 5}, {"fileUrl": "u"}])
def test_an_upload_without_a_link_did_not_work(data: object) -> None:
    assert read_upload(read_answer(200, json.dumps({"code": 200, "data": data}).encode())) is None


def test_every_parameter_is_sent_even_where_it_is_the_default() -> None:
    sent = task_input(GenerationRequest(prompt="é{"), ["u"])
    assert sent == {
        "prompt": "é{", "image_input": ["u"], "aspect_ratio": "1:1", "resolution": "1K", "output_format": "png",
    }  # fmt: skip
    assert create_body("nano-banana-pro", sent) == {"model": "nano-banana-pro", "input": sent}
    assert create_body("m", sent, "https://me/cb?attempt=1")["callBackUrl"] == "https://me/cb?attempt=1"
