"""The books: what they count, how they are changed, and that they survive a restart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline.emulator.window import SlidingWindow
from banana_pipeline_tests.emulator.conftest import START_S, Caller, Start, anyone


def test_new_books_are_empty(start: Start) -> None:
    books = start().books()
    assert (books["tasks"], books["polls"], books["refusals_by_code"], books["accounts"]) == (0, 0, {}, [])


def test_everything_that_happens_is_counted(start: Start) -> None:
    caller = start()
    caller.record(caller.task_id())
    caller.create(resolution="8K")
    anyone.get(caller.picture_url("b"))
    books = caller.books()
    assert (books["tasks"], books["polls"], books["downloads"]) == (2, 2, 1)
    assert books["refusals_by_code"] == {"500": 1}
    assert books["tasks_by_state"] == {"success": 2}


def test_a_request_bought_again_is_reported_with_its_prompt(start: Start) -> None:
    caller = start()
    for url in ("http://127.0.0.1:9/?a=1", "http://127.0.0.1:9/?a=2"):
        caller.create("twice", call_back_url=url)
    caller.create("twice", resolution="2K")
    caller.create("once", aspect_ratio="1:1")
    report = caller.books()
    assert report["paid_twice"] == {
        "extra_tasks": 1,
        "extra_credits": 18.0,
        "requests": [{"prompt": "twice", "tasks": 2}],
    }
    assert report["tasks_by_input"] == {"inputs": 3, "max": 2}


def test_a_default_written_out_is_the_same_purchase(start: Start) -> None:
    caller = start()
    caller.create("boat")
    caller.create("boat", aspect_ratio="1:1", resolution="1K", output_format="png", image_input=[])
    assert caller.books()["paid_twice"]["extra_tasks"] == 1


def test_a_failed_task_bought_again_is_not_paid_twice(start: Start) -> None:
    caller = start()
    for _ in range(2):
        caller.create("boat [fail:internal:1]")
    assert caller.books()["paid_twice"]["extra_tasks"] == 0


def test_the_same_request_of_two_accounts_is_not_paid_twice(start: Start) -> None:
    caller = start()
    caller.create("boat")
    Caller(caller.emulator).create("boat")
    assert caller.books()["paid_twice"]["extra_tasks"] == 0


def test_tasks_are_listed_with_input_state_and_credits(start: Start) -> None:
    caller = start()
    task_id = caller.task_id("boat", resolution="4K")
    (task,) = caller.http.get("/admin/tasks.json").json()
    assert (task["task_id"], task["state"], task["credits"], task["created_at"]) == (
        task_id,
        "waiting",
        24.0,
        START_S,
    )
    assert (task["input"]["prompt"], task["input"]["resolution"]) == ("boat", "4K")


def test_the_admin_page_escapes_what_callers_wrote(start: Start) -> None:
    caller = start()
    for _ in range(2):
        caller.create("<script>alert(1)</script>")
    page = caller.http.get("/admin").text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_keys_never_appear_in_the_books(start: Start) -> None:
    caller = start()
    caller.create()
    assert caller.key not in caller.http.get("/admin/books.json").text
    assert "secret" not in repr(EmulatorConfig(keys=("secret",), webhook_hmac_key="secret"))


def test_the_clock_moves_forward_over_http(start: Start) -> None:
    caller = start()
    task_id = caller.task_id()
    assert caller.http.post("/admin/clock", json={"advance_s": 60}).json() == {"now": START_S + 60}
    assert caller.state(task_id) == "success"


@pytest.mark.parametrize("body", [{"advance_s": -1}, {"advance_s": "soon"}, {}, [1]])
def test_a_wrong_clock_is_refused(caller: Caller, body: object) -> None:
    assert caller.http.post("/admin/clock", json=body).status_code == 400


def test_a_balance_can_be_set_by_key_or_account(start: Start) -> None:
    caller = start()
    caller.create()
    named = caller.http.post("/admin/accounts", json={"key": caller.key, "balance_credits": 20}).json()
    assert (named["balance_credits"], caller.credits()) == (20, 20)
    caller.http.post("/admin/accounts", json={"account": named["account"], "balance_credits": 7.5})
    assert caller.credits() == 7.5


def test_a_key_can_be_revoked_and_its_tasks_go_on(start: Start) -> None:
    caller = start()
    task_id = caller.task_id()
    caller.http.post("/admin/accounts", json={"key": caller.key, "is_revoked": True})
    assert (caller.create()["code"], caller.record(task_id)["code"]) == (401, 401)
    caller.http.post("/admin/accounts", json={"key": caller.key, "is_revoked": False})
    assert caller.record(task_id)["code"] == 200


def test_an_unknown_account_is_refused(caller: Caller) -> None:
    assert caller.http.post("/admin/accounts", json={"account": "1", "balance_credits": 1}).status_code == 400


def test_a_restart_on_another_port_forgets_nothing(tmp_path: Path) -> None:
    config = EmulatorConfig(books_path=tmp_path / "books.sqlite", rate_limit=None, latency_s=(10, 10))
    with RunningEmulator(config, clock=lambda: START_S) as first:
        caller = Caller(first, "key")
        caller.http.post("/admin/accounts", json={"key": "key", "balance_credits": 100})
        fields = {"uploadPath": "a", "fileName": "r.png"}
        upload = caller.http.post("/api/file-stream-upload", data=fields, files={"file": b"\x89PNG\r\n\x1a\n"})
        reference = upload.json()["data"]["downloadUrl"]
        fine, failing = caller.task_id("fine", image_input=[reference]), caller.task_id("[fail:internal]")
        first.advance(5)
    with RunningEmulator(config, clock=lambda: START_S) as second:
        caller = Caller(second, "key")
        balances = [caller.credits()]
        second.advance(5)
        balances.append(caller.credits())
        assert second.base_url != first.base_url
        assert (caller.state(fine), caller.state(failing), balances) == ("success", "fail", [64.0, 82.0])
        result_url = caller.record(fine)["data"]["response"]["resultUrls"][0]
        assert result_url.startswith(second.base_url)
        assert anyone.get(result_url).status_code == 200
        caller.create("fine", image_input=[reference])
        assert caller.books()["paid_twice"]["extra_tasks"] == 1
        assert (caller.books()["uploads_kept"], len(caller.emulator.books.uploads)) == (1, 1)


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5))
def test_no_window_ever_holds_more_than_its_limit(gaps_s: list[float], limit: int) -> None:
    window, now, admitted = SlidingWindow(width_s=10, limit=limit), 0.0, []
    for gap_s in gaps_s:
        now += gap_s
        if window.admit(now):
            admitted.append(now)
    fullest = max((sum(end - 10 < at <= end for at in admitted) for end in admitted), default=0)
    assert fullest == window.peak <= limit
