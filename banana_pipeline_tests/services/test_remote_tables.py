"""Tables that are not on this machine: read where they are, and one sentence for each way that does not work."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.commands.tables import choose_table
from banana_pipeline.core.failures import TableError
from banana_pipeline.settings import Settings, read_settings
from banana_pipeline.store.tables import content_version, find_tables, open_table
from banana_pipeline_tests.e2e.command import Office
from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.services.conftest import Bucket


def _parquet(*prompts: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"prompt": list(prompts)}), sink)
    return sink.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"BANANA_DATA_DIR": f"{tmp_path}/data"})


def objection(settings: Settings, text: str) -> str:
    with pytest.raises(TableError) as caught:
        choose_table(settings, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Object stores


def test_a_table_in_a_bucket_is_read_by_every_spelling_of_its_address(settings: Settings, bucket: Bucket) -> None:
    bucket.put("cards.parquet", _parquet("a boat", "a cat"))
    for address in (f"{bucket.url}/cards.parquet", f"s3a://{bucket.name}//banana/cards.parquet/"):
        chosen = choose_table(settings, address)
        assert (chosen.table.name, chosen.outside_path) == ("cards", f"{bucket.url}/cards.parquet")
        assert chosen.table.read(range(2))["prompt"].to_pylist() == ["a boat", "a cat"]


def test_a_folder_in_a_bucket_is_read_and_a_delta_table_there_is_not(settings: Settings, bucket: Bucket) -> None:
    bucket.put("prompts/cards/part-0.parquet", _parquet("a boat"))
    bucket.put("prompts/cards/_SUCCESS", b"")
    bucket.put("prompts/lake/part-0.parquet", _parquet("a boat"))
    bucket.put("prompts/lake/_delta_log/00000000000000000000.json", b"{}")
    assert list(find_tables(UPath(bucket.url) / "prompts")) == ["cards", "lake"]
    assert choose_table(settings, f"{bucket.url}/prompts/cards").table.row_count == 1
    for address in (f"{bucket.url}/prompts/lake", f"{bucket.url}/prompts/lake/part-0.parquet"):
        assert "a Delta table" in objection(settings, address)


def test_what_is_not_there_is_one_sentence(settings: Settings, bucket: Bucket) -> None:
    assert "no prompt table" in objection(settings, f"{bucket.url}/nothing.parquet")
    assert "no prompt table" in objection(settings, "s3://no-such-bucket-at-all/cards.parquet")


def test_a_csv_in_a_bucket_is_told(settings: Settings, bucket: Bucket) -> None:
    bucket.put("cards.csv", b"prompt,id\na boat,1\n")
    assert "is a CSV file" in objection(settings, f"{bucket.url}/cards.csv")


def test_a_store_that_is_down_is_one_sentence(
    settings: Settings, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    UPath(bucket.url).fs.clear_instance_cache()
    text = objection(settings, f"{bucket.url}/cards.parquet")
    assert "cannot be reached" in text
    assert "127.0.0.1:9" in text


def test_without_credentials_one_sentence_says_so(
    settings: Settings, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    UPath(bucket.url).fs.clear_instance_cache()
    assert "there are no credentials" in objection(settings, f"{bucket.url}/cards.parquet")


@pytest.mark.slow
def test_a_table_in_a_bucket_is_bought_once_however_its_address_is_spelt(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("cards.parquet", _parquet("a boat", "a cat"))
    with ExitStack() as stack:
        office: Office = open_office(stack, tmp_path)
        for address in (f"{bucket.url}/cards.parquet", f"s3://{bucket.name}//banana/cards.parquet"):
            ended = office.run("run", address, **bucket.environment)
            assert ended.code == 0, ended.said
        assert len(office.tasks) == 2
        assert office.statuses("cards") == {"succeeded": 2}


# The web


@contextmanager
def _served(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A web server that knows no ranges, as the simplest do."""

    class Handler(BaseHTTPRequestHandler):
        do_GET = do_HEAD = lambda self: answer(self)  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _answering(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)

    return answer


def test_a_table_from_the_web_is_read_and_its_signature_is_in_no_name(settings: Settings) -> None:
    with _served(_answering(200, _parquet("a boat"))) as url:
        chosen = choose_table(settings, f"{url}/tables/cards.parquet?signature=s3cret")
        assert chosen.table.name == "cards"
        assert chosen.table.read(range(1))["prompt"].to_pylist() == ["a boat"]
        again = open_table(UPath(f"{url}/tables/cards.parquet?signature=s3cret"))
        assert content_version(chosen.table) == content_version(again)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b"", "does not exist"),
        (403, b"", "no right to it"),
        (401, b"", "no right to it"),
        (500, b"", "500"),
        (200, b"<!doctype html><title>Sign in</title>", "is a web page"),
        (200, b"", "is empty"),
        (200, b"prompt,id\na boat,1\n", "is a CSV file"),
    ],
)
def test_what_the_web_answers_instead_is_one_sentence(settings: Settings, status: int, body: bytes, told: str) -> None:
    with _served(_answering(status, body)) as url:
        text = objection(settings, f"{url}/cards.parquet?signature=s3cret")
    assert told in text
    assert "s3cret" not in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/cards.parquet", "https://no-such-host.invalid/cards.parquet"])
def test_a_web_server_that_is_not_there_is_one_sentence(settings: Settings, url: str) -> None:
    assert "cannot be reached" in objection(settings, url)


@pytest.mark.parametrize("url", ["https://me:s3cret@h.example/cards.parquet", "http:///cards.parquet", "https:/h/x"])
def test_an_address_that_cannot_be_meant_is_one_sentence(settings: Settings, url: str) -> None:
    assert "s3cret" not in objection(settings, url).replace(url, "")
