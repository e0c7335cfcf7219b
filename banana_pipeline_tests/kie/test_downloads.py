"""Downloads from strangers' addresses: what is asked, what is refused, and where a name may lead.

Here: real servers on the loopback, with a resolver of the test's own where a name must lead somewhere.
Not here: trying again and the second way (drivers/test_archiving), what a picture is (store).
"""

import asyncio
import gzip
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from banana_pipeline.core.failures import ReadFailed, Unreachable
from banana_pipeline.kie import client as client_module
from banana_pipeline.kie import downloads as downloads_module
from banana_pipeline.kie.addresses import AddressRules, ForbiddenAddress
from banana_pipeline.kie.downloads import Resolve, download, open_downloads
from banana_pipeline_tests.kie.conftest import hang, http, raw_server, tls_server

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG" + bytes(range(256))
OK = http(200, PNG, Connection="close")
HERE, KIE = "http://127.0.0.1:1", "https://api.kie.ai"


def leads_to(*addresses: str) -> Resolve:
    """A resolver by which every name leads to these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def refused(url: str, *, base_url: str = HERE, resolve: Resolve | None = None) -> str:
    """The sentence with which an address is refused."""
    more = {} if resolve is None else {"resolve": resolve}
    async with open_downloads(base_url=base_url, **more) as downloads:
        with pytest.raises(ForbiddenAddress) as error:
            await download(downloads, url)
    return str(error.value)


async def test_a_download_carries_no_key_and_asks_for_plain_bytes() -> None:
    async with raw_server(http(200, PNG)) as server, open_downloads(base_url=server.url) as downloads:
        assert await download(downloads, f"{server.url}/a.png") == PNG
    assert b"uthorization" not in server.requests[0]
    assert client_module.USER_AGENT.encode() in server.requests[0]
    assert b"Accept-Encoding: identity" in server.requests[0]


@pytest.mark.parametrize("url", [
    "http://cdn.example/a.png", "ftp://cdn.example/a", "file:///etc/passwd", "/a.png", "", "not a url", "https://",
    "data:image/png;base64,AAAA", "unix:/var/run/docker.sock", "//cdn.example/a.png", "gopher://cdn.example/",
])  # fmt: skip
async def test_only_https_is_asked_for(url: str) -> None:
    assert "is not an https address" in await refused(url, base_url=KIE)


async def test_a_user_name_in_an_address_is_refused_and_not_repeated() -> None:
    for address in ("https://me:pass-secret@cdn.example/a", "https://pass-secret@cdn.example/a"):
        said = await refused(address, base_url=KIE)
        assert said == "the picture's address at cdn.example contains a user name or password"


FORBIDDEN = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1",
    "::", "::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1",
    "2002:a00:1::", "2001:0:a00:1::", "::ffff:0:10.0.0.1", "100::1", "not an address",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_off_the_public_internet_is_refused(address: str) -> None:
    said = await refused("https://cdn.example/a.png?token=secret", base_url=KIE, resolve=leads_to(address))
    assert said == "the picture's address leads to cdn.example, which is not on the public internet"


@pytest.mark.parametrize("host", [
    "127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "localhost", "0", "127.1",
    "2130706433", "0x7f000001", "017700000001", "127.0.0.1.", "[64:ff9b::7f00:1]", "LOCALHOST",
])  # fmt: skip
async def test_an_address_in_numbers_is_refused_however_it_is_written(host: str) -> None:
    async with open_downloads(base_url=KIE) as downloads:
        with pytest.raises(ReadFailed) as error:
            await download(downloads, f"https://{host}/latest/meta-data")
    # Some spellings are not even taken for an address.
    assert isinstance(error.value, ForbiddenAddress | Unreachable) or "InvalidURL" in str(error.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressRules(home="api.kie.ai").allows("cdn.example", address)


@pytest.mark.parametrize("home", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("address", sorted(set(FORBIDDEN) - {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"}))
def test_a_service_on_this_machine_opens_this_machine_and_nothing_else(home: str, address: str) -> None:
    rules = AddressRules(home=home)
    assert rules.allows("cdn.example", "127.0.0.1")
    assert not rules.allows("cdn.example", address)


def test_a_service_elsewhere_may_lie_anywhere_but_only_itself() -> None:
    rules = AddressRules(home="kie.corp.example")
    assert rules.allows("kie.corp.example", "10.0.0.7")
    assert not rules.allows("cdn.example", "10.0.0.7")


@pytest.mark.parametrize("url", [
    "http://cdn.corp.example/a", "http://kie.corp.example:8080/a", "http://kie.corp.example.evil.example/a",
])  # fmt: skip
async def test_a_service_elsewhere_without_tls_opens_no_other_address_without_tls(url: str) -> None:
    assert "is not an https address" in await refused(url, base_url="http://kie.corp.example")


def test_a_service_elsewhere_without_tls_may_serve_its_own_pictures_as_it_takes_the_key() -> None:
    AddressRules.of("http://kie.corp.example").check_text("http://kie.corp.example:80/h/a.png")


async def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_that_is_asked() -> None:
    """A resolver that names this machine first and a metadata service ever after."""
    answers: Iterator[list[str]] = chain([["127.0.0.1"]], repeat(["169.254.169.254"]))
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    async with raw_server(http(200, PNG)) as server, open_downloads(base_url=HERE, resolve=resolve) as downloads:
        port = httpx.URL(server.url).port
        assert await download(downloads, f"http://cdn.example:{port}/a.png") == PNG
    assert asked == ["cdn.example"]
    assert f"Host: cdn.example:{port}".encode() in server.requests[0]


async def test_of_several_addresses_only_the_allowed_ones_are_asked() -> None:
    resolve = leads_to("10.0.0.1", "169.254.169.254", "127.0.0.1")
    async with raw_server(http(200, PNG)) as server, open_downloads(base_url=HERE, resolve=resolve) as downloads:
        assert await download(downloads, f"http://cdn.example:{httpx.URL(server.url).port}/a.png") == PNG


async def test_the_next_address_is_asked_where_the_first_does_not_answer() -> None:
    resolve = leads_to("127.0.0.99", "127.0.0.1")
    async with raw_server(http(200, PNG)) as server, open_downloads(base_url=HERE, resolve=resolve) as downloads:
        assert await download(downloads, f"http://cdn.example:{httpx.URL(server.url).port}/a.png") == PNG


@pytest.mark.parametrize("found", [OSError("no such host"), TimeoutError()])
async def test_a_name_that_leads_nowhere_is_unreachable(found: Exception) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise found

    async with open_downloads(base_url=KIE, resolve=resolve) as downloads:
        with pytest.raises(Unreachable, match=r"^cdn\.example cannot be reached"):
            await download(downloads, "https://cdn.example/a.png?token=secret")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(status: int) -> None:
    async with raw_server(http(200, PNG)) as other:
        redirect = http(status, "", Location=f"{other.url}/x.png")
        async with raw_server(redirect) as server, open_downloads(base_url=server.url) as downloads:
            assert await download(downloads, f"{server.url}/a.png") == PNG


@pytest.mark.parametrize(("hops", "is_followed"), [(3, True), (4, False)])
async def test_three_redirects_are_followed_and_not_four(hops: int, is_followed: bool) -> None:
    async def answer(request: bytes, writer: object) -> bytes:
        number = int(request.split(b" ")[1].removeprefix(b"/"))
        return http(200, PNG) if number == hops else http(302, "", Location=f"/{number + 1}")

    async with raw_server(answer) as server, open_downloads(base_url=server.url) as downloads:
        if is_followed:
            assert await download(downloads, f"{server.url}/0") == PNG
        else:
            with pytest.raises(ReadFailed, match="redirects more than 3 times"):
                await download(downloads, f"{server.url}/0")
    assert len(server.requests) == 4


@pytest.mark.parametrize(("target", "words"), [
    ("http://10.0.0.1/a?token=secret", "leads to 10.0.0.1"),
    ("//169.254.169.254/latest/meta-data?secret", "leads to 169.254.169.254"),
    ("file:///etc/secret", "not an https address"),
    ("http://me:secret@127.0.0.1/", "user name or password"),
    ("https://[fe80::1]/a?secret", "leads to fe80::1"),
])  # fmt: skip
async def test_a_redirect_to_a_forbidden_address_is_refused(target: str, words: str) -> None:
    async with raw_server(http(302, "", Location=target)) as server:
        said = await refused(f"{server.url}/a.png?token=secret", base_url=server.url)
    assert words in said
    assert "secret" not in said


async def test_no_cookie_is_kept() -> None:
    async def answer(request: bytes, writer: object) -> bytes:
        cookie = {"Set_Cookie": "id=1; Path=/"}
        return http(200, PNG, **cookie) if b"/end" in request else http(302, "", Location="/end", **cookie)

    async with raw_server(answer) as server, open_downloads(base_url=server.url) as downloads:
        for _ in range(2):
            await download(downloads, f"{server.url}/a.png")
    assert len(server.requests) == 4
    assert not any(b"ookie:" in request for request in server.requests)


@pytest.mark.parametrize("url", [
    "http://[::1", "http://127.0.0.1:9/a?token=secret", "http://127.0.0.1:99999/a?secret",
    "http://" + "a" * 80 + "/secret", "http://127.0.0.1:9?token=secret", "http://127.0.0.1:9#secret",
])  # fmt: skip
async def test_an_address_that_leads_nowhere_is_a_failed_read_without_its_query(url: str) -> None:
    async with open_downloads(base_url=HERE) as downloads:
        with pytest.raises(ReadFailed) as error:
            await download(downloads, url)
    assert "secret" not in str(error.value)


async def test_a_picture_that_says_it_is_too_large_is_not_read() -> None:
    head = http(200, b"").replace(b"Length: 0", b"Length: %d" % (downloads_module.MAX_DOWNLOAD_BYTES + 1))
    async with raw_server(head) as server, open_downloads(base_url=server.url) as downloads:
        with pytest.raises(ReadFailed, match="larger than 128 MiB"):
            await download(downloads, server.url)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + b"x" * 1001,
    http(200, gzip.compress(bytes(1_000_000)), Content_Encoding="gzip"),
], ids=["of no told size", "packed"])  # fmt: skip
async def test_a_picture_that_grows_beyond_the_limit_is_refused(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def once(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    monkeypatch.setattr(downloads_module, "MAX_DOWNLOAD_BYTES", 1000 if answer.endswith(b"x") else 100_000)
    async with raw_server(once) as server, open_downloads(base_url=server.url) as downloads:
        with pytest.raises(ReadFailed, match="larger than"):
            await download(downloads, server.url)


async def test_a_packed_picture_is_unpacked() -> None:
    answer = http(200, gzip.compress(PNG), Content_Encoding="gzip")
    async with raw_server(answer) as server, open_downloads(base_url=server.url) as downloads:
        assert await download(downloads, server.url) == PNG


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "GZIP,deflate"])
async def test_packings_that_could_fill_the_memory_are_refused(encoding: str) -> None:
    answer = http(200, PNG, Content_Encoding=encoding)
    async with raw_server(answer) as server, open_downloads(base_url=server.url) as downloads:
        with pytest.raises(ReadFailed, match="packed in a way that is not accepted"):
            await download(downloads, server.url)


async def test_a_picture_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads_module, "DOWNLOAD_TIME_S", 0.3)
    async with raw_server(hang) as server, open_downloads(base_url=server.url) as downloads:
        with pytest.raises(ReadFailed, match=r"did not arrive within 0\.3 s"):
            await download(downloads, server.url)


async def test_a_cut_picture_is_a_failed_read() -> None:
    async def cut(request: bytes, writer: object) -> None:
        writer.write(http(200, PNG)[:-5])  # pyright: ignore[reportAttributeAccessIssue]

    async with raw_server(cut) as server, open_downloads(base_url=server.url) as downloads:
        with pytest.raises(ReadFailed):
            await download(downloads, server.url)


async def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look at its own machine instead."""
    async with raw_server(http(200, b"from the proxy")) as proxy, raw_server(http(200, PNG)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with open_downloads(base_url=server.url) as downloads:
            assert await download(downloads, f"{server.url}/a.png") == PNG


def open_named_downloads() -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """Downloads for which every name leads to this machine."""
    return open_downloads(base_url=HERE, resolve=leads_to("127.0.0.1"))


async def test_the_certificate_is_checked_against_the_name_although_the_address_is_fixed(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    async with tls_server(certificate, OK) as (port, requests), open_named_downloads() as downloads:
        assert await download(downloads, f"https://pictures.example:{port}/a.png") == PNG
        with pytest.raises(Unreachable, match="certificate"):
            await download(downloads, f"https://other.example:{port}/a.png")
    assert len(requests) == 1
    assert f"Host: pictures.example:{port}".encode() in requests[0]


async def test_a_certificate_nobody_trusts_is_refused(certificate: Path) -> None:
    async with tls_server(certificate, OK) as (port, _), open_named_downloads() as downloads:
        with pytest.raises(Unreachable, match="certificate"):
            await download(downloads, f"https://pictures.example:{port}/a.png")
