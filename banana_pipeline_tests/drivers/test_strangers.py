"""What is not KIE stands at the address, or before it: nothing is bought, no row is to blame, and one sentence says so.

Here: a server that answers some paths itself and passes the rest on to the emulator.
Not here: faults of KIE itself (test_faults), what each answer means (core/test_failures).
"""

import http.client
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from banana_pipeline.core import attempts as moves
from banana_pipeline.core import decisions
from banana_pipeline.store import ledger
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import Run, boats, shard
from banana_pipeline_tests.drivers.world import World

CREATE, CREDIT, RECORD = "/api/v1/jobs/createTask", "/api/v1/chat/credit", "/api/v1/jobs/recordInfo"


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer of a stranger."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Stranger:
    """``pages``: by path, or for all paths under ``*``. ``seen``: what it was asked."""

    pages: dict[str, Page]
    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)


@contextmanager
def stranger(world: World, pages: dict[str, Page]) -> Iterator[Stranger]:
    """Stands between ``world`` and its emulator while the block runs."""
    there = Stranger(pages=pages)
    emulator = world.emulator.base_url.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            page = there.pages.get(path) or there.pages.get("*")
            there.seen[path] += 1
            if page is not None:
                return self._send(page.status, page.headers, page.body.encode())
            onward = http.client.HTTPConnection(emulator, timeout=10)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            onward.request(self.command, self.path, body, headers)
            answer = onward.getresponse()
            return self._send(answer.status, {"Content-Type": "application/json"}, answer.read())

        do_GET = do_POST = _answer  # noqa: N815

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()


def run_before(world: World, pages: dict[str, Page], prompts: list[str]) -> tuple[Run, Stranger]:
    with stranger(world, pages) as there:
        world.other_url = there.url
        try:
            return world.run(shard(*prompts)), there
        finally:
            world.other_url = ""


STRANGERS = {
    "not found": Page(status=404, body="Not Found"),
    "a page that is not found": Page(status=404, body="<html><head><title>404 Not Found</title></head></html>"),
    "nothing at all": Page(status=404),
    "another API": Page(status=404, body=json.dumps({"detail": "Not Found"})),
    "another API's error": Page(body=json.dumps({"error": {"message": "unknown endpoint"}})),
    "another API's success": Page(body=json.dumps({"code": 0, "message": "ok", "data": {}})),
    "a web page": Page(body="<!DOCTYPE html><html><title>Nano Banana Pro</title></html>"),
    "a login": Page(status=302, headers={"Location": "https://login.corp.example/?token=secret"}),
    "http, not https": Page(status=301, headers={"Location": "https://api.kie.ai/"}),
    "a form to sign in": Page(body="<html><title>Sign in</title>"),
    "a wall": Page(status=403, body="error code: 1010"),
    "a page of the wall": Page(status=403, body="<html><title>Attention Required! | Cloudflare</title>"),
    "a web server": Page(status=405, body="<html><title>405 Not Allowed</title>"),
    "a proxy": Page(status=407, body="<html><title>Proxy Authentication Required</title>"),
    "an https port": Page(status=400, body="<html><title>400 The plain HTTP request was sent to HTTPS port</title>"),
    "plain words": Page(body="It works!"),
    "an empty page": Page(),
    "a redirect to nowhere": Page(status=301, headers={"Location": "http://[::1"}),
    "a page without measure": Page(body="<html>" + " " * 2_000_000),
    "a page that is packed": Page(body="x", headers={"Content-Encoding": "br"}),
    "a gateway without a service": Page(status=502, body="<html><title>502 Bad Gateway</title>"),
}


@pytest.mark.parametrize("page", STRANGERS.values(), ids=STRANGERS)
def test_nothing_is_ordered_where_no_answer_is_kies(world: World, page: Page) -> None:
    run, there = run_before(world, {"*": page}, boats(5))
    assert run.statuses == {"not_submitted": 5}
    assert there.seen[CREATE] == 0
    (sentence,) = run.progress.notices
    assert "check KIE_BASE_URL" in sentence
    assert "secret" not in sentence
    assert world.run(shard(*boats(5))).statuses == {"succeeded": 5}


@pytest.mark.parametrize("page", [
    page for name, page in STRANGERS.items() if 400 <= page.status < 500
], ids=[name for name, page in STRANGERS.items() if 400 <= page.status < 500])  # fmt: skip
def test_an_order_turned_away_by_a_stranger_stops_the_rest_and_is_bought_later(world: World, page: Page) -> None:
    for _ in range(3):
        run, _ = run_before(world, {CREATE: page}, boats(8))
        assert run.statuses == {"refused": 1, "not_submitted": 7}
    assert any("does not answer as KIE does" in sentence for sentence in run.progress.notices)
    assert world.run(shard(*boats(8))).statuses == {"succeeded": 8}
    assert world.books["tasks"] == 8


@pytest.mark.parametrize("page", [
    page for name, page in STRANGERS.items() if page.status < 400 and name != "an empty page"
], ids=[name for name, page in STRANGERS.items() if page.status < 400 and name != "an empty page"])  # fmt: skip
def test_a_strangers_success_leaves_one_order_in_doubt_and_stops_the_rest(world: World, page: Page) -> None:
    run, there = run_before(world, {CREATE: page}, boats(8))
    assert run.statuses == {"unconfirmed": 1, "not_submitted": 7}
    assert there.seen[CREATE] == 1
    (sentence,) = run.progress.notices
    assert "does not answer as KIE does" in sentence


@pytest.mark.parametrize(("location", "told"), [
    ("https://api.kie.ai/api/v1?key=secret", "https://api.kie.ai"), ("/login?next=secret", "http://127.0.0.1:"),
    ("http://me:secret@login.example/", "http://login.example"),
])  # fmt: skip
def test_a_redirect_says_where_it_leads_and_no_more(world: World, location: str, told: str) -> None:
    run, _ = run_before(world, {"*": Page(status=301, headers={"Location": location})}, boats(1))
    (sentence,) = run.progress.notices
    assert f"(HTTP 301, leads to {told}" in sentence
    assert "secret" not in sentence


def test_a_service_that_does_not_tell_the_balance_is_still_kie(world: World) -> None:
    run, _ = run_before(world, {CREDIT: Page(status=404, body="Not Found")}, boats(3))
    assert run.statuses == {"succeeded": 3}


def test_rows_that_an_older_version_refused_for_a_gateway_are_bought(world: World) -> None:
    work = shard("a boat")
    for _ in range(4):
        claimed = world.claim(work.wanted[0], age_s=10)
        refused = moves.mark_refused(
            claimed, reason="bad_parameters: Not Found", code=404, msg="Not Found", at=claimed.claimed_at
        )
        world.in_ledger(ledger.save, claimed, refused, run_id="an older run")
    assert world.run(work).statuses == {"succeeded": 1}


@pytest.mark.parametrize("asked", ["86400", "9" * 400])
def test_a_service_that_asks_for_a_day_is_asked_again_after_the_longest_pause(
    new_world: NewWorld, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr(decisions, "LONGEST_PAUSE_S", 0.5)
    world = new_world()
    busy = Page(body=json.dumps({"code": 429, "msg": "too fast", "data": None}), headers={"Retry-After": asked})
    with stranger(world, {CREATE: busy}) as there:
        world.other_url = there.url

        def relent() -> None:
            del there.pages[CREATE]

        with world.when(lambda: there.seen[CREATE] > 0, relent):
            run = world.run(shard(*boats(2)), rate="20/1s")
    assert run.statuses == {"succeeded": 2}
    (sentence,) = run.progress.notices
    assert sentence.endswith("s; waiting 2 min, then asking again.")
    assert sentence.startswith("KIE asks to wait ")
