"""httpx transports: one that spreads requests over many one-connection transports, one that chooses the proxy.

Lives here: the free list, the way a request takes. Does not live here: anything about KIE, what the environment says
about proxies (``kie.proxies``).

Reason: httpcore's pool scans all its connections for each request, inside a loop over connections, which costs most of
the CPU at 100 requests in flight. A free list of transports with one connection each has nothing to scan. The aiohttp
transport for httpx is as quick, but reports a connection lost *after* sending as ``ConnectTimeout``, which elsewhere
means "never sent": fatal where a POST costs money (see docs/decisions/0003-http-transport.md).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable

import anyio
import httpx

from banana_pipeline.kie.proxies import Proxies

# Below the idle time-outs of common servers (2 to 75 s): a connection that the server closes while we are writing a
# POST into it would leave the fate of that POST unknown.
KEEP_ALIVE_S = 1.0


class SpreadTransport(httpx.AsyncBaseTransport):
    """Hands each request the most recently used free connection, and opens at most ``max_connections``."""

    def __init__(self, *, verify: ssl.SSLContext, max_connections: int = 128, proxy: httpx.Proxy | None = None) -> None:
        self._verify = verify
        self._proxy = proxy
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []
        self._places = anyio.Semaphore(max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._places.acquire()
        transport = self._free.pop() if self._free else self._open()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            # Not used again: a request cancelled while it gets its connection leaves one behind in httpcore's pool that
            # nobody owns, and every later request would wait for it.
            await self.discard(transport)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _ReleasingStream(response.stream, self, transport)
        return response

    async def aclose(self) -> None:
        for transport in self._all:
            await transport.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        transport = httpx.AsyncHTTPTransport(verify=self._verify, limits=limits, proxy=self._proxy)
        self._all.append(transport)
        return transport

    def release(self, transport: httpx.AsyncHTTPTransport) -> None:
        """The request on it ended well: the next one may have it."""
        self._free.append(transport)
        self._places.release()

    async def discard(self, transport: httpx.AsyncHTTPTransport) -> None:
        """The request on it ended badly: give its place back, but never use it again."""
        self._all.remove(transport)
        self._places.release()
        with anyio.CancelScope(shield=True):
            await transport.aclose()


class _ReleasingStream(httpx.AsyncByteStream):
    """A response body that gives its connection back when it is closed, once."""

    def __init__(
        self, stream: httpx.AsyncByteStream, owner: SpreadTransport, transport: httpx.AsyncHTTPTransport
    ) -> None:
        self._stream = stream
        self._owner = owner
        self._transport: httpx.AsyncHTTPTransport | None = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        transport, self._transport = self._transport, None
        try:
            await self._stream.aclose()
        except BaseException:
            if transport is not None:
                await self._owner.discard(transport)
            raise
        if transport is not None:
            self._owner.release(transport)


class RoutedTransport(httpx.AsyncBaseTransport):
    """Sends each request directly or through the proxy of its address.

    Args:
        way: makes the transport of a proxy; for None, that of direct requests.
    """

    def __init__(self, proxies: Proxies, way: Callable[[httpx.Proxy | None], httpx.AsyncBaseTransport]) -> None:
        self._proxies = proxies
        self._direct = way(None)
        self._through = {proxy: way(proxy) for proxy in proxies.by_scheme.values()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.for_url(request.url)
        if proxy is None:
            return await self._direct.handle_async_request(request)
        try:
            return await self._through[proxy].handle_async_request(request)
        except httpx.TransportError as error:
            # The class says whether the request has left, so it stays; the sentence must say who was asked.
            raise type(error)(f"through the proxy at {proxy.url.host}: {error}") from error

    async def aclose(self) -> None:
        for transport in (self._direct, *self._through.values()):
            await transport.aclose()
