"""Whom we trust to say who a server is: the environment's files, and what is said where it is not to be trusted."""

import subprocess
from pathlib import Path

import pytest

from banana_pipeline.core.failures import Created, Refusal, Refused, SettingsError, Unreachable
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline_tests.kie.conftest import BODY, client_of, http, raw_server, tls_server

pytestmark = pytest.mark.anyio
ACCEPTED = http(200, {"code": 200, "msg": "success", "data": {"taskId": "abc"}}, Connection="close")


@pytest.mark.usefixtures("is_trusted")
async def test_a_service_at_an_ipv6_address_with_a_certificate_of_its_own_is_trusted(certificate: Path) -> None:
    async with tls_server(certificate, ACCEPTED, "::1") as (port, _), client_of(f"https://[::1]:{port}") as client:
        assert await client.create_task(BODY) == Created(task_id="abc")


@pytest.fixture
def folder(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the certificate under a name of its own, which the environment names."""
    (tmp_path / "own.pem").write_bytes(Path(f"{certificate}.crt").read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def hashed_folder(folder: Path) -> Path:
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.usefixtures("hashed_folder")
async def test_a_folder_of_certificates_is_trusted(certificate: Path) -> None:
    async with tls_server(certificate, ACCEPTED, "::1") as (port, _), client_of(f"https://[::1]:{port}") as client:
        assert await client.create_task(BODY) == Created(task_id="abc")


@pytest.mark.usefixtures("folder")
def test_a_folder_in_which_nothing_will_be_found_says_what_to_run() -> None:
    with pytest.raises(SettingsError, match=r"SSL_CERT_DIR is .* run `openssl rehash`"):
        ssl_context()


async def test_an_order_to_a_server_nobody_trusts_was_certainly_not_sent_and_says_what_to_set(
    certificate: Path,
) -> None:
    async with (
        tls_server(certificate, ACCEPTED, "::1") as (port, requests),
        client_of(f"https://[::1]:{port}") as client,
    ):
        outcome = await client.create_task(BODY)
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await client.credits()
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT
    assert outcome.msg.startswith(f"[::1]:{port} cannot be reached: its certificate is not trusted (self-signed")
    assert "set SSL_CERT_FILE to the certificate of its authority" in outcome.msg
    assert requests == []


@pytest.mark.usefixtures("is_trusted")
async def test_a_certificate_for_another_host_is_not_trusted(certificate: Path) -> None:
    async with tls_server(certificate, ACCEPTED) as (port, requests), client_of(f"https://127.0.0.1:{port}") as client:
        outcome = await client.create_task(BODY)
    assert isinstance(outcome, Refused)
    assert outcome.why is Refusal.NOT_SENT
    assert "certificate is not trusted (IP address mismatch" in outcome.msg
    assert requests == []


async def test_a_service_at_an_ipv6_address_works_without_tls() -> None:
    async with raw_server(http(200, {"code": 200, "data": 60.62}), "::1") as server, client_of(server.url) as client:
        assert server.url.startswith("http://[::1]:")
        assert await client.credits() == 60.62


@pytest.mark.parametrize(("content", "said"), [
    (None, "which cannot be read (No such file or directory)"), (b"", "which holds no certificate in PEM form"),
    (b"hello", "which holds no certificate in PEM form"), (bytes(range(256)), "which holds no certificate in PEM form"),
    (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "which holds no certificate in PEM form"),
])  # fmt: skip
async def test_a_file_that_cannot_be_used_is_a_setting_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(SettingsError) as error:
        async with client_of("https://api.kie.ai"):
            pass
    assert str(error.value).startswith(f"SSL_CERT_FILE is '{path}', {said}; set it to a PEM file")


def test_a_folder_that_is_not_there_is_a_setting_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"SSL_CERT_DIR is .* which is no folder"):
        ssl_context()


def test_a_folder_beside_a_good_file_may_be_missing(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere/certs")
    assert len(ssl_context().get_ca_certs()) == 1
