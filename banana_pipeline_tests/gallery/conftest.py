"""Data folders, and one browser for all tests of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from banana_pipeline_tests.browser import open_browser
from banana_pipeline_tests.gallery.page import Page
from banana_pipeline_tests.gallery.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An empty data folder, with a folder of prompt tables in it."""
    prompts = tmp_path / "data" / "prompts"
    prompts.mkdir(parents=True)
    return Scene(UPath(tmp_path / "data"), prompts)


@pytest.fixture(scope="session")
def session_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield Page(driver=browser.driver)


@pytest.fixture
def browser(session_browser: Page) -> Page:
    """Chromium with a window of a desk, in light colours."""
    session_browser.resize(1280, 900)
    session_browser.prefer("light")
    return session_browser
