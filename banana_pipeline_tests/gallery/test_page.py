"""The page in a browser: what a person sees, finds and opens, with a mouse and without."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from upath import UPath

from banana_pipeline_tests.browser import served
from banana_pipeline_tests.gallery.page import Page
from banana_pipeline_tests.gallery.scene import START, Scene, address_of, drawn

pytestmark = pytest.mark.slow

FOCUSED = "document.activeElement.closest('[data-number]')?.dataset.number"


def _boats() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "prompt": f"boat {number} in {'Rain' if number % 2 else 'sun'}",
            "id": f"b-{number}",
            "aspect_ratio": ["1:1", "16:9", "9:16"][number % 3],
            "credits": float(number),
            "generation_s": float(40 - number),
            "completed_at": START + timedelta(hours=number % 5),
            "season": ["spring", "autumn"][number % 2],
        }
        for number in range(30)
    ]
    rows[4] |= {"status": "failed", "status_reason": "The prompt is against the policy.", "fail_msg": "flagged"}
    return rows


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A gallery of thirty boats, one of which failed, and four products with references."""
    folder = tmp_path_factory.mktemp("office") / "a folder #1"
    prompts = folder / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "mug.png").write_bytes(drawn(9, "1:1", 64))
    scene = Scene(UPath(folder), prompts)
    scene.add("boats", _boats())
    references = ["mug.png", "https://example.com/other.png", "../elsewhere.png"]
    scene.add("products", [{"prompt": f"mug {number}", "image_input": references} for number in range(4)])
    scene.write(rows_per_file=20, details_per_file=8)
    return scene


@pytest.fixture(params=["file", "http"])
def address(office: Scene, request: pytest.FixtureRequest) -> Iterator[str]:
    """The page as a file and from a web server."""
    if request.param == "file":
        yield address_of(office)
        return
    with served(Path(str(office.root))) as url:
        yield f"{url}/gallery/index.html"


@pytest.fixture
def page(browser: Page, office: Scene) -> Page:
    browser.open(address_of(office))
    browser.wait_for_all()
    return browser


def _prompts(browser: Page) -> list[str]:
    return browser.run("return Gallery.shownRows().map((row) => row.prompt)")


def test_the_page_opens_anywhere_and_shows_every_row(browser: Page, address: str) -> None:
    browser.open(address)
    browser.wait_for_all()
    assert browser.text("#count") == "34 rows"
    browser.wait("document.querySelectorAll('.mat img.is-there').length > 5")
    assert [line for line in browser.log() if "favicon" not in line] == []


def test_a_picture_opens_large_anywhere(browser: Page, address: str) -> None:
    browser.open(address)
    browser.wait_for_all()
    browser.click("[data-number='1'] button")
    browser.wait("document.querySelector('.result img')?.naturalWidth === 256")
    browser.wait("document.querySelector('.facts-box dl')")


def test_nothing_is_fetched_from_other_hosts(page: Page) -> None:
    page.choose("control-table", "products")
    page.click("[data-number='0'] button")
    page.wait("document.querySelectorAll('#large-references img')[0]?.naturalWidth === 64")
    names = page.run("return performance.getEntriesByType('resource').map((it) => it.name)")
    assert [name for name in names if not name.startswith("file:")] == []


def test_every_word_of_a_search_must_be_in_the_prompt_or_an_id(page: Page) -> None:
    page.search("rain BOAT")
    assert len(_prompts(page)) == 15
    page.search("task-products-2")
    assert _prompts(page) == ["mug 2"]


@pytest.mark.parametrize(
    ("control", "value", "count"),
    [("table", "products", 4), ("state", "failed", 1), ("aspect_ratio", "16:9", 10), ("aspect_ratio", "1:1", 14)],
)
def test_a_filter_leaves_the_rows_that_fit(page: Page, control: str, value: str, count: int) -> None:
    page.choose(f"control-{control}", value)
    assert page.text("#count") == f"{count} of 34 rows"


def test_a_table_s_own_columns_are_filters_once_it_is_chosen(page: Page) -> None:
    assert not page.run("return !!document.getElementById('control-own-0')")
    page.choose("control-table", "boats")
    page.choose("control-own-0", "=autumn")
    assert len(_prompts(page)) == 15
    assert all("Rain" in prompt for prompt in _prompts(page))


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("", "boat 0 in sun"),
        ("newest", "boat 4 in sun"),
        ("cost", "boat 29 in Rain"),
        ("slowest", "boat 0 in sun"),
        ("quickest", "boat 29 in Rain"),
        ("prompt", "boat 0 in sun"),
    ],
)
def test_rows_can_be_put_in_another_order(page: Page, order: str, first: str) -> None:
    page.choose("control-table", "boats")
    page.choose("control-sort", order)
    assert _prompts(page)[0] == first


def test_a_view_can_be_shared_by_its_address(page: Page) -> None:
    page.choose("control-table", "boats")
    page.choose("control-own-0", "=spring")
    page.choose("control-sort", "cost")
    page.search("boat 2")
    page.click("[data-number='1'] button")
    shown, large, address = _prompts(page), page.text(".large-prompt"), page.address()
    page.open(address)
    page.wait_for_all()
    page.wait("document.getElementById('large').open")
    assert (_prompts(page), page.text(".large-prompt")) == (shown, large)
    assert page.run("return document.getElementById('search').value") == "boat 2"


def test_a_search_that_finds_nothing_says_so_and_can_be_undone(page: Page) -> None:
    page.search("no such words")
    assert "Nothing matches" in page.text("#empty")
    page.click("#empty button")
    assert page.text("#count") == "34 rows"


def test_a_failure_is_a_card_with_its_status_and_reason(page: Page) -> None:
    page.choose("control-state", "failed")
    assert page.text("[data-number='0'] .state") == "Failed"
    assert page.text("[data-number='0'] .reason") == "The prompt is against the policy."


def test_the_large_view_tells_all_that_is_known(page: Page) -> None:
    page.click("[data-number='2'] button")
    page.wait("document.querySelector('.facts-box dl')")
    shown = page.text("#large")
    wanted = ["b-2", "boat 2 in sun", "2 credits ($0.09)", "38 s", "9:16", "task-boats-2", "attempt-boats-2", "run-1"]
    wanted += ["version-1", "2026-03-01 11:00:00 UTC", "season", "spring", "256 × 455 px, png"]
    assert [text for text in wanted if text not in shown] == []
    link = page.run("return document.querySelector('.original').getAttribute('href')")
    assert link.startswith("../images/")


def test_references_stand_beside_the_result(page: Page) -> None:
    page.choose("control-table", "products")
    page.click("[data-number='0'] button")
    page.wait("document.querySelectorAll('#large-references figure').length === 3")
    page.wait("document.querySelector('#large-references img').naturalWidth === 64")
    link = page.run("return document.querySelector('#large-references span a').outerHTML")
    assert 'href="https://example.com/other.png"' in link
    assert "noreferrer" in link
    assert page.texts("#large-references .reference-name")[1] == "elsewhere.png"


def test_without_a_mouse_a_person_searches_opens_looks_on_and_comes_back(page: Page) -> None:
    page.press("/", "b", "o", "a", "t")
    page.wait("Gallery.shownRows().length === 30")
    page.press("Down")
    assert page.run(f"return {FOCUSED}") == "0"
    page.press("Right", "Right", "Left", "Down")
    columns = int(page.run(f"return {FOCUSED}")) - 1
    assert columns >= 3
    page.press("Enter")
    assert page.text(".place") == f"{columns + 2} of 30"
    page.press("Right", "Right")
    assert page.text(".place") == f"{columns + 4} of 30"
    page.press("Left", "Escape")
    assert not page.run("return document.getElementById('large').open")
    page.wait(f"{FOCUSED} === '{columns + 2}'")


def test_the_skip_link_leads_to_the_first_card(page: Page) -> None:
    page.run("document.getElementById('skip').focus()")
    page.press("Enter")
    assert page.run(f"return {FOCUSED}") == "0"


def test_the_focus_stays_in_the_large_view(page: Page) -> None:
    page.click("[data-number='1'] button")
    page.wait("document.querySelector('.facts-box dl')")
    for _ in range(12):
        page.press("Tab")
        assert page.run("const it = document.activeElement; return it === document.body || !!it.closest('#large')")


def test_the_last_card_is_reached_by_one_key(page: Page) -> None:
    page.run("Gallery.focusCard(0)")
    page.press("End")
    assert page.run(f"return {FOCUSED}") == "33"
    page.press("Home")
    assert page.run(f"return {FOCUSED}") == "0"


def test_colours_follow_the_system_until_a_person_chooses(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(f"return {ground}")
    page.prefer("dark")
    dark = page.wait(f"{ground} !== {json.dumps(light)} && {ground}")
    page.click("#theme")
    page.wait(f"{ground} === {json.dumps(light)}")
    page.prefer("light")
    page.click("#theme")
    page.wait(f"{ground} === {json.dumps(dark)}")
    assert page.run("return document.getElementById('theme').getAttribute('aria-pressed')") == "true"
    page.run("localStorage.clear()")
