"""The service's address as people write it: one spelling for one service, and a sentence for what is none."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.service_address import service_address
from banana_pipeline.settings import read_settings, service_of


@pytest.mark.parametrize("text", [
    "https://api.kie.ai", "https://api.kie.ai/", "https://api.kie.ai//", "https://api.kie.ai/api/v1",
    "https://api.kie.ai/api/v1/", "https://api.kie.ai/api", "HTTPS://API.KIE.AI", "https://api.kie.ai:443",
    "https://api.kie.ai.", "https://API.kie.ai.:443/API/V1/",
])  # fmt: skip
def test_a_service_has_one_spelling(text: str) -> None:
    assert service_address(text, "KIE_BASE_URL") == "https://api.kie.ai"
    found = read_settings({"KIE_BASE_URL": text})
    assert (found.service, found.upload_base_url) == ("api.kie.ai", "https://kieai.redpandaai.co")


@pytest.mark.parametrize(("text", "address"), [
    ("http://127.0.0.1:8787/api/v1", "http://127.0.0.1:8787"), ("http://[::1]:8787/", "http://[::1]:8787"),
    ("http://localhost:80", "http://localhost"), ("https://kie.corp.example:8443", "https://kie.corp.example:8443"),
    ("http://[FD00::1]", "http://[fd00::1]"),
])  # fmt: skip
def test_a_service_may_lie_anywhere(text: str, address: str) -> None:
    assert service_address(text, "KIE_BASE_URL") == address


@pytest.mark.parametrize("text", [
    "https://kie.ai/nano-banana", "https://docs.kie.ai/market/quickstart", "https://api.kie.ai/?key=1",
    "https://api.kie.ai/#top", "https://api.kie.ai/api/v2", "https://api.kie.ai/api/v1/jobs/createTask",
    "https://api.kie.ai/api/v1/api/v1", "https://gateway.example/kie/api/v1",
])  # fmt: skip
def test_the_address_of_a_page_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match=r"KIE_BASE_URL is .* set it to scheme and host alone, such as https://api"):
        read_settings({"KIE_BASE_URL": text})


@pytest.mark.parametrize("text", ["https://me:pass-secret@api.kie.ai", "https://pass-secret@api.kie.ai/x?y"])
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="KIE_UPLOAD_BASE_URL holds a user or password") as error:
        read_settings({"KIE_UPLOAD_BASE_URL": text})
    assert "secret" not in str(error.value)


@given(st.text() | st.text("htps:/@.[]#?%1a\\ ", max_size=20).map("https://".__add__))
def test_every_other_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = service_address(text, "KIE_BASE_URL")
    except SettingsError:
        return
    assert service_address(address, "KIE_BASE_URL") == address
    assert httpx.URL(address).host == service_of(address)


@pytest.mark.parametrize("host", [
    "", ".", "..", "a b", "a\\b", "a%20b", "-", "[::1%25lo]", "[fe80::1%lo]", "käse.example", "a,b",
])  # fmt: skip
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="KIE_BASE_URL is"):
        service_address(f"https://{host}", "KIE_BASE_URL")
