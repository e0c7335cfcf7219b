"""Chromium, driven as a person drives it, over the WebDriver protocol that comes with the system's chromium-driver.

Here: starting it, keys, clicks, looks at the page. Not here: facts; the tests state those.
"""

import base64
import contextlib
import functools
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Left": "\ue012", "Up": "\ue013", "Right": "\ue014", "Down": "\ue015"}
KEYS |= {"Tab": "\ue004", "End": "\ue010", "Home": "\ue011", "Shift": "\ue008"}
_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]


@dataclass(kw_only=True)
class Browser:
    """One window of Chromium."""

    http: httpx.Client
    session: str

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.http.request(method, f"/session/{self.session}{path}", json=body if method == "POST" else None)
        value = answer.json()["value"]
        assert answer.is_success, value
        return value

    def open(self, url: str) -> None:
        """Open a page afresh, with an empty log."""
        self.send("POST", "/url", {"url": "about:blank"})
        self.log()
        self.send("POST", "/url", {"url": url})

    def run(self, script: str, *values: Any) -> Any:
        """The value a script returns."""
        return self.send("POST", "/execute/sync", {"script": script, "args": list(values)})

    def run_later(self, script: str) -> Any:
        """The value a script hands to ``done``."""
        return self.send("POST", "/execute/async", {"script": f"const done = arguments[0];{script}", "args": []})

    def wait(self, condition: str, timeout_s: float = 20.0) -> Any:
        """What an expression in the page is worth, once it is true."""
        until_s = time.monotonic() + timeout_s
        while not (found := self.run(f"return {condition}")):
            assert time.monotonic() < until_s, f"never: {condition}\n{self.log()}\n{self.text('body')[:2000]}"
            time.sleep(0.02)
        return found

    def wait_for_all(self) -> None:
        """Until every row is loaded."""
        self.wait("window.Gallery && Gallery.isComplete() && /row/.test(document.getElementById('count').textContent)")
        self.wait("!document.getElementById('count').textContent.includes('being loaded')")

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map((it) => it.innerText)", selector)

    def press(self, *keys: str) -> None:
        """Keys one after another, given by name or as themselves."""
        actions: list[dict[str, str]] = []
        for key in keys:
            actions += [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")]
        self.send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str) -> None:
        found = self.send("POST", "/element", {"using": "css selector", "value": selector})
        self.send("POST", f"/element/{next(iter(found.values()))}/click", {})

    def choose(self, control: str, value: str) -> None:
        """Set a filter by its id."""
        self.run(
            "const box = document.getElementById(arguments[0]); box.value = arguments[1];"
            "box.dispatchEvent(new Event('change'))",
            control,
            value,
        )

    def search(self, text: str) -> None:
        self.run(
            "const box = document.getElementById('search'); box.value = arguments[0];"
            "box.dispatchEvent(new Event('input'))",
            text,
        )
        asked = "(new URLSearchParams(location.hash.slice(1)).get('q') ?? '')"
        self.wait(f"{asked} === {json.dumps(text)}")

    def cdp(self, command: str, **params: Any) -> Any:
        return self.send("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def resize(self, width_px: int, height_px: int) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=1,
            mobile=width_px < 600,
        )

    def prefer(self, scheme: str) -> None:
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def shot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("GET", "/screenshot")))

    def log(self) -> list[str]:
        """What the browser complained of since it was last asked."""
        return [entry["message"] for entry in self.send("POST", "/se/log", {"type": "browser"})]

    def address(self) -> str:
        return self.send("GET", "/url")


@contextlib.contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; it ends with the block. Skips where there is none."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("there is no chromium with chromium-driver here; they are packages of the system")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (folder / "chromedriver.log").open("wb") as log:
        process = subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False) as http:
            session = _new_session(http, chromium, folder / "profile")
            try:
                yield Browser(http=http, session=session)
            finally:
                http.delete(f"/session/{session}")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _new_session(http: httpx.Client, chromium: str, profile: Path) -> str:
    options = {"binary": chromium, "args": [*_OPTIONS, f"--user-data-dir={profile}"]}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    until_s = time.monotonic() + 30
    while True:
        try:
            answer = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            assert answer.is_success, answer.text
            return answer.json()["value"]["sessionId"]
        except httpx.TransportError:
            assert time.monotonic() < until_s, "chromedriver did not start"
            time.sleep(0.05)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on a local web server; its address."""
    handler: Callable[..., http.server.BaseHTTPRequestHandler] = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
