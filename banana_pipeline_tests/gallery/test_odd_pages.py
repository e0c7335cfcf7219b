"""Pages of other kinds: with very many rows, with none, with files that are gone."""

from pathlib import Path

import pytest
from upath import UPath

from banana_pipeline_tests.gallery.page import Page
from banana_pipeline_tests.gallery.scene import Scene, address_of

pytestmark = pytest.mark.slow


def test_only_the_cards_near_the_window_exist(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    scene.add("many", [{"prompt": f"row {number}"} for number in range(3_000)], width_px=0)
    scene.write()
    browser.open(address_of(scene))
    browser.wait_for_all()
    browser.run("window.scrollTo(0, document.documentElement.scrollHeight)")
    browser.wait("document.querySelector('[data-number=\"2999\"]')")
    assert browser.run("return document.querySelectorAll('.item').length") < 80


def test_an_empty_gallery_says_what_to_do(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    scene.write()
    browser.open(address_of(scene))
    browser.wait("!document.getElementById('empty').hidden")
    assert "Run a prompt table" in browser.text("#empty")


def test_rows_that_are_left_out_are_told(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    for index in range(2):
        scene.add("boats", [{"prompt": "x"}] * 3, index=index, width_px=0)
    scene.write(most_rows=4)
    browser.open(address_of(scene))
    browser.wait_for_all()
    assert "This page shows 3 of 6 rows" in browser.text("#notices")


def test_a_file_that_is_gone_is_told_and_the_rest_is_shown(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    scene.add("boats", [{"prompt": f"x {number}"} for number in range(6)], width_px=0)
    scene.write(rows_per_file=2)
    (scene.gallery / "files" / scene.manifest()["rows"][1]).unlink()
    browser.open(address_of(scene))
    browser.wait("document.getElementById('notices').textContent.includes('2 rows could not be loaded')")
    browser.wait("Gallery.shownRows().length === 4")


def test_a_picture_that_is_gone_is_told_in_its_place(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    scene.add("boats", [{"prompt": "x"}])
    scene.write()
    for path in (scene.root / "thumbnails").rglob("*.webp"):
        path.unlink()
    browser.open(address_of(scene))
    browser.wait("document.querySelector('.mat .gone')")


def test_many_own_columns_are_folded_away_and_one_that_is_set_is_seen(browser: Page, tmp_path: Path) -> None:
    scene = Scene(UPath(tmp_path))
    rows = [{"prompt": f"x {row}", **{f"column {one}": str(row % 2) for one in range(40)}} for row in range(4)]
    scene.add("wide", rows, width_px=0)
    scene.add("boats", [{"prompt": "boat"}], width_px=0)
    scene.write()
    browser.open(address_of(scene))
    browser.wait_for_all()
    browser.choose("control-table", "wide")
    assert browser.text(".more-filters summary") == "34 more filters"
    assert not browser.run("return document.querySelector('.more-filters').open")
    browser.choose("control-own-39", "=1")
    browser.wait("Gallery.shownRows().length === 2")
    assert browser.run("return document.querySelector('.more-filters').open")
