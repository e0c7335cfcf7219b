"""A reader sees a whole gallery at any moment, wherever the data folder is."""

import re
import uuid

import pytest
from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.gallery.index import GalleryIndex
from banana_pipeline.gallery.places import Places
from banana_pipeline.gallery.write import write_gallery
from banana_pipeline_tests.gallery.scene import Scene


def _named(scene: Scene) -> set[str]:
    """Every file a reader of the page needs."""
    manifest = scene.manifest()
    page = re.findall(r"files/([a-z]+-[0-9a-f]+\.\w+)", (scene.gallery / "index.html").read_text())
    return {*page, *manifest["rows"], *manifest["details"]}


def _written(scene: Scene, prompt: str) -> set[str]:
    scene.add("boats", [{"prompt": prompt}], width_px=0)
    scene.write(grace_s=0)
    return _named(scene)


def test_all_that_the_page_names_is_there(scene: Scene) -> None:
    assert _written(scene, "one") == scene.file_names()


def test_the_files_of_the_page_before_stay(scene: Scene) -> None:
    first, second = _written(scene, "one"), _written(scene, "two")
    assert first != second
    assert scene.file_names() == first | second


def test_the_files_of_the_page_before_that_go(scene: Scene) -> None:
    first, second, third = (_written(scene, prompt) for prompt in ("one", "two", "three"))
    assert scene.file_names() == second | third
    assert first - second - third


def test_young_files_stay_for_whoever_is_about_to_name_them(scene: Scene) -> None:
    first, _ = _written(scene, "one"), _written(scene, "two")
    scene.add("boats", [{"prompt": "three"}], width_px=0)
    scene.write()
    assert first <= scene.file_names()


def test_writing_the_same_again_changes_nothing(scene: Scene) -> None:
    first, second, again = (_written(scene, prompt) for prompt in ("one", "two", "two"))
    assert again == second
    assert scene.file_names() == first | second


def test_a_page_whose_writing_broke_off_is_the_old_one_and_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _written(scene, "one")
    page = (scene.gallery / "index.html").read_bytes()
    scene.add("boats", [{"prompt": "two"}, {"prompt": "three"}], width_px=0)

    def fail(self: GalleryIndex, *_: object) -> None:
        raise RuntimeError("broken off")

    monkeypatch.setattr(GalleryIndex, "_manifest", fail)
    with pytest.raises(RuntimeError, match="broken off"):
        scene.write(grace_s=0, rows_per_file=1, details_per_file=1)
    assert (scene.gallery / "index.html").read_bytes() == page
    assert first < scene.file_names()


def test_a_damaged_shard_costs_nobody_the_other_rows(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "one"}], width_px=0)
    scene.add("boats", [{"prompt": "two"}], index=1, width_px=0)
    scene.add("ships", [{"prompt": "three"}], width_px=0)
    (scene.root / "warehouse" / "images" / "source=boats" / "0001.parquet").write_bytes(b"damaged")
    (scene.root / "warehouse" / "generations" / "source=ships" / "0000.parquet").write_bytes(b"damaged")
    index = GalleryIndex(warehouse=scene.warehouse, places=Places(root=scene.root))
    write_gallery(scene.root, index)
    assert scene.values("prompt") == ["one"]
    assert sorted(problem.split("/")[-2] for problem in index.problems) == ["source=boats", "source=ships"]


def test_files_of_others_are_left_alone(scene: Scene) -> None:
    _written(scene, "one")
    (scene.gallery / "files" / "notes.txt").write_text("mine")
    for prompt in ("two", "three", "four"):
        _written(scene, prompt)
    assert "notes.txt" in scene.file_names()


def test_a_gallery_can_be_in_an_object_store() -> None:
    scene = Scene(UPath(f"memory://{uuid.uuid4().hex}/data"))
    scene.add("boats", [{"prompt": "one"}])
    written = scene.write(grace_s=0)
    assert written.path.startswith("memory://")
    assert (scene.root / scene.values("image")[0]).is_file()
    _written(scene, "two")
    last = _written(scene, "three")
    assert last <= scene.file_names()
    assert len(scene.named("manifest")) == 2


def test_a_place_that_cannot_be_written_is_told_in_words(scene: Scene) -> None:
    (scene.root / "gallery").write_text("a file")
    with pytest.raises(SettingsError, match="Cannot write"):
        scene.write()


def test_the_page_holds_no_script_and_no_address_of_another_host(scene: Scene) -> None:
    _written(scene, "one")
    page = (scene.gallery / "index.html").read_text()
    assert re.findall(r"<script(?! src=\"files/[a-z]+-[0-9a-f]{16}\.js\" defer></script>)", page) == []
    texts = [page, *((scene.gallery / "files" / name).read_text() for name in scene.file_names())]
    assert [text for text in texts if re.search(r"(src|href|url|import)\W{1,3}(https?:)?//", text)] == []


@pytest.mark.parametrize(
    "way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
)
def test_no_text_is_ever_read_as_markup_or_code(scene: Scene, way: str) -> None:
    _written(scene, "one")
    assert [name for name in scene.file_names() if way in (scene.gallery / "files" / name).read_text()] == []
