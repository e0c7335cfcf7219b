"""Free calls over real sockets: uploads, queries, credits, links, downloads; retried, capped, without a stray key."""

import json
import logging
import traceback

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
from banana_pipeline.kie import client as client_module
from banana_pipeline.kie.client import KieClient, download, open_client, open_downloads
from banana_pipeline.kie.wire import TaskState
from banana_pipeline_tests.kie.conftest import BODY, KEY, client_of, drop, http, raw_server

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG" + bytes(range(256))


async def test_a_picture_is_bought_found_and_downloaded(emulator: RunningEmulator) -> None:
    async with client_of(emulator.base_url) as client, open_downloads() as downloads:
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
    async with client_of(emulator.base_url) as client, open_downloads() as downloads:
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
        async with raw_server(redirect) as server, client_of(server.url) as client, open_downloads() as downloads:
            for call in (client.credits(), client.download_url("u"), download(downloads, f"{server.url}/a.png")):
                with pytest.raises(ReadFailed):
                    await call
            await client.fetch_task("t")
    assert other.requests == []


async def test_a_download_carries_no_key() -> None:
    async with raw_server(http(200, PNG)) as server, open_downloads() as downloads:
        assert await download(downloads, f"{server.url}/a.png") == PNG
    assert b"uthorization" not in server.requests[0]
    assert client_module.USER_AGENT.encode() in server.requests[0]


@pytest.mark.parametrize("url", [
    "not a url", "ftp://host/a", "http://[::1", "http://127.0.0.1:9/a?token=secret", "",
    "http://127.0.0.1:99999/a?secret", "http://" + "a" * 80 + "/secret",
])  # fmt: skip
async def test_an_address_that_leads_nowhere_is_a_failed_read_without_its_query(url: str) -> None:
    async with open_downloads() as downloads:
        with pytest.raises(ReadFailed) as error:
            await download(downloads, url)
    assert "secret" not in str(error.value)


async def test_a_picture_beyond_the_cap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_DOWNLOAD_BYTES", 1000)
    async with raw_server(http(200, b"x" * 1001)) as server, open_downloads() as downloads:
        with pytest.raises(ReadFailed, match="larger than"):
            await download(downloads, server.url)


async def test_a_cut_picture_is_a_failed_read() -> None:
    async def cut(request: bytes, writer: object) -> None:
        writer.write(http(200, PNG)[:-5])  # pyright: ignore[reportAttributeAccessIssue]

    async with raw_server(cut) as server, open_downloads() as downloads:
        with pytest.raises(ReadFailed):
            await download(downloads, server.url)


def _all_text(errors: list[BaseException]) -> str:
    return "".join("".join(traceback.format_exception(error)) + repr(error) + str(error) for error in errors)


async def test_the_key_is_in_no_repr_error_traceback_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"code": 401, "msg": f"Authentication failed: Invalid API Key Bearer {KEY}", "data": None}
    errors: list[BaseException] = []
    said: list[object] = []
    for answer in (http(200, echo), http(401, json.dumps(echo)), http(502, f"<html>{KEY}"), drop):
        async with raw_server(answer) as server, client_of(server.url) as client:
            said += [await client.create_task(BODY), await client.fetch_task("t"), client]
            for call in (client.credits(), client.upload(b"x", path="p", file_name="f")):
                with pytest.raises((KeyRefused, ReadFailed)) as error:
                    await call
                errors.append(error.value)
    logged = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "httpcore" in logged, "the loggers below httpx must be in this test"
    for text in (_all_text(errors), repr(said), str(said), logged):
        assert KEY not in text


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
