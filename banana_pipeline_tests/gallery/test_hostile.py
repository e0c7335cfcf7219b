"""Prompts, names and values are strangers' text: on the page all of it is text and none of it runs."""

from pathlib import Path

import pytest
from upath import UPath

from banana_pipeline_tests.gallery.page import Page
from banana_pipeline_tests.gallery.scene import Scene

pytestmark = pytest.mark.slow

RUN = "document.title='RUN'"
TEXTS = [
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'"><svg onload={RUN}>',
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}",
    f"javascript:{RUN}",
    f"');{RUN};('",
    f"${{{RUN}}}{{{{constructor.constructor('{RUN}')()}}}}",
    "\u202egnp.exe \u2066 \u200f right to left",
    "line\u2028separator\u2029and\x00\x07controls",
    "\U0001f34c\U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \u6f22\u5b57 \u0639\u0631\u0628\u064a",
    "x" * 10_000,
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A gallery in which everything a stranger can name is hostile; its address."""
    scene = Scene(UPath(tmp_path_factory.mktemp("hostile")))
    rows = [
        {
            "prompt": text,
            "id": text[:200],
            "status": ["succeeded", "failed"][number % 2],
            "status_reason": text,
            "fail_msg": text,
            "task_id": text[:500],
            "image_input": [f"javascript:{RUN}", f"https://a.example/\u202e{RUN}", text[:300]],
            "result_urls": [f"javascript:{RUN}", f"data:text/html,<script>{RUN}</script>", f"https://b.example/'{RUN}"],
            "aspect_ratio": f"<b onclick={RUN}>{number % 2}",
            f"<img src=x onerror={RUN}>": f"<i onclick={RUN}>{number % 3}",
            "__proto__": text[:100],
        }
        for number, text in enumerate(TEXTS)
    ]
    scene.add(f"<script>{RUN}<script>", rows)
    scene.add("constructor", [{"prompt": "a second table"}])
    scene.write()
    return Path(str(scene.gallery / "index.html")).as_uri()


@pytest.fixture
def page(browser: Page, hostile: str) -> Page:
    browser.open(hostile)
    browser.wait_for_all()
    return browser


def _ran(browser: Page) -> list[str]:
    """Whatever a stranger's text may have brought about."""
    handlers = "[...document.querySelectorAll('*')].filter((it) => [...it.attributes].some((a) => /^on/.test(a.name)))"
    kinds = "[...document.body.querySelectorAll('script, svg, iframe, b, i, object, embed')]"
    found = browser.run(f"return [...{handlers}, ...{kinds}].map((it) => it.outerHTML)")
    return [*found, *browser.log(), *([] if browser.run("return document.title") == "Gallery" else ["it ran"])]


def _links(browser: Page) -> set[str]:
    return set(browser.run("return [...document.querySelectorAll('#large a')].map((it) => new URL(it.href).protocol)"))


def test_nothing_runs_in_the_grid(page: Page) -> None:
    assert _ran(page) == []


def test_every_prompt_is_shown_as_it_is(page: Page) -> None:
    shown = page.run("return [...document.querySelectorAll('.card .prompt')].map((it) => it.textContent)")
    assert set(TEXTS) <= set(shown)


def test_nothing_runs_in_any_large_view_and_its_links_lead_to_files_and_the_web_only(page: Page) -> None:
    page.run("Gallery.onOpen(0)")
    for number, text in enumerate(TEXTS):
        page.wait(f"document.querySelector('.place').textContent.startsWith('{number + 1} of')")
        page.wait("document.querySelector('.facts-box dl')")
        assert page.run("return document.querySelector('.large-prompt').textContent") == text
        assert _links(page) <= {"file:", "https:"}
        page.press("Right")
    assert _ran(page) == []


def test_filters_of_hostile_names_work(page: Page) -> None:
    table = page.run("return Gallery.manifest.tables[0].name")
    page.choose("control-table", table)
    page.choose("control-own-0", f"=<i onclick={RUN}>1")
    assert page.run("return Gallery.shownRows().length") == 4
    page.search("<script>")
    address = page.address()
    page.open(address)
    page.wait_for_all()
    assert page.run("return Gallery.state.own.size") == 1
    assert _ran(page) == []


@pytest.mark.parametrize("name", ["q", "table", "state", "sort", "open", "own.__proto__", "__proto__"])
def test_an_address_brings_nothing_to_run(browser: Page, hostile: str, name: str) -> None:
    browser.open(f"{hostile}#{name}=%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D%27RUN%27%22%3E")
    browser.wait_for_all()
    assert _ran(browser) == []


def test_a_direction_does_not_leak_out_of_a_text(page: Page) -> None:
    styles = page.run(
        "return [...document.querySelectorAll('.prompt, .reason')].map((it) => getComputedStyle(it).unicodeBidi)"
    )
    assert set(styles) == {"isolate"}


@pytest.mark.parametrize(
    "script",
    [
        "const it = document.createElement('script'); it.append(\"document.title='RUN'\"); document.head.append(it)",
        "document.body.innerHTML = '<img src=x>'",
        "setTimeout(\"document.title='RUN'\")",
        "document.body.setAttribute('onclick', \"document.title='RUN'\"); document.body.click()",
    ],
)
def test_the_policy_of_the_page_forbids_what_our_code_never_does(page: Page, script: str) -> None:
    page.run(f"try {{ {script} }} catch {{}}")
    page.run_later("setTimeout(() => done(true), 20)")
    assert page.run("return document.title") == "Gallery"
    assert not page.run("return !!document.querySelector('body > img')")


def test_a_picture_of_another_host_is_not_loaded_even_if_asked_for(page: Page) -> None:
    page.run("const it = new Image(); it.src = 'https://evil.example/a.png'; document.body.append(it)")
    page.wait("true")
    assert any("Content Security Policy" in line for line in page.log())


@pytest.mark.parametrize("path", ["/a.png", "../a.png", "%2e%2E/a.png", "https://a/b.png", "a\\b.png", "a//b", "a?b"])
def test_the_page_itself_refuses_paths_that_leave_the_data_folder(page: Page, path: str) -> None:
    assert page.run("return Gallery.inData(arguments[0])", path) is None
