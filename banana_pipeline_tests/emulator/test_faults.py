"""Faults: what the caller sees, and whether the task exists and is paid all the same (section 11)."""

import time

import httpx
import pytest

from banana_pipeline.emulator import EmulatorConfig, Faults, RunningEmulator
from banana_pipeline.emulator.config import CREATE_FAULTS
from banana_pipeline_tests.emulator.conftest import Caller, Start, anyone


def _post(caller: Caller, prompt: str = "a boat") -> httpx.Response | None:
    """The answer of createTask, None when the connection ended without one."""
    try:
        return caller.post({"model": "nano-banana-pro", "input": {"prompt": prompt}})
    except httpx.RemoteProtocolError:
        return None


@pytest.mark.parametrize("fault", CREATE_FAULTS)
def test_a_task_exists_and_is_paid_unless_the_fault_comes_before_it(start: Start, fault: str) -> None:
    caller = start(faults=Faults(**{f"{fault}_share": 1.0}))
    _post(caller)
    is_sold = not fault.endswith("_before_store")
    assert caller.books()["tasks"] == is_sold
    assert caller.credits() == 100_000.25 - 18 * is_sold
    assert caller.books()["faults"] == {fault: 1}


@pytest.mark.parametrize("fault", ["lost_answer", "dropped_before_store"])
def test_a_dropped_connection_has_no_answer(start: Start, fault: str) -> None:
    assert _post(start(), f"[fault:{fault}]") is None


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("html_502_after_store", 502, "<html>"),
        ("html_502_before_store", 502, "<html>"),
        ("exception_500_after_store", 200, '"code":500,"msg":"Server exception, please try again later"'),
        ("exception_500_before_store", 200, '"code":500,"msg":"Server exception, please try again later"'),
        ("forbidden_1010_before_store", 403, "error code: 1010"),
        ("maintenance_455_before_store", 200, '"code":455'),
        ("no_task_id", 200, '"code":200,"msg":"success","data":{}'),
    ],
)
def test_each_fault_has_its_own_answer(start: Start, fault: str, status: int, text: str) -> None:
    answer = _post(start(), f"[fault:{fault}]")
    assert answer is not None
    assert answer.status_code == status
    assert text in answer.text


def test_cut_json_is_http_200_that_cannot_be_read(start: Start) -> None:
    answer = _post(start(), "[fault:cut_json]")
    assert answer is not None
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_a_fault_named_in_the_prompt_meets_only_the_first_post(start: Start) -> None:
    caller = start()
    answers = [_post(caller, "[fault:html_502_before_store]") for _ in range(2)]
    assert [answer and answer.status_code for answer in answers] == [502, 200]


def test_a_share_of_creations_is_hit_and_the_same_ones_in_a_second_run(start: Start) -> None:
    def hits() -> list[bool]:
        caller = start(faults=Faults(lost_answer_share=0.3), seed=5)
        return [_post(caller, f"boat {number}") is None for number in range(60)]

    first = hits()
    assert first == hits()
    assert 8 <= sum(first) <= 30


def test_polls_fail_in_every_way_and_the_task_goes_on(start: Start) -> None:
    caller = start()
    task_id = caller.task_id()
    url = "/api/v1/jobs/recordInfo"
    seen: dict[str, object] = {}
    for fault in ("poll_html_502", "poll_exception_500", "poll_rate_429", "poll_no_data"):
        caller.http.post("/admin/faults", json={f"{fault}_share": 1})
        answer = caller.http.get(url, params={"taskId": task_id})
        seen[fault] = answer.json()["code"] if answer.status_code == 200 else answer.status_code
        caller.http.post("/admin/faults", json={f"{fault}_share": 0})
    caller.http.post("/admin/faults", json={"poll_drop_share": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        caller.record(task_id)
    caller.http.post("/admin/faults", json={"poll_drop_share": 0})
    assert list(seen.values()) == [502, 500, 429, 200]
    assert caller.state(task_id) == "waiting"


def test_downloads_can_be_cut_refused_and_dropped(start: Start) -> None:
    caller = start()
    url = caller.picture_url()
    whole = anyone.get(url).content
    caller.http.post("/admin/faults", json={"download_cut_share": 1})
    assert anyone.get(url).content == whole[: len(whole) // 2]
    caller.http.post("/admin/faults", json={"download_cut_share": 0, "download_html_502_share": 1})
    assert anyone.get(url).status_code == 502
    caller.http.post("/admin/faults", json={"download_html_502_share": 0, "download_drop_share": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        anyone.get(url)


def test_a_slow_answer_comes_after_the_task_is_stored(start: Start) -> None:
    caller = start(faults=Faults(slow_answer_share=1, slow_answer_s=0.5))
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            "/api/v1/jobs/createTask",
            json={"model": "nano-banana-pro", "input": {"prompt": "a"}},
            timeout=0.1,
        )
    assert caller.books()["tasks"] == 1


def test_an_answer_delay_holds_every_call(start: Start) -> None:
    caller = start(answer_delay_s=0.1)
    begun = time.perf_counter()
    caller.credits()
    assert time.perf_counter() - begun >= 0.1


@pytest.mark.parametrize(
    "body",
    [{"nonsense_share": 1}, {"lost_answer_share": 2}, {"lost_answer_share": "x"}, {"slow_answer_s": -1}, [1]],
)
def test_a_wrong_fault_setting_is_refused_and_changes_nothing(start: Start, body: object) -> None:
    caller = start()
    assert caller.http.post("/admin/faults", json=body).status_code == 400
    assert caller.create()["code"] == 200


def test_shares_above_one_in_sum_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to"):
        Faults(lost_answer_share=0.6, cut_json_share=0.6)


@pytest.mark.parametrize("settings", [{"latency_s": (5, 2)}, {"fail_share": 2}, {"rate_limit": 0}])
def test_a_config_that_cannot_be_obeyed_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        EmulatorConfig(**settings)  # pyright: ignore[reportArgumentType]


def test_stopping_does_not_wait_for_slow_answers() -> None:
    config = EmulatorConfig(faults=Faults(slow_answer_share=1, slow_answer_s=60))
    with RunningEmulator(config) as emulator:
        caller = Caller(emulator)
        with pytest.raises(httpx.ReadTimeout):
            caller.http.get("/api/v1/jobs/recordInfo", timeout=0.1)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 5
