"""Downloads of results, whose addresses are strangers' input.

Lives here: redirects, limits of size and time, and that nothing is asked against the rules. Does not live here: the
rules (``kie.addresses``), KIE's own calls and the key (``kie.client``), trying again (``archive``), what a picture is
(``store.images``).

Each request is checked by its URL and each new connection by the address it really goes to. Both checks are part of the
transport, below everything that follows redirects or tries a second way, so that nothing can go round them. A proxy
looks names up by itself, so there a request is checked by its name and by what the name means here, if anything
(docs/decisions/0009-proxies-and-strangers-at-the-address.md).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpcore
import httpx

from banana_pipeline.core.failures import Gone, ReadFailed
from banana_pipeline.kie.addresses import AddressRules, ForbiddenAddress
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.client import USER_AGENT
from banana_pipeline.kie.errors_of_http import read_errors
from banana_pipeline.kie.proxies import environment_proxies
from banana_pipeline.kie.transport import KEEP_ALIVE_S, RoutedTransport, SpreadTransport

MAX_DOWNLOAD_BYTES = 128 * 1024 * 1024
MAX_REDIRECTS = 3
DOWNLOAD_TIME_S = 120.0
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MOST_ADDRESSES = 4

# One of these multiplies what is read at once by 1,000 at most. Others, and several on top of each other, could fill
# the memory before the limit of size is looked at.
_KNOWN_ENCODINGS = {"", "identity", "gzip", "deflate"}

_LOOK_UP_S = 2.0  # behind a proxy names are often unknown here, and some machines take half a minute to say so

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""``(host, port) -> addresses``; raises OSError where there is none."""


async def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, those of IPv4 first: a broken IPv6 route would cost a whole time-out."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@contextlib.asynccontextmanager
async def open_downloads(*, base_url: str, resolve: Resolve = resolve_host) -> AsyncIterator[httpx.AsyncClient]:
    """A client for pictures only: knows no key, keeps no cookies, and asks no address that is forbidden.

    Args:
        base_url: the ``KIE_BASE_URL`` in use.
    """
    rules, verify = AddressRules.of(base_url), ssl_context()
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    # Pictures are compressed already.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

    def way(proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
        if proxy is None:
            return _CheckedTransport(rules, resolve, verify)
        return _NamedTransport(rules, resolve, verify, proxy)

    transport = RoutedTransport(environment_proxies(verify), way)
    async with httpx.AsyncClient(transport=transport, headers=headers, cookies=no_cookies) as http:
        yield http


async def download(http: httpx.AsyncClient, url: str) -> bytes:
    """The bytes behind a result URL, without any key. One try, at most 128 MiB, 3 redirects and 120 s.

    Args:
        http: from `open_downloads`.

    Raises:
        ForbiddenAddress: the address, or one it redirects to, must not be asked.
        Gone: 404 or 410. ReadFailed: refused, too large, too slow, or the network failed.
    """
    with anyio.move_on_after(DOWNLOAD_TIME_S):
        for _ in range(MAX_REDIRECTS + 1):
            answer = await _asked(http, url)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise ReadFailed(f"the picture's address redirects more than {MAX_REDIRECTS} times")
    raise ReadFailed(f"the picture did not arrive within {DOWNLOAD_TIME_S:g} s")


async def _asked(http: httpx.AsyncClient, url: str) -> bytes | str:
    """The picture, or the address it has moved to."""
    with read_errors(url):
        async with http.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as response:
            if response.has_redirect_location:
                return str(response.url.join(response.headers["Location"]))
            return await _body(response)


async def _body(response: httpx.Response) -> bytes:
    code = response.status_code
    if code != 200:
        told = f"the picture's address answered {code}"
        raise Gone(told, code=code) if code in {404, 410} else ReadFailed(told)
    if response.headers.get("Content-Encoding", "").strip().lower() not in _KNOWN_ENCODINGS:
        raise ReadFailed("the picture is packed in a way that is not accepted")
    _check_size(int(response.headers.get("Content-Length", 0)))
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        _check_size(len(body))
    return bytes(body)


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_DOWNLOAD_BYTES:
        raise ReadFailed(f"the picture is larger than {MAX_DOWNLOAD_BYTES // 2**20} MiB")


class _CheckedTransport(SpreadTransport):
    """Asks only what the rules allow."""

    def __init__(self, rules: AddressRules, resolve: Resolve, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify)
        self._rules = rules
        self._network = _CheckedNetwork(rules, resolve)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._rules.check_url(request.url)
        return await super().handle_async_request(request)

    def _open(self) -> httpx.AsyncHTTPTransport:
        transport = super()._open()
        # httpx has no argument for the network below it. The pool goes on using the URL's host for TLS and for telling
        # connections apart, so that a certificate is checked against the name although the address is fixed.
        if not isinstance(transport._pool, httpcore.AsyncConnectionPool):
            raise TypeError("this version of httpx keeps its connections elsewhere: addresses would go unchecked")
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=self._verify,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=KEEP_ALIVE_S,
            network_backend=self._network,
        )
        return transport


class _NamedTransport(SpreadTransport):
    """Names only those hosts to a proxy that the rules allow."""

    def __init__(self, rules: AddressRules, resolve: Resolve, verify: ssl.SSLContext, proxy: httpx.Proxy) -> None:
        super().__init__(verify=verify, proxy=proxy)
        self._rules = rules
        self._resolve = resolve
        self._allowed: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._rules.check_url(request.url)
        await self._check_name(request.url)
        return await super().handle_async_request(request)

    async def _check_name(self, url: httpx.URL) -> None:
        host = url.raw_host.decode("ascii")
        if host in self._allowed:
            return
        found: Sequence[str] = ()
        with anyio.move_on_after(_LOOK_UP_S), contextlib.suppress(OSError, UnicodeError):
            found = await self._resolve(host, url.port or 443)
        # All of them, unlike below: which one the proxy takes is not ours to choose.
        if not self._rules.allows_name(host) or not all(self._rules.allows(host, one) for one in found):
            raise ForbiddenAddress(f"the picture's address leads to {host}, which is not on the public internet")
        self._allowed.add(host)


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the very addresses that were checked: a name is looked up once, so it cannot change in between."""

    def __init__(self, rules: AddressRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: Exception = httpcore.ConnectError("it has no address")
        for address in await self._allowed(host, port, timeout):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _allowed(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            with anyio.fail_after(timeout):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("its address was not found in time") from error
        except OSError as error:
            raise httpcore.ConnectError(error.strerror or str(error)) from error
        allowed = [address for address in found if self._rules.allows(host, address)]
        if found and not allowed:
            raise ForbiddenAddress(f"the picture's address leads to {host}, which is not on the public internet")
        return allowed[:_MOST_ADDRESSES]
