"""What the data files say about the rows of the outputs."""

import hashlib
from datetime import timedelta

import pytest
from PIL import Image
from upath import UPath

from banana_pipeline.gallery.places import Places
from banana_pipeline.store.schemas import GENERATIONS
from banana_pipeline_tests.gallery.scene import START, Row, Scene, drawn


def _rows(count: int, **more: object) -> list[dict[str, object]]:
    return [{"prompt": f"prompt {number}", **more} for number in range(count)]


def test_rows_come_in_table_order(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "b0"}, {"prompt": "b1"}])
    scene.add("boats", [{"prompt": "b2"}], index=1)
    scene.add("apples", [{"prompt": "a0"}])
    scene.write()
    assert scene.values("prompt") == ["a0", "b0", "b1", "b2"]


def test_a_picture_is_named_by_its_path_below_the_data_folder(scene: Scene) -> None:
    scene.add("boats", _rows(1))
    scene.write()
    (path,) = scene.values("image")
    assert path.startswith("images/")
    assert (scene.root / path).is_file()
    assert (scene.root / scene.values("thumbnail")[0]).is_file()


def test_a_request_with_two_pictures_has_two_entries(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "twins", "pictures": 2}, {"prompt": "one"}])
    written = scene.write()
    assert scene.values("picture") == [0, 1, 0]
    assert written.pictures == 3


def test_a_row_without_a_picture_says_why(scene: Scene) -> None:
    scene.add(
        "boats",
        [
            {"prompt": "a", "status": "failed", "status_reason": "the policy"},
            {"prompt": "b", "pictures": 0},
            {"prompt": "c", "image_path": None, "archive_error": "the bytes are no picture"},
        ],
    )
    scene.write()
    assert scene.values("state") == ["failed", "not_archived", "not_archived"]
    reasons = ["the policy", "The picture was not fetched yet; materialize images.", "the bytes are no picture"]
    assert scene.values("reason") == reasons


def test_rows_are_shown_before_any_picture_was_fetched(scene: Scene) -> None:
    scene.add("boats", _rows(2))
    for path in (scene.root / "warehouse" / "images" / "source=boats").iterdir():
        path.unlink()
    scene.write()
    assert scene.values("state") == ["not_archived"] * 2


def test_the_columns_with_few_values_can_be_filtered_by(scene: Scene) -> None:
    rows = [{"prompt": "x", "few": number % 3, "many": number, "same": "s"} for number in range(31)]
    scene.add("boats", rows, width_px=0)
    scene.add("apples", [{"prompt": "x", "kind": None}, {"prompt": "x", "kind": "red"}], width_px=0)
    scene.write()
    apples, boats = scene.manifest()["tables"]
    assert apples["facets"] == [[0, [None, "red"]]]
    assert boats["columns"] == ["few", "many", "same"]
    assert boats["facets"] == [[0, ["0", "1", "2"]]]
    assert [codes[0] for codes in scene.values("facets")[2:]] == [number % 3 for number in range(31)]


def test_thirty_values_are_few_and_thirty_one_are_not(scene: Scene) -> None:
    scene.add("thirty", [{"prompt": "x", "own": f"{number}"} for number in range(30)], width_px=0)
    scene.add("more", [{"prompt": "x", "own": f"{number}"} for number in range(31)], width_px=0)
    scene.write()
    assert {table["name"]: len(table["facets"]) for table in scene.manifest()["tables"]} == {"thirty": 1, "more": 0}


def test_a_column_may_be_named_like_anything_in_a_program(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "x", "__proto__": "a", "picture": "b", "</script>": "c"}], width_px=0)
    scene.write()
    assert scene.manifest()["tables"][0]["columns"] == ["__proto__", "picture", "</script>"]
    assert scene.details()[0]["own"] == ["a", "b", "c"]
    assert scene.values("picture") == [0]


def test_values_of_every_type_become_text(scene: Scene) -> None:
    values = {"n": 1.5, "b": True, "t": START, "l": [1, 2], "d": {"a": 1}, "z": float("nan")}
    scene.add("boats", [{"prompt": "x", **values}], width_px=0)
    scene.write()
    shown = ["1.5", "true", "2026-03-01T09:00:00Z", "[1, 2]", '{"a": 1}', "NaN"]
    assert scene.details()[0]["own"] == shown


def test_a_row_that_says_nothing_is_shown_too(scene: Scene) -> None:
    silent: Row = dict.fromkeys(("prompt", "status", "aspect_ratio", "resolution", "image_input", "credits"))
    scene.add("boats", [silent, {"prompt": "x"}], width_px=0)
    assert scene.write().row_count == 2
    assert scene.values("prompt") == ["", "x"]


def test_a_number_that_json_lacks_is_left_out(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "x", "credits": float("nan"), "cost_usd": float("inf")}], width_px=0)
    scene.write()
    assert scene.values("credits") == [None]
    assert scene.details()[0]["cost_usd"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.png",
        "https://evil.example/a.png",
        "javascript:alert(1)//.png",
        "{root}/../elsewhere.png",
        "{root}/images/../../elsewhere.png",
        "{root}/images/page.html",
        "{root}/images/drawing.svg",
        "{root}elsewhere/a.png",
        "{root}/images//a.png",
    ],
)
def test_a_file_that_is_no_picture_of_this_folder_is_not_shown(scene: Scene, path: str) -> None:
    there = path.replace("{root}", str(scene.root))
    scene.add("boats", [{"prompt": "x", "image_path": there, "thumbnail_path": there}])
    scene.write()
    assert scene.values("image") == [None]
    assert scene.values("thumbnail") == [None]


def test_a_path_is_percent_encoded() -> None:
    places = Places(root=UPath("/data"))
    assert places.below("/data/images/a b?#%2e.png") == "images/a%20b%3F%23%252e.png"


def _preview(scene: Scene, data: bytes) -> str:
    """The path of a reference's preview, which must be there and be small."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"thumbnails/references/{sha256[:2]}/{sha256}.webp"
    with Image.open(scene.root / path) as image:
        assert (image.format, max(image.size) <= 768) == ("WEBP", True)
    return path


def test_references_are_previews_links_or_names(scene: Scene) -> None:
    assert scene.prompts is not None
    mug = drawn(1, "16:9", 1600)
    (scene.prompts / "mug.png").write_bytes(mug)
    (scene.prompts / "page.html").write_text("<script>alert(1)</script>")
    named = ["mug.png", "https://example.com/a.png", "page.html", "../../outside.png", "javascript:alert(1)"]
    scene.add("products", [{"prompt": "x", "image_input": named}], width_px=0)
    scene.write()
    assert scene.details()[0]["references"] == [
        {"name": "mug.png", "path": _preview(scene, mug)},
        {"url": "https://example.com/a.png"},
        {"name": "page.html"},
        {"name": "outside.png"},
        {"name": "javascript:alert(1)"},
    ]


def test_many_rows_are_cut_into_files(scene: Scene) -> None:
    scene.add("boats", _rows(9), width_px=0)
    scene.write(rows_per_file=4, details_per_file=2)
    sizes = [len(scene.message(name)["columns"]["prompt"]) for name in scene.manifest()["rows"]]
    assert sizes == [4, 4, 1]
    assert [len(scene.message(name)["values"]) for name in scene.manifest()["details"]] == [2, 2, 2, 2, 1]
    assert scene.manifest()["row_count"] == 9


def test_references_of_a_table_that_is_gone_are_looked_for_in_the_common_folder(scene: Scene) -> None:
    (scene.root / "reference").mkdir()
    cup = drawn(1, "1:1", 16)
    (scene.root / "reference" / "cup.png").write_bytes(cup)
    scene.add("boats", [{"prompt": "x", "image_input": ["cup.png"]}], width_px=0)
    scene.write()
    assert scene.details()[0]["references"] == [{"name": "cup.png", "path": _preview(scene, cup)}]


def test_a_reference_that_was_replaced_later_is_still_shown_as_it_was_sent(scene: Scene) -> None:
    assert scene.prompts is not None
    mug = drawn(1, "1:1", 16)
    (scene.prompts / "mug.png").write_bytes(mug)
    scene.add("products", [{"prompt": "x", "image_input": ["mug.png"]}], width_px=0)
    scene.write()
    (scene.prompts / "mug.png").write_bytes(drawn(2, "1:1", 16))
    scene.write()
    assert scene.details()[0]["references"] == [{"name": "mug.png", "path": _preview(scene, mug)}]


def test_a_reference_that_was_replaced_before_the_first_page_is_only_named(scene: Scene) -> None:
    assert scene.prompts is not None
    (scene.prompts / "mug.png").write_bytes(drawn(1, "1:1", 16))
    scene.add("products", [{"prompt": "x", "image_input": ["mug.png"]}], width_px=0)
    (scene.prompts / "mug.png").write_bytes(drawn(2, "1:1", 16))
    scene.write()
    assert scene.details()[0]["references"] == [{"name": "mug.png"}]


def test_a_reference_that_is_no_picture_costs_nobody_the_page(scene: Scene) -> None:
    assert scene.prompts is not None
    (scene.prompts / "mug.png").write_bytes(drawn(1, "1:1", 16)[:60])
    scene.add("products", [{"prompt": "x", "image_input": ["mug.png"]}], width_px=0)
    scene.write()
    assert scene.details()[0]["references"] == [{"name": "mug.png"}]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 8, 10])
def test_no_row_is_lost_at_the_end_of_a_file(scene: Scene, count: int) -> None:
    scene.add("boats", _rows(count), width_px=0)
    scene.write(rows_per_file=4, details_per_file=2)
    assert len(scene.values("prompt")) == len(scene.details()) == count


def test_of_too_many_rows_the_newest_shards_are_shown(scene: Scene) -> None:
    for index, days in enumerate([2, 0, 1]):
        at = START + timedelta(days=days)
        rows = [{"prompt": f"shard {index}", "completed_at": at, "submitted_at": at}] * 2
        scene.add("boats", rows, index=index, width_px=0)
    scene.write(most_rows=5)
    assert scene.values("prompt") == ["shard 0"] * 2 + ["shard 2"] * 2
    assert (scene.manifest()["row_count"], scene.manifest()["left_out"]) == (4, 2)


def test_a_data_folder_without_outputs_has_an_empty_gallery(scene: Scene) -> None:
    assert scene.warehouse.shards(GENERATIONS) == []
    assert scene.write().row_count == 0
    assert scene.manifest()["tables"] == []
