"""Who cannot see well, or uses no mouse, has the same page: names, roles, contrast, focus, width."""

from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from banana_pipeline_tests.gallery.page import Page
from banana_pipeline_tests.gallery.scene import Scene

pytestmark = pytest.mark.slow

STATES = ["succeeded", "failed", "refused", "pending", "overdue", "unconfirmed", "not_submitted"]
# The colour of every text, and of the nearest ground behind it that is not transparent.
_TEXTS = """
const groundOf = (it) => { for (; it; it = it.parentElement) { const c = getComputedStyle(it).backgroundColor;
  if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walk.nextNode()) { const it = walk.currentNode.parentElement;
  if (walk.currentNode.data.trim() && it.checkVisibility() && !it.closest('.unseen, .skip, :disabled, noscript'))
    found.push([getComputedStyle(it).color, groundOf(it), walk.currentNode.data.slice(0, 30)]); }
return found"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> str:
    scene = Scene(UPath(tmp_path_factory.mktemp("access")))
    rows = [{"prompt": f"a {state} boat", "status": state, "kind": state[0]} for state in STATES]
    scene.add("boats", [*rows, {"prompt": "not fetched", "pictures": 0}])
    scene.add("apples", [{"prompt": "an apple", "resolution": "2K", "aspect_ratio": "16:9"}])
    scene.write()
    return Path(str(scene.gallery / "index.html")).as_uri()


@pytest.fixture
def page(browser: Page, everything: str) -> Page:
    browser.open(everything)
    browser.wait_for_all()
    return browser


def _brightness(colour: str) -> float:
    parts = [int(float(part)) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    bright, dark = sorted([_brightness(one), _brightness(other)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("is_large", [False, True])
def test_every_text_stands_out_from_its_ground(page: Page, scheme: str, is_large: bool) -> None:
    page.prefer(scheme)
    if is_large:
        page.run("Gallery.onOpen(0)")
        page.wait("document.querySelector('.facts-box dl')")
    faint = [(text, round(_contrast(one, other), 2)) for one, other, text in page.run(_TEXTS)]
    assert faint
    assert [(text, value) for text, value in faint if value < 4.5] == []


def _tree(page: Page) -> list[dict[str, Any]]:
    nodes = page.cdp("Accessibility.getFullAXTree")["nodes"]
    return [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
        for node in nodes
        if not node["ignored"] and "role" in node
    ]


@pytest.mark.parametrize("is_large", [False, True])
def test_everything_a_person_can_use_has_a_name(page: Page, is_large: bool) -> None:
    page.choose("control-table", "boats")
    if is_large:
        page.run("Gallery.onOpen(0)")
        page.wait("document.querySelector('.facts-box dl')")
    roles = {"button", "link", "searchbox", "combobox", "dialog", "list", "img", "image", "textbox", "region"}
    used = [node for node in _tree(page) if node["role"] in roles]
    assert len(used) > 5
    assert [node for node in used if not node["name"].strip()] == []


def test_a_card_is_read_with_its_prompt_and_its_failure_with_the_reason(page: Page) -> None:
    names = [node["name"] for node in _tree(page) if node["role"] == "button"]
    assert any("a failed boat" in name and "The service could not make this picture" in name for name in names)


def test_a_card_knows_its_place_among_all(page: Page) -> None:
    places = page.run("return [...document.querySelectorAll('.item')].map((it) => [it.ariaPosInSet, it.ariaSetSize])")
    assert places == [[f"{number + 1}", "9"] for number in range(9)]


def test_the_focus_can_be_seen(page: Page) -> None:
    page.run("document.getElementById('search').focus()")
    seen: list[tuple[str, str]] = []
    while True:
        page.press("Tab")
        tag, outline = page.run(
            "const it = document.activeElement, style = getComputedStyle(it);"
            "return [it.tagName, parseFloat(style.outlineWidth) < 2 ? 'none' : style.outlineStyle]"
        )
        if tag == "BODY" or len(seen) > 20:
            break
        seen.append((tag, outline))
    assert len(seen) > 5
    assert [tag for tag, outline in seen if outline == "none"] == []


def test_the_grid_is_one_stop_for_the_tab_key(page: Page) -> None:
    assert page.run("return document.querySelectorAll('.card[tabindex=\"0\"]').length") == 1


def test_a_phone_is_wide_enough(page: Page) -> None:
    page.resize(360, 740)
    page.wait("document.querySelectorAll('.item').length > 0")
    assert page.run("return document.documentElement.scrollWidth") <= 360
    page.run("Gallery.onOpen(0)")
    page.wait("document.querySelector('.facts-box dl')")
    assert page.run("return document.getElementById('large').scrollWidth") <= 360


def test_who_wants_no_motion_gets_none(page: Page) -> None:
    page.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert page.run("return getComputedStyle(document.querySelector('.mat img')).transitionDuration") in {
        "0s",
        "1e-05s",
    }
