"""Proxies, certificates and the service's address as a person meets them: one sentence and exit code 2, or no trace."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from banana_pipeline.cli import main
from banana_pipeline.commands.demo import demo_world

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *(name.lower() for name in PROXIES), "KIE_API_KEYS", "KIE_BASE_URL", "BANANA_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KIE_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("BANANA_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data" / "prompts").mkdir(parents=True)
    pq.write_table(pa.table({"prompt": ["a boat"]}), tmp_path / "data" / "prompts" / "boats.parquet")
    (tmp_path / "empty.pem").touch()
    monkeypatch.chdir(tmp_path)


def banana(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize("command", ["run", "estimate"])
@pytest.mark.parametrize(("name", "value", "said"), [
    ("HTTPS_PROXY", "http://me:pass-secret@", "HTTPS_PROXY is not the address of a proxy"),
    ("all_proxy", "socks5://127.0.0.1:1", "all_proxy is a SOCKS proxy, for which a package is missing"),
    ("SSL_CERT_FILE", "none.pem", "SSL_CERT_FILE is 'none.pem', which cannot be read (No such file or directory)"),
    ("SSL_CERT_FILE", "empty.pem", "SSL_CERT_FILE is 'empty.pem', which holds no certificate in PEM form"),
    ("SSL_CERT_DIR", "none", "SSL_CERT_DIR is 'none', which is no folder"),
    ("KIE_BASE_URL", "https://kie.ai/nano-banana", "KIE_BASE_URL is 'https://kie.ai/nano-banana', which leads to"),
])  # fmt: skip
def test_a_way_out_that_cannot_be_used_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    result = banana(command, "boats")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"banana: {said}")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.output


def test_a_demo_never_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES[:3], "https_proxy", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "nonsense")
    with demo_world():
        assert not {name for name in os.environ if name.upper() in {*PROXIES, "SSL_CERT_FILE"}}
    assert os.environ["HTTP_PROXY"] == "nonsense"
