"""What a person reads in the UI is text: nothing in a prompt becomes markup there, and nothing grows without limit."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from banana_pipeline.defs.metadata import preview_md, schema_metadata, thumbnails_md
from banana_pipeline.store.schemas import ASSETS, contract_schema
from banana_pipeline_tests.defs.world import World

MARKUP = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "![picture](https://evil.example/p.png)",
    "[link](https://evil.example)",
    "<https://evil.example>",
    "**bold** _thin_ `code` ~~gone~~",
    "&lt;b&gt; &#60;b&#62;",
]
BREAKERS = ["a | b", "a\nb", "a\r\n\r\n# b", "| --- |", "a\u2028b", "\\|", ""]
ADDRESSES = ["https://evil.example/x", "HTTP://evil.example", "www.evil.example", "a@evil.example"]


def _table(prompts: list[str | None]) -> pa.Table:
    return pa.table({"prompt": pa.array(prompts, pa.string()), "row_number": list(range(len(prompts)))})


def _cell(prompt: str | None) -> str:
    line = preview_md(_table([prompt]), ["prompt", "row_number"]).md_str.splitlines()[2]
    return line.removeprefix("| ").removesuffix(" | 0 |")


@pytest.mark.parametrize("prompt", MARKUP)
def test_no_character_of_a_prompt_is_markup(prompt: str) -> None:
    assert not re.search(r"[<>\[\]()*_`~!|\\]|&(?!#\d+;)", _cell(prompt))


@pytest.mark.parametrize("prompt", MARKUP)
def test_a_person_reads_the_prompt_as_it_is(prompt: str) -> None:
    shown = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), _cell(prompt)).replace("\u2060", "")
    assert shown == prompt


@pytest.mark.parametrize("prompt", ADDRESSES)
def test_an_address_in_a_prompt_does_not_become_a_link(prompt: str) -> None:
    decoded = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), _cell(prompt))
    # What GitHub's dialect of Markdown makes a link of by itself.
    assert not re.search(r"https?://|www\.|[\w.+-]+@[\w-]+\.\w", decoded, re.IGNORECASE)


@pytest.mark.parametrize("prompt", BREAKERS)
def test_a_row_stays_one_row_of_the_table(prompt: str) -> None:
    lines = preview_md(_table([prompt]), ["prompt", "row_number"]).md_str.splitlines()
    assert [line.count("|") for line in lines] == [3, 3, 3]


def test_a_missing_text_is_an_empty_cell() -> None:
    assert preview_md(_table([None]), ["prompt", "row_number"]).md_str.splitlines()[2] == "|  | 0 |"


def test_a_long_prompt_is_cut() -> None:
    assert len(_cell("a" * 10_000)) == 120


def test_a_long_table_is_cut_and_says_how_much_is_missing() -> None:
    told = preview_md(_table([f"prompt {number}" for number in range(1_021)]), ["prompt", "row_number"]).md_str
    assert told.endswith("\n\n... and 1,001 more")
    assert told.count("prompt ") == 21


@pytest.mark.parametrize(
    ("value", "shown"), [(0.9722222222, "0.972"), (744.0, "744"), (1234567.5, "1,234,567.5"), (0.0, "0")]
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert preview_md(pa.table({"credits": [value]}), ["credits"]).md_str.splitlines()[2] == f"| {shown} |"


def _noise(path: Path) -> str:
    Image.effect_noise((256, 256), 90).convert("RGB").save(path, "WEBP", quality=95)
    return str(path)


def test_a_contact_sheet_of_a_full_shard_stays_small(tmp_path: Path) -> None:
    sheet = thumbnails_md([(_noise(tmp_path / "loud.webp"), "a prompt")] * 500).md_str
    shown = sheet.count("data:image/webp;base64,")
    assert len(sheet) < 50_000
    assert shown >= 5
    assert sheet.endswith(f"and {500 - shown} more")


def test_a_lost_thumbnail_does_not_hide_the_others(tmp_path: Path) -> None:
    sheet = thumbnails_md([(str(tmp_path / "gone.webp"), "one"), (_noise(tmp_path / "here.webp"), "two")]).md_str
    assert "![two](data:image/webp;base64," in sheet


def test_a_label_cannot_break_out_of_its_picture(tmp_path: Path) -> None:
    sheet = thumbnails_md([(_noise(tmp_path / "a.webp"), "](https://evil.example) ![x")]).md_str
    assert sheet.count("](") == sheet.count("![") == 1


def test_without_pictures_the_sheet_says_so() -> None:
    assert thumbnails_md([]).md_str == "no thumbnails"


@pytest.mark.parametrize("asset", ASSETS)
def test_every_column_is_shown_with_its_type_and_a_sentence(asset: str) -> None:
    columns = schema_metadata(asset)["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns] == [
        (field.name, str(field.type)) for field in contract_schema(asset)
    ]
    assert all(column.description for column in columns)


def test_the_images_of_a_run_are_shown_on_a_contact_sheet(world: World) -> None:
    world.add_table("boats", ["<b>boat</b>", "boat [fail:policy]"])
    world.run()
    told = world.metadata("images", "boats.0000")
    assert told["contact_sheet"].startswith("![&#60;b&#62;boat&#60;/b&#62;](data:image/webp;base64,")
    assert (told["images_archived"], told["images_missing"]) == (1, 0)
