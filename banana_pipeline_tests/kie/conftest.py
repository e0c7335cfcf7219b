"""Clients over real sockets, and a tiny raw server that answers whatever a test wants to see."""

import asyncio
import contextlib
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import pytest
import stamina
from anyio.streams.tls import TLSStream

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
async def raw_server(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[RawServer]:
    """Answers every request with ``answer``, or as it says; None drops the connection."""
    seen = RawServer()
    server = await asyncio.start_server(partial(seen.serve, answer), host, 0, backlog=512)
    name = f"[{host}]" if ":" in host else host
    seen.url = f"http://{name}:{server.sockets[0].getsockname()[1]}"
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that signs itself, in one file, for some names and for ::1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    names = "subjectAltName=DNS:pictures.example,DNS:kie.corp.example,DNS:cdn.corp.example,IP:::1"
    subject = ["-subj", "/CN=pictures.example", "-addext", names]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [openssl, "req", "-x509", *kind, *subject, "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment trusts `certificate`."""
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")


@contextlib.asynccontextmanager
async def tls_server(
    certificate: Path, answer: bytes | Callable[[bytes], bytes | None], host: str = "127.0.0.1"
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server behind TLS, one request per connection; its port, and the requests it saw. None drops the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    requests: list[bytes] = []

    async def serve(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                requests.append(await _whole_request(stream))
                sent = answer if isinstance(answer, bytes) else answer(requests[-1])
                if sent is not None:
                    await stream.send(sent)

    listener = await anyio.create_tcp_listener(local_host=host)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        handler = partial(_without_broken_handshakes, context, serve)
        tasks.start_soon(listener.serve, handler)
        yield port, requests
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def _without_broken_handshakes(
    context: ssl.SSLContext, serve: Callable[[anyio.abc.ByteStream], Awaitable[None]], stream: anyio.abc.ByteStream
) -> None:
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, ssl.SSLError):
        await serve(await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False))


async def _whole_request(stream: anyio.abc.ByteStream) -> bytes:
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += await stream.receive()
    head, _, body = seen.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body
