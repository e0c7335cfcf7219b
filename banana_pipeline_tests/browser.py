"""Chromium, driven by Selenium as a person drives it.

Here: starting it, keys, clicks, looks at the page. Not here: facts; the tests state those.
"""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
_KEYS = {"Left": Keys.ARROW_LEFT, "Up": Keys.ARROW_UP, "Right": Keys.ARROW_RIGHT, "Down": Keys.ARROW_DOWN}


@dataclass(kw_only=True)
class Browser:
    """One window of Chromium."""

    driver: webdriver.Chrome

    def open(self, url: str) -> None:
        """Open a page afresh, with an empty log."""
        self.driver.get("about:blank")
        self.log()
        self.driver.get(url)

    def run(self, script: str, *values: Any) -> Any:
        """The value a script returns."""
        return self.driver.execute_script(script, *values)

    def run_later(self, script: str) -> Any:
        """The value a script hands to ``done``."""
        return self.driver.execute_async_script(f"const done = arguments[0];{script}")

    def wait(self, condition: str, timeout_s: float = 20.0) -> Any:
        """What an expression in the page is worth, once it is true."""
        try:
            waiting = WebDriverWait(self.driver, timeout_s, poll_frequency=0.02)
            return waiting.until(lambda driver: driver.execute_script(f"return {condition}"))
        except TimeoutException:
            raise AssertionError(f"never: {condition}\n{self.log()}\n{self.text('body')[:2000]}") from None

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map((it) => it.innerText)", selector)

    def press(self, *keys: str) -> None:
        """Keys one after another, given by name or as themselves."""
        actions = ActionChains(self.driver, duration=0)
        for key in keys:
            actions.send_keys(_KEYS.get(key) or getattr(Keys, key.upper(), key))
        actions.perform()

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def cdp(self, command: str, **params: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, params)

    def resize(self, width_px: int, height_px: int) -> None:
        size = {"width": width_px, "height": height_px}
        self.cdp("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=width_px < 600)

    def prefer(self, scheme: str) -> None:
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def log(self) -> list[str]:
        """What the browser complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def address(self) -> str:
        return self.driver.current_url

    def html(self) -> str:
        """The page as it is after its scripts have run."""
        return self.run("return document.documentElement.outerHTML")


@contextlib.contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; it ends with the block. Skips where there is none."""
    chromedriver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if chromedriver is None or chromium is None:
        pytest.skip("there is no chromium with chromium-driver here; they are packages of the system")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*_OPTIONS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Both paths are given, so that Selenium looks for nothing in the internet.
    service = webdriver.ChromeService(chromedriver, log_output=str(folder / "chromedriver.log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "localhost")  # the driver is on this machine, whatever proxy the environment names
        driver = webdriver.Chrome(options=options, service=service)
    with driver:
        yield Browser(driver=driver)


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
