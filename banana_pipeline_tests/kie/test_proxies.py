"""Behind a proxy: what is asked through it, what is never asked through it, and what its failures mean for an order.

Here: a real proxy on the loopback that fails at a chosen moment, with a real TLS server behind it.
Not here: reading results' addresses without a proxy (test_downloads).
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from banana_pipeline.core.failures import (
    Ambiguous,
    Created,
    CreateOutcome,
    ReadFailed,
    Refusal,
    Refused,
    SettingsError,
    Unreachable,
)
from banana_pipeline.kie import client as client_module
from banana_pipeline.kie.addresses import AddressRules, ForbiddenAddress
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.downloads import Resolve, download, open_downloads
from banana_pipeline.kie.proxies import environment_proxies
from banana_pipeline_tests.kie.conftest import BODY, client_of, http, raw_server, tls_server

pytestmark = pytest.mark.anyio
KIE, CDN = "https://kie.corp.example", "https://cdn.corp.example"
ACCEPTED = http(200, {"code": 200, "msg": "success", "data": {"taskId": "abc"}})
PNG = http(200, b"\x89PNG", Connection="close")
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
VARIABLES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@dataclass(kw_only=True)
class Proxy:
    """A proxy whose every name leads to ``port`` of this machine.

    ``answer`` to CONNECT: None hangs up. ``passes``: bytes it lets through to the server before it hangs up.
    """

    port: int = 0
    answer: bytes | None = ESTABLISHED
    is_silent: bool = False
    passes: int | None = None
    heads: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if self.is_silent:
                    await reader.read()
                    return
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
                if self.answer == ESTABLISHED:
                    await self._tunnel(reader, writer)
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        out = asyncio.create_task(_pump(reader, back, self.passes))
        home = asyncio.create_task(_pump(there, writer, None))
        await asyncio.wait({out, home}, return_when=asyncio.FIRST_COMPLETED)
        for task in (out, home):
            task.cancel()
        back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
    passed = 0
    while chunk := await reader.read(65_536):
        writer.write(chunk if most is None else chunk[: most - passed])
        await writer.drain()
        passed += len(chunk)
        if most is not None and passed >= most:
            await asyncio.sleep(0.05)
            return


@contextlib.asynccontextmanager
async def proxy(monkeypatch: pytest.MonkeyPatch, *, userinfo: str = "", **how: Any) -> AsyncIterator[Proxy]:
    """A running proxy that the environment names for https."""
    running = Proxy(**how)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.url = f"http://{userinfo}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", running.url)
    try:
        yield running
    finally:
        server.close()


async def ordered(url: str = KIE) -> CreateOutcome:
    async with client_of(url) as client:
        return await client.create_task(BODY)


# What is asked through it


@pytest.mark.usefixtures("is_trusted")
async def test_an_order_goes_through_the_proxy_by_name(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    async with tls_server(certificate, ACCEPTED) as (port, requests), proxy(monkeypatch, port=port) as running:
        assert await ordered() == Created(task_id="abc")
    assert running.heads[0].startswith("CONNECT kie.corp.example:443 ")
    assert "uthorization" not in running.heads[0], "the key is for KIE alone"
    assert b"authorization: bearer" in requests[0].lower()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_plain_http_goes_through_the_proxy_whole(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async with raw_server(ACCEPTED) as forward:
        monkeypatch.setenv(variable, forward.url.removeprefix("http://"))
        assert await ordered("http://kie.corp.example") == Created(task_id="abc")
    assert forward.requests[0].startswith(b"POST http://kie.corp.example/api/v1/jobs/createTask ")


@pytest.mark.usefixtures("is_trusted")
async def test_a_picture_goes_through_the_proxy_where_its_name_is_not_known_here(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    async with (
        tls_server(certificate, PNG) as (port, _),
        proxy(monkeypatch, port=port) as running,
        open_downloads(base_url=KIE, resolve=_nowhere) as downloads,
    ):
        assert await download(downloads, f"{CDN}/a.png") == b"\x89PNG"
    assert running.heads[0].startswith("CONNECT cdn.corp.example:443 ")


@pytest.mark.parametrize(("url", "no_proxy"), [
    ("http://127.0.0.1:8787", ""), ("http://localhost", ""), ("http://[::1]:1", ""), ("http://a.localhost", ""),
    ("http://127.9.9.9", ""), (KIE, "*"), (KIE, "a, *"), (KIE, "kie.corp.example"), (KIE, "corp.example"),
    (KIE, ".corp.example"), (KIE, "*.corp.example"), (KIE, "a.example,CORP.example"), (KIE, "a.example corp.example"),
    (KIE, "kie.corp.example:443"), ("https://10.1.2.3", "10.0.0.0/8"), ("https://10.1.2.3", "10.1.2.3"),
    ("https://[fd00::1]", "fd00::/8"), ("https://[fd00::1]", "[fd00::1]"), ("https://[fd00::1]", "fd00::1"),
])  # fmt: skip
def test_what_is_asked_directly(monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str) -> None:
    monkeypatch.setenv("all_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert environment_proxies(ssl_context()).for_url(httpx.URL(url)) is None


@pytest.mark.parametrize(("url", "no_proxy"), [
    (KIE, ""), (KIE, "rp.example"), (KIE, "other.example"), ("https://notcorp.example", "corp.example"),
    ("https://11.1.2.3", "10.0.0.0/8"), ("https://[fd00::1]", "10.0.0.0/8"), ("https://localhost.example", ""),
    ("https://128.0.0.1", ""), ("https://[2606:4700::1]:443", "::1"),
])  # fmt: skip
def test_what_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str) -> None:
    monkeypatch.setenv("all_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert environment_proxies(ssl_context()).for_url(httpx.URL(url)) is not None


# What its failures mean for an order


NOT_SENT: dict[str, dict[str, Any]] = {
    "nobody lets it in": {"answer": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"},
    "it forbids": {"answer": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
    "it finds nobody": {"answer": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry"},
    "it waits in vain": {"answer": b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"},
    "it redirects": {"answer": b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\n\r\n"},
    "it talks nonsense": {"answer": b"SSH-2.0-OpenSSH_9.6\r\n\r\n"},
    "it hangs up": {"answer": None},
    "it cuts the handshake short": {"passes": 100},
    "it answers half": {"answer": b"HTTP/1.1 200 Conn"},
}


@pytest.mark.parametrize("how", NOT_SENT.values(), ids=NOT_SENT)
@pytest.mark.usefixtures("is_trusted")
async def test_an_order_to_which_a_proxy_made_no_way_was_certainly_not_sent(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, how: dict[str, Any]
) -> None:
    async with tls_server(certificate, ACCEPTED) as (port, requests), proxy(monkeypatch, port=port, **how) as running:
        outcome = await ordered()
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT
    assert (len(running.heads), requests) == (1, [])


async def test_a_proxy_that_says_nothing_was_certainly_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "POST_TIMEOUT_S", 0.3)
    async with proxy(monkeypatch, is_silent=True):
        outcome = await ordered()
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT


async def test_a_proxy_that_is_not_there_was_certainly_not_passed_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    outcome = await ordered()
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT
    assert "kie.corp.example cannot be reached" in outcome.msg
    assert "through the proxy at 127.0.0.1" in outcome.msg


@pytest.mark.usefixtures("is_trusted")
async def test_an_order_that_got_through_before_the_proxy_hung_up_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    async with tls_server(certificate, lambda _: None) as (port, requests), proxy(monkeypatch, port=port):
        assert isinstance(await ordered(), Ambiguous)
    assert len(requests) == 1


@pytest.mark.usefixtures("is_trusted")
async def test_a_second_order_through_the_same_tunnel_is_in_doubt_when_it_breaks(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    """Its way was made by the first, so nothing but its own sending is seen of it."""
    async with (
        _two_orders(certificate) as (port, requests),
        proxy(monkeypatch, port=port) as running,
        client_of(KIE) as client,
    ):
        assert isinstance(await client.create_task(BODY), Created)
        assert isinstance(await client.create_task(BODY), Ambiguous)
    assert (len(running.heads), len(requests)) == (1, 2)


@contextlib.asynccontextmanager
async def _two_orders(certificate: Path) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A TLS server that takes the first order of a connection and hangs up at the second."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (ACCEPTED, b""):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            requests.append(head + await reader.readexactly(length))
            writer.write(answer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_forward_proxys_page_about_a_plain_order_leaves_it_in_doubt(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with raw_server(http(status, "<html><title>Proxy Error</title>")) as forward:
        monkeypatch.setenv("HTTP_PROXY", forward.url)
        assert isinstance(await ordered("http://kie.corp.example"), Ambiguous)
    assert len(forward.requests) == 1


async def test_a_forward_proxy_that_lets_nobody_in_has_not_passed_the_order_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(http(407, "<html>who are you?")) as forward:
        monkeypatch.setenv("HTTP_PROXY", forward.url)
        outcome = await ordered("http://kie.corp.example")
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_KIE


# Its password, and what it is called


async def test_the_password_of_a_proxy_reaches_the_proxy_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refuse = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with proxy(monkeypatch, userinfo="me:pass%2Dsecret@", answer=refuse) as running, client_of(KIE) as client:
        outcome = await client.create_task(BODY)
        with pytest.raises(Unreachable) as error:
            await client.credits()
        said = f"{outcome} {error.value} {client!r} {vars(client)} {vars(client._http)}"
    assert "Proxy-Authorization: Basic bWU6cGFzcy1zZWNyZXQ=" in running.heads[0]
    for secret in ("pass-secret", "pass%2Dsecret", "bWU6cGFzcy1zZWNyZXQ="):
        assert secret not in said
        assert secret not in "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


@pytest.mark.parametrize("text", [
    "http://", "http://me:pass-secret@", "nonsense://host", "http://host:99999", "http://host:pass-secret", "http://[::1",
    "ftp://host:21", "http://me:pass#secret@host:3128", "http://host/path", "://", "socks4://host:1080", "http://:3128",
    "http://me:pass-secret@host:port", "h ost",
])  # fmt: skip
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
async def test_a_proxy_that_is_none_is_a_setting_to_mend_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=f"^{variable} is not the address of a proxy; write it as") as error:
        await ordered()
    assert "secret" not in str(error.value)


async def test_a_socks_proxy_says_which_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://me:pass-secret@127.0.0.1:1080")
    with pytest.raises(SettingsError, match=r"^ALL_PROXY is a SOCKS proxy.*pip install 'httpx\[socks\]'$"):
        await ordered()


async def test_a_proxy_that_is_used_for_nothing_may_be_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert isinstance(await ordered(), Refused)


# Pictures: what must not be asked through it either


async def _nowhere(host: str, port: int) -> list[str]:
    raise OSError("not known here")


def leads_to(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize("host", [
    "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]",
    "printer.local", "metadata.google.internal", "router.lan", "nas.home", "intranet", "wiki.corp", "x.localdomain",
    "PRINTER.LOCAL.", "127.1", "2130706433", "0x7f000001", "017700000001", "10.1", "0x0a.1", "169.254.169.254.",
    "a.home.arpa", "0", "1.2.3.4.5",
])  # fmt: skip
async def test_no_proxy_is_asked_for_what_only_a_local_network_knows(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async with proxy(monkeypatch) as running, open_downloads(base_url=KIE, resolve=_nowhere) as downloads:
        with pytest.raises(ReadFailed) as error:
            await download(downloads, f"https://{host}/latest/meta-data")
    assert isinstance(error.value, ForbiddenAddress) or "InvalidURL" in str(error.value)
    assert running.heads == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["not an address"]])
async def test_no_proxy_is_asked_for_a_name_that_leads_off_the_public_internet_here(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolve = leads_to(*addresses)
    async with proxy(monkeypatch) as running, open_downloads(base_url=KIE, resolve=resolve) as downloads:
        with pytest.raises(ForbiddenAddress, match="not on the public internet"):
            await download(downloads, f"{CDN}/a.png")
    assert running.heads == []


@pytest.mark.parametrize("url", ["http://cdn.corp.example/a", "https://me:secret@cdn.corp.example/a", "file:///etc/x"])
async def test_no_proxy_is_asked_for_what_is_no_https_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    async with proxy(monkeypatch) as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        async with open_downloads(base_url=KIE, resolve=_nowhere) as downloads:
            with pytest.raises(ForbiddenAddress):
                await download(downloads, url)
    assert running.heads == []


@pytest.mark.usefixtures("is_trusted")
async def test_a_redirect_through_a_proxy_is_checked_like_the_first_address(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    away = http(302, "", Location="https://169.254.169.254/latest", Connection="close")
    async with (
        tls_server(certificate, away) as (port, _),
        proxy(monkeypatch, port=port) as running,
        open_downloads(base_url=KIE, resolve=_nowhere) as downloads,
    ):
        with pytest.raises(ForbiddenAddress):
            await download(downloads, f"{CDN}/a.png")
    assert len(running.heads) == 1


def test_the_service_itself_may_lie_on_a_local_network_behind_a_proxy_too() -> None:
    rules = AddressRules.of("https://kie.intranet")
    assert rules.allows_name("kie.intranet")
    assert not rules.allows_name("wiki.intranet")
