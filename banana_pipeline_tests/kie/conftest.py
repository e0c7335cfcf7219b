"""Clients over real sockets, and a tiny raw server that answers whatever a test wants to see."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
import stamina

from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline.kie.client import KieClient, open_client

KEY = "sk-0123456789abcdef0123456789abcdef"
BODY = {"model": "nano-banana-pro", "input": {"prompt": "a red boat"}}
Answer = bytes | Callable[[bytes, asyncio.StreamWriter], Awaitable[bytes | None]]


def http(status: int, body: bytes | str | object = b"", **headers: str) -> bytes:
    """A whole HTTP answer; objects are sent as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


@dataclass(kw_only=True)
class RawServer:
    """What a raw server has seen: whole requests, and how many connections were made and are open."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0

    async def serve(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            while (request := await _one_request(reader)) is not None:
                self.requests.append(request)
                sent = answer if isinstance(answer, bytes) else await answer(request, writer)
                if sent is None:
                    return
                writer.write(sent)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


async def _one_request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


@contextlib.asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[RawServer]:
    """Answers every request with ``answer``, or as it says; None drops the connection."""
    seen = RawServer()
    server = await asyncio.start_server(partial(seen.serve, answer), "127.0.0.1", 0, backlog=512)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        server.close()


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[KieClient]:
    async with open_client(api_key=KEY, base_url=url, upload_base_url=url) as client:
        yield client


async def hang(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drop(request: bytes, writer: asyncio.StreamWriter) -> None:
    return None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    """stamina's own switch for tests: no waits, the numbers of tries stay as they are."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture(scope="session")
def emulator() -> Iterator[RunningEmulator]:
    with RunningEmulator(EmulatorConfig(rate_limit=None, latency_s=(0.0, 0.0))) as running:
        yield running
