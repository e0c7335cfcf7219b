"""What the receiver keeps, and what it answers."""

import json
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banana_pipeline.callbacks.app import MOST_BODY_BYTES
from banana_pipeline_tests.callbacks.conftest import NewReceiver
from banana_pipeline_tests.callbacks.receiving import HMAC_KEY, Receiving, callback, signed


def test_a_callback_about_an_order_of_ours_is_kept(receiver: Receiving) -> None:
    attempt_id = receiver.order()
    answer = receiver.post(callback("t1"), path=f"/?attempt={attempt_id}")
    assert (answer.status_code, answer.json()) == (200, {"code": 200, "msg": "success"})
    assert receiver.tasks_heard_of(attempt_id) == ["t1"]


@pytest.mark.parametrize("path", ["/", "/callback", "/kie", "/a/prefix/of%20a/proxy/", "//"])
def test_every_path_takes_callbacks(receiver: Receiving, path: str) -> None:
    attempt_id = receiver.order()
    assert receiver.post(callback("t1"), path=f"{path}?team=boats&attempt={attempt_id}").status_code == 200
    assert receiver.tasks_heard_of(attempt_id) == ["t1"]


def test_a_callback_without_our_address_is_known_by_its_task(receiver: Receiving) -> None:
    attempt_id = receiver.order(task_id="known-task")
    assert receiver.post(callback("known-task")).status_code == 200
    assert receiver.tasks_heard_of(attempt_id) == ["known-task"]


@pytest.mark.parametrize("query", ["?attempt=unknown", "", "?attempt=", "?attempt=%00", "?attempt=" + "a" * 33, "?&&&"])
def test_callbacks_about_nothing_of_ours_are_thanked_for_and_forgotten(receiver: Receiving, query: str) -> None:
    receiver.order()
    answer = receiver.post(callback("unknown"), path=f"/{query}")
    assert (answer.status_code, answer.json()["msg"]) == (200, "success")
    assert receiver.hint_count() == 0


def test_a_repeated_callback_is_kept_once(receiver: Receiving) -> None:
    attempt_id = receiver.order()
    assert [receiver.report(attempt_id, "t1") for _ in range(5)] == [200] * 5
    assert receiver.tasks_heard_of(attempt_id) == ["t1"]


def test_with_a_key_a_signed_callback_is_kept(new_receiver: NewReceiver) -> None:
    receiver = new_receiver(hmac_key=HMAC_KEY)
    attempt_id = receiver.order()
    assert receiver.report(attempt_id, "t1", key=HMAC_KEY) == 200
    assert receiver.tasks_heard_of(attempt_id) == ["t1"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("another key", "t1"),
        signed(HMAC_KEY, "another task"),
        signed(HMAC_KEY, "t1", at_s=time.time() - 7_200),
        signed(HMAC_KEY, "t1", at_s=time.time() + 7_200),
        {**signed(HMAC_KEY, "t1"), "x-webhook-signature": "ü"},
        {**signed(HMAC_KEY, "t1"), "x-webhook-timestamp": "now"},
    ],
    ids=["none", "other key", "other task", "stale", "early", "not ASCII", "no time"],
)
def test_with_a_key_no_other_callback_reaches_the_ledger(new_receiver: NewReceiver, headers: dict[str, str]) -> None:
    receiver = new_receiver(hmac_key=HMAC_KEY)
    attempt_id = receiver.order()
    content = json.dumps(callback("t1")).encode()
    raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = httpx.post(f"{receiver.url}/?attempt={attempt_id}", content=content, headers=raw_headers, trust_env=False)
    assert answer.status_code == 401
    assert receiver.hint_count() == 0
    assert receiver.health()["refused"] == {"no good signature": 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"data":', b"taskId=t1", b"\xff", b"{}", b'{"taskId":7.5}'])
def test_a_body_that_names_no_task_is_refused(receiver: Receiving, body: bytes) -> None:
    assert receiver.post(body, path=f"/?attempt={receiver.order()}").status_code == 400
    assert receiver.hint_count() == 0


def test_an_answer_repeats_nothing_of_the_request(receiver: Receiving) -> None:
    assert "secret" not in receiver.post(b"secret", path="/secret?attempt=secret", headers={"x": "secret"}).text


def test_the_largest_body_is_read(receiver: Receiving) -> None:
    attempt_id = receiver.order()
    body = json.dumps(callback("t1")).encode().ljust(MOST_BODY_BYTES)
    assert receiver.post(body, path=f"/?attempt={attempt_id}").status_code == 200


def test_a_larger_body_is_refused_by_its_length(receiver: Receiving) -> None:
    head = f"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {MOST_BODY_BYTES + 1}\r\n\r\n"
    assert receiver.raw(head.encode()) == 413


def test_a_larger_body_of_unknown_length_is_refused_while_it_comes(receiver: Receiving) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
    assert receiver.raw(head + piece * 4 + b"1\r\n \r\n") == 413


def test_a_body_that_never_ends_is_given_up(new_receiver: NewReceiver) -> None:
    receiver = new_receiver(body_within_s=0.2)
    assert receiver.raw(b'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{"data"') == 408


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/"), ("DELETE", "/x"), ("POST", "/healthz")])
def test_other_methods_are_refused(receiver: Receiving, method: str, path: str) -> None:
    assert httpx.request(method, receiver.url + path, trust_env=False).status_code == 405


def test_health_counts_what_came(receiver: Receiving) -> None:
    attempt_id = receiver.order()
    for _ in range(2):
        receiver.report(attempt_id, "t1")
    receiver.post(b"[]")
    receiver.hint_count()
    found = receiver.health()
    assert found["status"] == "ok"
    assert (found["received"], found["kept"], found["unknown_or_repeated"], found["waiting"]) == (2, 1, 1, 0)
    assert found["refused"] == {"not a JSON object": 1}


def test_refusals_are_told_in_one_line(new_receiver: NewReceiver) -> None:
    receiver = new_receiver()
    for _ in range(3):
        receiver.post(b"[]")
    receiver.__exit__(None, None, None)
    assert sum(int(line.split()[1]) for line in receiver.said) == 3
    assert all(line.endswith("not a JSON object.") for line in receiver.said)
    receiver.__enter__()


def test_a_failing_ledger_asks_the_sender_to_come_again(tmp_path: Path) -> None:
    with Receiving(f"sqlite:///{tmp_path}/ledger.sqlite") as receiver:
        attempt_id = receiver.order()
        with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
            connection.execute("DROP TABLE callbacks")
        assert receiver.report(attempt_id, "t1") == 503
        assert receiver.report(attempt_id, "t1") == 503
        assert receiver.health()["status"] == "the ledger does not answer"


def test_while_the_ledger_is_locked_only_so_many_hints_wait_and_none_is_lost(tmp_path: Path) -> None:
    with Receiving(f"sqlite:///{tmp_path}/ledger.sqlite") as receiver:
        orders = [receiver.order() for _ in range(100)]
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda attempt_id: receiver.report(attempt_id, "t1"), orders))
        other.execute("ROLLBACK")
        other.close()
        assert set(statuses) == {200, 503}
        assert statuses.count(200) <= 64
        heard = [attempt_id for attempt_id in orders if receiver.tasks_heard_of(attempt_id)]
        assert heard == [attempt_id for attempt_id, status in zip(orders, statuses, strict=True) if status == 200]


_TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1)
_VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"))
_NAMES = ("x-webhook-timestamp", "x-webhook-signature", "content-type", "upgrade", "connection", "accept", "cookie")
_HEADERS = st.lists(st.tuples(st.sampled_from(_NAMES) | _TOKEN.map("x-{}".format), _VALUE), max_size=6)
_TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60).map("/{}".format)
_BODIES = st.binary(max_size=300) | st.dictionaries(
    st.sampled_from(["data", "taskId", "task_id"]), st.text() | st.dictionaries(st.just("taskId"), st.text())
).map(lambda body: json.dumps(body).encode())


@pytest.mark.parametrize("hmac_key", [None, HMAC_KEY])
def test_no_request_makes_anything_but_yes_no_and_later(
    tmp_path: Path, hmac_key: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(method=st.sampled_from(["POST", "GET", "HEAD"]) | _TOKEN, target=_TARGETS, headers=_HEADERS, body=_BODIES)
    def check(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        lines = [f"{method} {target} HTTP/1.1", "host: h", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        status = receiver.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        assert status is not None
        assert 200 <= status < 300 or 400 <= status < 500 or status == 503

    with caplog.at_level(logging.WARNING), Receiving(f"sqlite:///{tmp_path}/l.sqlite", hmac_key=hmac_key) as receiver:
        check()
        assert not any(reason.startswith("fault") for reason in receiver.health()["refused"])
    assert caplog.records == []


def test_bytes_that_are_not_http_do_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200), st.sampled_from([b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nhost: h\r\n"]))
    def check(junk: bytes, before: bytes) -> None:
        assert receiver.raw(before + junk + b"\r\n\r\n", timeout_s=0.05) in {None, 400, 405, 408, 413}

    with caplog.at_level(logging.WARNING), Receiving(f"sqlite:///{tmp_path}/l.sqlite") as receiver:
        check()
        attempt_id = receiver.order()
        assert receiver.report(attempt_id, "t1") == 200
    assert caplog.records == []
