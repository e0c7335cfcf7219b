"""Addresses out of answers, before they are used: those of uploads go into a paid order, those of links are fetched."""

import pytest

from banana_pipeline.core.failures import ReadFailed
from banana_pipeline.kie.addresses import AddressRules, ForbiddenAddress
from banana_pipeline_tests.kie.conftest import client_of, http, raw_server

pytestmark = pytest.mark.anyio

BAD = [
    "", " ", "x", "/kieai/1/a.png", "//cdn.example/a.png", "ftp://cdn.example/a.png", "file:///etc/passwd",
    "data:image/png;base64,AAAA", "javascript:alert(1)", "https://", "https:///a.png", "https://cdn.example/a b.png",
    "https://cdn.example/a.png\n", " https://cdn.example/a.png", "https://me:pass-secret@cdn.example/a.png",
    "https://cdn.example/" + "a" * 2_000, "https://[::1/a.png", "https://cdn.example:99999999/a.png",
    "https://a.example/1.png,https://b.example/2.png https://c.example", "https://cdn.example/\u202egnp.a",
]  # fmt: skip


@pytest.mark.parametrize("address", BAD)
async def test_an_upload_without_a_usable_address_is_no_upload(address: str) -> None:
    answer = http(200, {"success": True, "code": 200, "data": {"downloadUrl": address}})
    async with raw_server(answer) as server, client_of(server.url) as client:
        with pytest.raises(ReadFailed) as error:
            await client.upload(b"x", path="p", file_name="f")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("address", BAD)
async def test_a_link_without_a_usable_address_is_no_link(address: str) -> None:
    async with raw_server(http(200, {"code": 200, "data": address})) as server, client_of(server.url) as client:
        with pytest.raises(ReadFailed) as error:
            await client.download_url("https://cdn.example/a.png")
    assert "secret" not in str(error.value)


async def test_a_forbidden_address_is_not_asked_for_again() -> None:
    answer = http(200, {"code": 200, "data": {"downloadUrl": "ftp://cdn.example/a"}})
    async with raw_server(answer) as server, client_of(server.url) as client:
        with pytest.raises(
            ForbiddenAddress, match=r"the address of the upload \(cdn\.example\) is not an https address"
        ):
            await client.upload(b"x", path="p", file_name="f")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("base_url", "is_allowed"), [
    ("https://api.kie.ai", False), ("http://kie.corp.example", False), ("http://127.0.0.1:8787", True),
    ("http://[::1]:8787", True), ("http://localhost:1", True),
])  # fmt: skip
def test_an_address_without_tls_is_used_only_at_home(base_url: str, is_allowed: bool) -> None:
    rules = AddressRules.of(base_url)
    rules.check_text("https://cdn.example/a.png")
    if is_allowed:
        rules.check_text("http://127.0.0.1:9/a.png")
    else:
        with pytest.raises(ForbiddenAddress):
            rules.check_text("http://127.0.0.1:9/a.png")
