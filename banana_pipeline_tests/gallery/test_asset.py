"""The asset: what Dagster knows of the gallery."""

import dagster as dg
import pytest

from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.gallery import gallery
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.progress import Progress
from banana_pipeline_tests.gallery.scene import Scene


def _materialized(scene: Scene) -> dg.ExecuteInProcessResult:
    files = FilesResource(data_dir=str(scene.root), prompts_dir=str(scene.prompts))
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [gallery], resources={"files": files, "progress": Progress()}, instance=instance, raise_on_error=False
        )


def test_it_tells_how_much_it_shows_and_where(scene: Scene) -> None:
    scene.add("boats", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c", "status": "failed"}])
    (event,) = _materialized(scene).asset_materializations_for_node("gallery")
    told = {name: entry.value for name, entry in event.metadata.items()}
    assert (told["pictures"], told["rows"]) == (2, 3)
    assert told["page"] == told["dagster/uri"] == str(scene.gallery / "index.html")
    assert "| boats | succeeded | 2 |" in str(told["shown"])


def test_it_can_be_made_before_there_is_anything(scene: Scene) -> None:
    assert _materialized(scene).success
    assert (scene.gallery / "index.html").is_file()


def test_a_damaged_output_fails_no_run_and_is_told(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.add("boats", [{"prompt": "a"}], width_px=0)
    (scene.root / "warehouse" / "generations" / "source=boats" / "0000.parquet").write_bytes(b"damaged")
    assert _materialized(scene).success
    assert "materialize 'generations' for boats.0000 again. The gallery shows the other rows." in capfd.readouterr().err


def test_a_place_that_cannot_be_written_fails_no_run(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    (scene.root / "gallery").write_text("a file")
    result = _materialized(scene)
    assert (result.success, result.asset_materializations_for_node("gallery")) == (True, [])
    assert "The gallery could not be made: Cannot write" in capfd.readouterr().err


@pytest.mark.parametrize("parent", ["generations", "images"])
def test_it_is_made_from_all_shards(parent: str) -> None:
    node = build_defs().resolve_asset_graph().get(dg.AssetKey("gallery"))
    assert node.partitions_def is None
    assert dg.AssetKey(parent) in node.parent_keys
