"""The spreading transport: every place comes back, whatever ends a request."""

import asyncio

import anyio
import httpx
import pytest

from banana_pipeline.kie.transport import SpreadTransport
from banana_pipeline_tests.kie.conftest import hang, http, raw_server

pytestmark = pytest.mark.anyio
OK = http(200, b"x" * 1000)


def spread(max_connections: int) -> httpx.AsyncClient:
    transport = SpreadTransport(verify=httpx.create_ssl_context(), max_connections=max_connections)
    return httpx.AsyncClient(transport=transport, timeout=5)


async def _later(request: bytes, writer: asyncio.StreamWriter) -> bytes | None:
    """Hangs for /hang, drops for /drop, else answers after a moment."""
    if b" /hang" in request:
        return await hang(request, writer)
    if b" /drop" in request:
        return None
    await asyncio.sleep(0.005)
    return OK


async def _all_places_work(client: httpx.AsyncClient, url: str, places: int) -> None:
    with anyio.fail_after(3):
        answers = await asyncio.gather(*(client.get(url) for _ in range(3 * places)))
    assert [answer.status_code for answer in answers] == [200] * (3 * places)


async def test_one_after_the_other_use_one_connection() -> None:
    async with raw_server(OK) as server, spread(8) as client:
        for _ in range(10):
            assert (await client.get(server.url)).status_code == 200
    assert server.connections == 1


async def test_two_hundred_at_once_all_come_back_over_few_connections() -> None:
    async with raw_server(_later) as server, spread(16) as client:
        answers = await asyncio.gather(*(client.get(server.url) for _ in range(200)))
    assert [len(answer.content) for answer in answers] == [1000] * 200
    assert server.most_open == server.connections == 16


async def test_errors_and_time_outs_give_their_place_back() -> None:
    async with raw_server(_later) as server, spread(4) as client:
        for path, timeout in [("drop", 5.0), ("hang", 0.1)] * 2:
            calls = (client.get(f"{server.url}/{path}", timeout=timeout) for _ in range(8))
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, httpx.TransportError) for error in ended)
        await _all_places_work(client, server.url, 4)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.01, 0.1])
async def test_cancelling_in_flight_or_while_waiting_gives_every_place_back(after_s: float) -> None:
    async with raw_server(_later) as server, spread(4) as client:
        for _ in range(3):
            tasks = [asyncio.create_task(client.get(f"{server.url}/hang")) for _ in range(12)]
            await asyncio.sleep(after_s)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await _all_places_work(client, server.url, 4)


async def test_a_waiter_cancelled_at_the_moment_its_place_comes_does_not_take_it_along() -> None:
    async with raw_server(_later) as server, spread(1) as client:
        for _ in range(30):
            first = asyncio.create_task(client.get(server.url))
            await asyncio.sleep(0)
            second = asyncio.create_task(client.get(server.url))
            await first
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
        await _all_places_work(client, server.url, 1)


async def test_a_body_left_early_gives_its_place_back() -> None:
    async def endless(request: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        if b" /endless" not in request:
            return OK
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
        await asyncio.sleep(60)
        return None

    async with raw_server(endless) as server, spread(2) as client:
        for _ in range(6):
            async with client.stream("GET", f"{server.url}/endless") as response:
                async for _ in response.aiter_bytes():
                    break
        with anyio.move_on_after(0.1):
            await client.get(f"{server.url}/endless")
        await _all_places_work(client, server.url, 2)


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with raw_server(http(200, b"x", Connection="close")) as server, spread(2) as client:
        for _ in range(5):
            assert (await client.get(server.url)).status_code == 200
    assert server.connections == 5


async def test_cancelling_at_any_turn_of_the_event_loop_leaves_no_broken_connection_behind() -> None:
    async with raw_server(_later) as server, spread(2) as client:
        for turns in range(40):
            tasks = [asyncio.create_task(client.get(f"{server.url}/{path}")) for path in ("", "hang", "")]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await _all_places_work(client, server.url, 2)
