"""What a person reads in the UI is text: nothing in a prompt becomes markup there, and nothing grows without limit."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from PIL import Image

from banana_pipeline.definitions import defs
from banana_pipeline.defs.column_lineage import lineage_metadata
from banana_pipeline.defs.metadata import first_pictures_md, preview_md, schema_metadata, thumbnails_md
from banana_pipeline.defs.metadata_generations import status_metadata
from banana_pipeline.defs.metadata_images import images_metadata, is_as_asked
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


def test_tiny_pictures_are_short_enough_to_be_shown_without_a_click(tmp_path: Path) -> None:
    shown = first_pictures_md([(_noise(tmp_path / "loud.webp"), "a prompt")] * 10)
    assert list(shown) == ["picture_1", "picture_2", "picture_3"]
    assert all(len(one.md_str) < 1_000 for one in shown.values())


# Numbers that are plotted are there each time

NUMBERS_OF_GENERATIONS = {
    *("dagster/partition_row_count", "credits", "cost_usd", "success_rate", "rows_reused"),
    *("generation_s_median", "generation_s_p95", "generation_s_max"),
    *(f"rows_{name}" for name in ("succeeded", "failed", "refused", "pending", "overdue")),
    *("rows_unconfirmed", "rows_not_submitted"),
}
NUMBERS_OF_IMAGES = {
    *("dagster/partition_row_count", "images_archived", "images_missing", "images_lost"),
    *("images_of_other_format", "images_of_other_size", "archived_megabytes"),
}


def _numbers(metadata: dict[str, Any]) -> set[str]:
    return {name for name, value in metadata.items() if type(value) in {int, float}}


def test_a_shard_without_rows_has_every_number() -> None:
    assert _numbers(status_metadata(contract_schema("generations").empty_table())) == NUMBERS_OF_GENERATIONS
    assert _numbers(images_metadata(contract_schema("images").empty_table())) == NUMBERS_OF_IMAGES


def test_a_shard_with_rows_has_the_same_numbers(world: World) -> None:
    world.add_table("boats", ["boat", "boat [fail:policy]"])
    world.run()
    assert _numbers(world.metadata("generations", "boats.0000")) == NUMBERS_OF_GENERATIONS
    assert _numbers(world.metadata("images", "boats.0000")) == NUMBERS_OF_IMAGES
    assert world.metadata("generations", "boats.0000")["reasons"].startswith("| status | status_reason | rows |")


@pytest.mark.parametrize(
    ("size", "is_right"), [((1376, 768), True), ((1344, 768), True), ((1024, 1024), False), ((768, 1376), False)]
)
def test_a_size_is_as_asked_within_the_tolerance(size: tuple[int, int], is_right: bool) -> None:
    picture = {"aspect_ratio": "16:9", "resolution": "1K", "width_px": size[0], "height_px": size[1]}
    assert is_as_asked(picture) == is_right


# Where columns come from


def _sources(asset: str, column: str) -> list[tuple[str, str]]:
    lineage = lineage_metadata(asset, ["market", "status"])["dagster/column_lineage"].deps_by_column
    return [(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage.get(column, [])]


def test_a_prompt_is_followed_back_to_its_table() -> None:
    assert _sources("images", "prompt") == [("generations", "prompt")]
    assert _sources("generations", "prompt") == [("prompts", "prompt")]
    assert _sources("prompts", "prompt") == [("prompt_tables", "prompt"), ("prompt_tables", "prompt_template")]


def test_a_tables_own_columns_are_followed_too() -> None:
    assert _sources("prompts", "extra") == [("prompt_tables", "market"), ("prompt_tables", "status")]
    assert _sources("images", "extra") == [("generations", "extra")]


def test_a_picture_comes_from_its_address() -> None:
    assert _sources("images", "image_path") == [("generations", "result_urls")]


@pytest.mark.parametrize("asset", ASSETS)
def test_every_column_of_a_lineage_exists(asset: str) -> None:
    lineage = lineage_metadata(asset)["dagster/column_lineage"].deps_by_column
    assert set(lineage) <= set(contract_schema(asset).names)
    found = [(dep.asset_key.to_user_string(), dep.column_name) for deps in lineage.values() for dep in deps]
    known = {(other, name) for other in ASSETS for name in contract_schema(other).names}
    assert [one for one in found if one[0] != "prompt_tables" and one not in known] == []


# What every asset says of itself


@pytest.mark.parametrize("asset", [*ASSETS, "generation_report"])
def test_every_asset_says_what_it_is_and_who_keeps_it(asset: str) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey(asset))
    assert node.description
    assert (node.owners, node.group_name) == (["team:images"], "banana")
    assert node.kinds
    assert "dagster/column_schema" in node.metadata


# Launch options


@pytest.mark.parametrize("options", [{"max_credits": "many"}, {"wait_for_results": "perhaps"}, {"max_credit": 5}])
def test_a_launch_option_of_a_wrong_kind_is_refused_before_the_run(options: dict[str, Any]) -> None:
    config = {"ops": {"buy_generations": {"config": options}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(options))):
        dg.validate_run_config(defs.resolve_job_def("generate_images"), config)


def test_a_negative_budget_ends_the_step_before_anything_is_bought(world: World) -> None:
    """Dagster's launchpad knows types but no ranges, so the run starts; the step does not."""
    world.add_table("boats", ["boat"])
    result = world.run(ops={"buy_generations": {"max_credits": -1.0}})
    told = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert any("write 0 or more" in (data.description or "") for data in told if data)
    assert world.bought == []
