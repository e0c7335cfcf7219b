"""The paid POST over real sockets: sent once, and its outcome is one of three whatever the other side does."""

import asyncio
import socket

import anyio
import pytest

from banana_pipeline.core.failures import Ambiguous, Created, Refusal, Refused
from banana_pipeline.emulator import RunningEmulator
from banana_pipeline.kie import client as client_module
from banana_pipeline.kie.client import USER_AGENT
from banana_pipeline_tests.kie.conftest import BODY, KEY, Answer, client_of, drop, hang, http, raw_server

pytestmark = pytest.mark.anyio
ACCEPTED = {"code": 200, "msg": "success", "data": {"taskId": "abc"}}


async def _reset(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_an_order_becomes_a_task_with_exactly_what_was_asked(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client:
        outcome = await client.create_task(BODY)
    assert isinstance(outcome, Created)
    assert outcome.task_id in emulator.books.tasks


@pytest.mark.parametrize(("fault", "kind"), [
    ("lost_answer", Ambiguous), ("html_502_after_store", Ambiguous), ("exception_500_after_store", Ambiguous),
    ("no_task_id", Ambiguous), ("cut_json", Ambiguous), ("dropped_before_store", Ambiguous),
    ("html_502_before_store", Ambiguous), ("exception_500_before_store", Ambiguous),
    ("forbidden_1010_before_store", Refused), ("maintenance_455_before_store", Refused),
])  # fmt: skip
async def test_a_fault_is_never_answered_with_a_second_order(
    emulator: RunningEmulator, fault: str, kind: type[object]
) -> None:
    before = len(emulator.books.tasks)
    async with client_of(emulator.base_url) as client:
        outcome = await client.create_task({**BODY, "input": {"prompt": f"[fault:{fault}]"}})
    assert isinstance(outcome, kind)
    # A second POST with this prompt would not meet the fault again, and would leave one more task behind.
    assert len(emulator.books.tasks) - before == (not fault.endswith("_before_store"))


@pytest.mark.parametrize(
    "answer",
    [
        drop,
        _reset,
        http(500, {"code": 500, "msg": "Server exception, please try again later"}),
        http(502, "<html>this field is required</html>"),
        http(504, ""),
        http(200, {"code": 200, "msg": "success"}),
        http(200, "<html>"),
        http(200, ACCEPTED)[:-9],
        http(200, "not gzip", Content_Encoding="gzip"),
        b"\x00\x01 garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        http(302, "", Location="http:nowhere"),
        http(302, "", Location="mailto:me"),
        http(302, "", Location="ftp://host/x"),
        http(307, "", Location="http://[::1"),
        http(308, "", Location="//" + "x" * 300 + ":99999/"),
        http(301, "", Location="http://" + "a" * 70_000),
    ],
)
async def test_any_broken_answer_is_ambiguous_and_the_order_went_out_once(answer: Answer) -> None:
    async def once(request: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        if isinstance(answer, bytes):
            writer.write(answer)
            return None
        return await answer(request, writer)

    async with raw_server(once) as server, client_of(server.url) as client:
        assert isinstance(await client.create_task(BODY), Ambiguous)
    assert len(server.requests) == 1


async def test_an_order_that_cannot_be_delivered_is_certainly_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with client_of(url) as client:
        outcome = await client.create_task(BODY)
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT


async def test_a_service_that_never_answers_ends_in_doubt_not_in_a_second_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "POST_TIMEOUT_S", 0.2)
    async with raw_server(hang) as server, client_of(server.url) as client:
        assert isinstance(await client.create_task(BODY), Ambiguous)
    assert len(server.requests) == 1


async def test_an_answer_that_drips_cannot_outlive_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(500):
            writer.write(b" ")
            await asyncio.sleep(0.02)

    monkeypatch.setattr(client_module, "POST_TIMEOUT_S", 0.3)
    with anyio.fail_after(5):
        async with raw_server(drip) as server, client_of(server.url) as client:
            assert isinstance(await client.create_task(BODY), Ambiguous)


async def test_a_rate_refusal_says_how_long_to_wait() -> None:
    answer = http(200, {"code": 429, "msg": "Rate limit exceeded", "data": None}, Retry_After="12")
    async with raw_server(answer) as server, client_of(server.url) as client:
        outcome = await client.create_task(BODY)
    assert outcome == Refused(why=Refusal.RATE, code=429, msg="Rate limit exceeded", retry_after_s=12.0)
    assert len(server.requests) == 1


async def test_an_order_carries_our_name_the_key_and_json() -> None:
    async with raw_server(http(200, ACCEPTED)) as server, client_of(server.url) as client:
        assert await client.create_task({**BODY, "callBackUrl": "https://me/é"}) == Created(task_id="abc")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /api/v1/jobs/createtask http/1.1"
    assert f"user-agent: {USER_AGENT}" in lines
    assert f"authorization: bearer {KEY}" in lines
    assert "content-type: application/json" in lines
    assert "é".encode() in body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_neither_the_order_nor_the_key_elsewhere(status: int) -> None:
    async with raw_server(http(200, ACCEPTED)) as other:
        redirect = http(status, "", Location=other.url)
        async with raw_server(redirect) as server, client_of(server.url) as client:
            assert isinstance(await client.create_task(BODY), Ambiguous)
        assert other.requests == []
    assert (len(server.requests), len(other.requests)) == (1, 0)


async def test_an_order_that_is_cancelled_is_cancelled() -> None:
    async with raw_server(hang) as server, client_of(server.url) as client:
        with anyio.move_on_after(0.2) as scope:
            await client.create_task(BODY)
        assert scope.cancelled_caught
