"""Answers of any size, packed in any way, at any speed; and how long they ask to wait."""

import asyncio
import gzip
import json
import resource
import zlib
from datetime import UTC, datetime

import httpx
import pytest

from banana_pipeline.core.failures import Ambiguous, Created, FetchMeaning, ReadFailed
from banana_pipeline.kie import client as client_module
from banana_pipeline.kie.bodies import MAX_ANSWER_BYTES, wait_asked_s
from banana_pipeline_tests.kie.conftest import BODY, Answer, client_of, http, raw_server

pytestmark = pytest.mark.anyio
ACCEPTED = json.dumps({"code": 200, "msg": "success", "data": {"taskId": "abc"}}).encode()
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def _bomb(layers: int) -> bytes:
    """An accepted order with 300 MB of blanks before it."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    packed = (
        b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.compress(ACCEPTED) + packer.flush()
    )
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


async def _endless(request: bytes, writer: asyncio.StreamWriter) -> bytes | None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        await writer.drain()
    return None


TOO_LARGE: dict[str, Answer] = {
    "plain": http(200, b" " * MAX_ANSWER_BYTES + ACCEPTED),
    "gzip": http(200, _bomb(1), Content_Encoding="gzip"),
    "deflate": http(200, zlib.compress(b" " * 20_000_000), Content_Encoding="deflate"),
    "gzip in gzip": http(200, _bomb(2), Content_Encoding="gzip, gzip"),
    "brotli": http(200, b"\x8b\x02\x80", Content_Encoding="br"),
    "zstandard": http(200, b"\x28\xb5\x2f\xfd", Content_Encoding="zstd"),
    "without end": _endless,
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_answer_without_measure_is_given_up_before_it_fills_the_memory(answer: Answer) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with raw_server(answer) as server, client_of(server.url) as client:
        assert isinstance(await client.create_task(BODY), Ambiguous)
        assert len(server.requests) == 1
        assert (await client.fetch_task("t")).meaning is FetchMeaning.TRY_AGAIN
        for call in (client.credits(), client.download_url("u"), client.upload(b"x", path="p", file_name="f")):
            with pytest.raises(ReadFailed):
                await call
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


PACKED = {
    "as it is": (ACCEPTED, ""),
    "identity": (ACCEPTED, "identity"),
    "gzip": (gzip.compress(ACCEPTED), "gzip"),
    "x-gzip": (gzip.compress(ACCEPTED), "x-gzip"),
    "in capitals": (gzip.compress(ACCEPTED), "GZIP"),
    "without its end": (gzip.compress(ACCEPTED)[:-8], "gzip"),
    "unpacked on the way": (ACCEPTED, "gzip"),
    "deflate": (zlib.compress(ACCEPTED), "deflate"),
}


@pytest.mark.parametrize(("packed", "encoding"), PACKED.values(), ids=PACKED)
async def test_an_answer_is_read_however_kie_packs_it(packed: bytes, encoding: str) -> None:
    headers = {"Content_Encoding": encoding} if encoding else {}
    async with raw_server(http(200, packed, **headers)) as server, client_of(server.url) as client:
        assert await client.create_task(BODY) == Created(task_id="abc")
    assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()


async def test_deflate_without_a_header_is_read_too() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    answer = http(200, packer.compress(ACCEPTED) + packer.flush(), Content_Encoding="deflate")
    async with raw_server(answer) as server, client_of(server.url) as client:
        assert await client.create_task(BODY) == Created(task_id="abc")


async def test_an_answer_that_drips_ends_with_the_time_of_a_free_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(500):
            writer.write(b" ")
            await asyncio.sleep(0.02)

    monkeypatch.setattr(client_module, "_WHOLE_UPLOAD_S", 0.1)
    async with raw_server(drip) as server, client_of(server.url) as client:
        with pytest.raises(ReadFailed):
            await asyncio.wait_for(client.upload(b"x", path="p", file_name="f"), 3)


@pytest.mark.parametrize(("text", "asked_s"), [
    ("12", 12.0), ("86400", 86_400.0), (" 30 ", 30.0), ("0", 0.0), ("1.5", 1.5), ("9" * 400, 1e9),
    ("Mon, 04 May 2026 03:03:01 GMT", 60.0), ("Mon, 04 May 2026 03:01:01 GMT", 0.0),
    ("Monday, 04-May-26 03:03:01 GMT", 60.0), ("Mon May  4 03:03:01 2026", 60.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9), ("-5", None), ("nan", None), ("inf", None), ("1e999", None), ("", None),
    ("soon", None), ("Mon, 99 May 2026 03:03:01 GMT", None), ("٣", None), ("0x10", None), ("1_0", None),
])  # fmt: skip
def test_a_wait_is_read_as_a_number_or_a_date(text: str, asked_s: float | None) -> None:
    assert wait_asked_s(httpx.Headers({"Retry-After": text.encode()}), NOW) == asked_s


def test_a_date_to_wait_for_is_compared_with_the_clock_of_the_one_who_names_it() -> None:
    headers = {"Retry-After": "Mon, 04 May 2026 09:00:30 GMT", "Date": "Mon, 04 May 2026 09:00:00 GMT"}
    assert wait_asked_s(httpx.Headers(headers), NOW) == 30.0


def test_nothing_is_asked_where_nothing_stands() -> None:
    assert wait_asked_s(httpx.Headers(), NOW) is None
