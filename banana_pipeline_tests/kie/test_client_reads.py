"""Free calls over real sockets: uploads, queries, credits, links; retried, limited in time, without a stray key."""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import Iterable
from urllib.parse import quote

import httpx
import pytest

from banana_pipeline.core.failures import (
    Created,
    FetchMeaning,
    KeyRefused,
    ReadFailed,
    Refusal,
    Refused,
    SettingsError,
    Unreachable,
)
from banana_pipeline.emulator import RunningEmulator
from banana_pipeline.kie.client import KieClient, open_client
from banana_pipeline.kie.downloads import download, open_downloads
from banana_pipeline.kie.records import TaskState
from banana_pipeline_tests.kie.conftest import BODY, KEY, Answer, client_of, drop, hang, http, raw_server

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG" + bytes(range(256))


async def test_a_picture_is_bought_found_and_downloaded(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client, open_downloads(base_url=emulator.base_url) as downloads:
        outcome = await client.create_task(BODY)
        assert isinstance(outcome, Created)
        record = (await client.fetch_task(outcome.task_id)).record
        assert record is not None
        assert (record.state, record.credits_consumed) == (TaskState.SUCCESS, 18.0)
        fresh = await client.download_url(record.result_urls[0])
        picture = await download(downloads, record.result_urls[0])
        assert picture == await download(downloads, fresh)
        assert picture.startswith(b"\x89PNG")


async def test_the_balance_is_read(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client:
        assert await client.credits() > 0


async def test_all_three_uploads_keep_the_bytes(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client, open_downloads(base_url=emulator.base_url) as downloads:
        streamed = await client.upload(PNG, path="images/t", file_name="é 1.png")
        encoded = await client.upload_base64(PNG, path="images/t", file_name="b.png")
        assert await download(downloads, streamed) == await download(downloads, encoded) == PNG
        copied = await client.upload_from_url(encoded, path="images/t", file_name="c.png")
        assert await download(downloads, copied) == PNG


async def test_a_task_nobody_knows_is_not_known(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client:
        assert (await client.fetch_task("0" * 32)).meaning is FetchMeaning.NOT_KNOWN


@pytest.mark.parametrize("answer", [
    http(502, "<html>"), http(200, {"code": 500, "msg": "busy"}), http(200, {"code": 455, "msg": ""}), http(302, ""),
    http(200, {"code": 200, "data": None}), http(200, "{"), b"garbage\r\n\r\n",
])  # fmt: skip
async def test_a_free_call_is_tried_four_times_and_then_fails(answer: bytes) -> None:
    async with raw_server(answer) as server, client_of(server.url) as client:
        for call in (client.credits(), client.download_url("u"), client.upload(b"x", path="p", file_name="f")):
            server.requests.clear()
            with pytest.raises(ReadFailed):
                await call
            assert len(server.requests) == 4


async def test_a_free_call_that_works_at_the_third_try_works() -> None:
    answers = iter([http(502, ""), None, http(200, {"code": 200, "data": 60.62})])

    async def answer(request: bytes, writer: object) -> bytes | None:
        return next(answers)

    async with raw_server(answer) as server, client_of(server.url) as client:
        assert await client.credits() == 60.62


@pytest.mark.parametrize("answer", [http(200, {"code": 401, "msg": "no"}), http(401, ""), http(403, "code: 1010")])
async def test_a_refused_key_is_not_tried_again(answer: bytes) -> None:
    async with raw_server(answer) as server, client_of(server.url) as client:
        with pytest.raises(KeyRefused):
            await client.credits()
        assert len(server.requests) == 1
        assert (await client.fetch_task("t")).meaning is FetchMeaning.KEY


async def test_a_query_is_asked_once_because_polling_has_its_own_rhythm() -> None:
    async with raw_server(drop) as server, client_of(server.url) as client:
        assert (await client.fetch_task("t")).meaning is FetchMeaning.TRY_AGAIN
    assert len(server.requests) == 1


async def test_no_connection_is_told_apart_from_a_bad_answer() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 cannot be reached"):
            await client.credits()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_never_brings_the_key_to_another_host(status: int) -> None:
    async with raw_server(http(200, {"code": 200, "data": 5.0})) as other:
        redirect = http(status, "", Location=f"{other.url}/x")
        async with raw_server(redirect) as server, client_of(server.url) as client:
            for call in (client.credits(), client.download_url("u"), client.upload(b"x", path="p", file_name="f")):
                with pytest.raises(ReadFailed):
                    await call
            await client.fetch_task("t")
    assert other.requests == []


@pytest.mark.parametrize("answer", [hang, b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_query_may_be_given_less_time(answer: Answer) -> None:
    async with raw_server(answer) as server, client_of(server.url) as client:
        fetched = await client.fetch_task("t", timeout_s=0.2)
    assert fetched.meaning is FetchMeaning.TRY_AGAIN
    assert len(server.requests) == 1


async def test_an_answer_that_comes_in_drops_does_not_outlast_the_time_of_a_query() -> None:
    """Each read is quick enough; only the whole exchange is not."""

    async def drip(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await asyncio.sleep(0.05)

    async with raw_server(drip) as server, client_of(server.url) as client:
        fetched = await client.fetch_task("t", timeout_s=0.3)
    assert (fetched.meaning, fetched.msg) == (FetchMeaning.TRY_AGAIN, "no answer within 0.3 s")


def _told(errors: Iterable[BaseException]) -> str:
    """All that tools make of errors, local variables of every frame included; without the tests' own frames, whose
    servers remember the requests they got."""
    told: list[str] = []
    for error in errors:
        trace: traceback.TracebackException | None = traceback.TracebackException.from_exception(
            error, capture_locals=True
        )
        told += [repr(error), str(error)]
        while trace is not None:
            frames = [frame for frame in trace.stack if "banana_pipeline_tests" not in frame.filename]
            told += traceback.StackSummary.from_list(frames).format()
            trace = trace.__cause__ or trace.__context__
    return "".join(told)


def _assert_without_key(*texts: str) -> None:
    forms = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), repr(KEY.encode())[2:-1])
    for text in texts:
        assert not any(form in text for form in forms)


async def _broken_off(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_the_key_is_in_no_repr_error_traceback_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"code": 401, "msg": f"Authentication failed: Invalid API Key Bearer {KEY}", "data": None}
    errors: list[BaseException] = []
    said: list[object] = []
    for answer in (http(200, echo), http(401, json.dumps(echo)), http(502, f"<html>{KEY}"), drop, _broken_off):
        async with raw_server(answer) as server, client_of(server.url) as client:
            said += [await client.create_task(BODY), await client.fetch_task("t"), client, vars(client)]
            for call in (client.credits(), client.upload(b"x", path="p", file_name="f"), client.download_url("u")):
                with pytest.raises((KeyRefused, ReadFailed)) as error:
                    await call
                errors.append(error.value)
    logged = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "httpcore" in logged, "the loggers below httpx must be in this test"
    _assert_without_key(_told(errors), repr(said), str(said), logged)


async def test_an_order_broken_off_from_outside_shows_no_key_in_its_frames() -> None:
    """Only what is no `Exception` leaves `create_task`; its traceback goes down to the socket."""
    async with raw_server(hang) as server, client_of(server.url) as client:
        order = asyncio.create_task(client.create_task(BODY))
        while not server.requests:  # noqa: ASYNC110 - the server is no part of the client
            await asyncio.sleep(0.01)
        order.cancel()
        with pytest.raises(asyncio.CancelledError) as error:
            await order
    told = _told([error.value])
    assert "httpcore" in told
    _assert_without_key(told)


async def test_no_object_of_a_client_shows_the_key() -> None:
    async with raw_server(http(200, {"code": 200, "data": 1.0})) as server, client_of(server.url) as client:
        await client.credits()
        http_client = client._http
        _assert_without_key(f"{client!r} {client} {vars(client)} {http_client!r} {http_client.headers!r}")
        _assert_without_key(f"{http_client.headers} {vars(http_client)} {http_client.cookies!r} {client._auth!r}")
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[0]


async def test_a_quoted_key_still_leaves_a_refusal_a_refusal() -> None:
    echo = http(200, {"code": 401, "msg": f"bad key {KEY}"})
    async with raw_server(echo) as server, client_of(server.url) as client:
        assert await client.create_task(BODY) == Refused(why=Refusal.KEY, code=401, msg="bad key [key]")


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "a\r\nX-Evil: 1", "clé", "a\x00", "\udcff", "a\t"])
async def test_a_key_that_is_no_header_is_a_setting_to_fix(key: str) -> None:
    with pytest.raises(SettingsError, match="copy the key again") as error:
        async with open_client(api_key=key, base_url="https://api.kie.ai", upload_base_url="https://api.kie.ai"):
            pass
    assert not key.strip() or key not in str(error.value)


@pytest.mark.parametrize("url", [
    "", "api.kie.ai", "ftp://api.kie.ai", "https://", "http://[::1", "https://h:99999", "file:///x",
])  # fmt: skip
def test_an_address_that_is_none_is_a_setting_to_fix(url: str) -> None:
    with pytest.raises(SettingsError, match="KIE_BASE_URL"):
        KieClient(api_key=KEY, base_url=url, upload_base_url="https://h", http=httpx.AsyncClient())


async def test_a_record_counts_although_no_code_stands_beside_it() -> None:
    task = {"taskId": "t1", "state": "success", "resultJson": json.dumps({"resultUrls": ["https://x.example/a.png"]})}
    for answer in ({"data": task}, {"success": True, "data": task}, {"code": 0, "data": task}):
        async with raw_server(http(200, answer)) as server, client_of(server.url) as client:
            fetched = await client.fetch_task("t1")
        assert fetched.meaning is FetchMeaning.RECORD
        assert fetched.record is not None
        assert fetched.record.result_urls == ("https://x.example/a.png",)
