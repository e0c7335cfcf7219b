"""The pages of the Dagster UI in a browser: what a person reads of a run that is over."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline_tests.browser import Browser, open_browser
from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.e2e.dagster_dev import DagsterDev, dagster_dev

pytestmark = pytest.mark.slow

ASSETS = ("prompt_tables", "prompts", "rejected_prompts", "generations", "images", "generation_report", "gallery")
MARKUP = "<img src=x> ![i](https://evil.example/i.png) https://evil.example/a [l](//evil.example) [fail:policy]"
SHARD_PAGE = "/assets/generations?view=partitions&partition=boats.0000"
Shows = Callable[[str, str], Browser]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """The UI after a run over one table, one prompt of which cannot be made."""
    with ExitStack() as stack:
        office = open_office(stack, tmp_path_factory.mktemp("pages"))
        office.add_table("boats", {"prompt": ["boat 1", "boat 2", "boat 3", MARKUP]})
        dev = stack.enter_context(dagster_dev(office))
        assert dev.end_of(dev.launch(None, "prompt_tables")) == "SUCCESS"
        assert dev.end_of(dev.launch("boats.0000")) == "SUCCESS"
        yield dev


@pytest.fixture(scope="module")
def shows(dev: DagsterDev, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shows]:
    """Opens a page and waits until a text stands on it."""
    with open_browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.resize(1500, 3000)

        def opened(path: str, text: str) -> Browser:
            browser.driver.get(f"http://127.0.0.1:{dev.port}{path}")
            browser.wait(f"document.body.innerText.includes({text!r})", timeout_s=60)
            return browser

        yield opened


def test_the_lineage_shows_every_asset(shows: Shows) -> None:
    page = shows("/asset-groups", "gallery")
    page.wait(f"{list(ASSETS)}.every((asset) => document.body.innerText.includes(asset))")


def test_the_page_of_a_shard_shows_counts_and_cost(shows: Shows) -> None:
    shown = shows(SHARD_PAGE, "not_succeeded").text("body")
    labels = ("rows_succeeded", "rows_failed", "credits", "cost_usd", "reasons")
    assert [label for label in labels if label not in shown] == []


def test_a_prompt_is_text_on_the_page(shows: Shows) -> None:
    page = shows(SHARD_PAGE, "not_succeeded")
    page.wait("document.body.innerText.includes('<img src=x>')")
    assert not re.search(r"<(img|a)\b[^>]*(evil\.example|src=\"?x\b)", page.html())


def test_the_page_of_the_pictures_shows_some_at_once_and_offers_the_contact_sheet(shows: Shows) -> None:
    page = shows("/assets/images?view=partitions&partition=boats.0000", "contact_sheet")
    page.wait("document.querySelectorAll('img[src^=\"data:image/webp\"]').length >= 3")
    assert "images_archived" in page.text("body")


def test_the_numbers_of_the_shards_are_plotted(shows: Shows) -> None:
    page = shows("/assets/generations", "Plots")
    page.run("[...document.querySelectorAll('button')].find((it) => it.innerText === 'Plots').click()")
    page.wait("document.querySelectorAll('canvas').length >= 10")


@pytest.mark.parametrize(
    ("sensor", "meaning"),
    [("prompt_tables_sensor", "bought without asking"), ("unfinished_generations_sensor", "spends nothing")],
)
def test_a_sensor_says_what_turning_it_on_means(shows: Shows, sensor: str, meaning: str) -> None:
    shows(f"/locations/__repository__@banana_pipeline.definitions/sensors/{sensor}", meaning)


def test_a_failed_check_names_the_cause(shows: Shows) -> None:
    page = shows("/assets/generations?view=checks&checkDetail=success_rate_is_high", "success_rate")
    page.wait("document.body.innerText.includes('generation_report for what KIE said')")
