"""An httpx transport that spreads requests over many one-connection transports.

Lives here: the free list. Does not live here: anything about KIE.

Reason: httpcore's pool scans all its connections for each request, inside a loop over connections, which costs most of
the CPU at 100 requests in flight. A free list of transports with one connection each has nothing to scan. The aiohttp
transport for httpx is as quick, but reports a connection lost *after* sending as ``ConnectTimeout``, which elsewhere
means "never sent": fatal where a POST costs money (see docs/decisions/0003-http-transport.md).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import anyio
import httpx

# Below the idle time-outs of common servers (2 to 75 s): a connection that the server closes while we are writing a
# POST into it would leave the fate of that POST unknown.
KEEP_ALIVE_S = 1.0


class SpreadTransport(httpx.AsyncBaseTransport):
    """Hands each request the most recently used free connection, and opens at most ``max_connections``."""

    def __init__(self, *, verify: ssl.SSLContext, max_connections: int = 128) -> None:
        self._verify = verify
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._places = anyio.Semaphore(max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._places.acquire()
        transport = self._free.pop() if self._free else self._open()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._release(transport)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _ReleasingStream(response.stream, lambda: self._release(transport))
        return response

    async def aclose(self) -> None:
        for transport in self._all:
            await transport.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        transport = httpx.AsyncHTTPTransport(verify=self._verify, limits=limits, trust_env=True)
        self._all.append(transport)
        return transport

    def _release(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._free.append(transport)
        self._places.release()


class _ReleasingStream(httpx.AsyncByteStream):
    """A response body that gives its connection back when it is closed, once."""

    def __init__(self, stream: httpx.AsyncByteStream, release: object) -> None:
        self._stream = stream
        self._release = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        release, self._release = self._release, None
        try:
            await self._stream.aclose()
        finally:
            if callable(release):
                release()
