"""What is only shown, and what concerns one table, never hurts what is paid, kept, or another table's."""

import dagster as dg
import pytest

from banana_pipeline.defs import generations, images, prompts
from banana_pipeline.defs.showing import never_fails
from banana_pipeline_tests.defs.world import World


def _broken(*_: object, **__: object) -> None:
    raise RuntimeError("a fault")


@pytest.mark.parametrize(
    ("module", "name"),
    [(prompts, "lineage_metadata"), (generations, "status_metadata"), (images, "images_metadata")],
    ids=["prompts", "generations", "images"],
)
def test_metadata_that_cannot_be_made_stops_neither_buying_nor_archiving(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    module: object,
    name: str,
) -> None:
    monkeypatch.setattr(module, name, _broken)
    world.add_table("boats", ["boat 1", "boat 2"])
    assert world.run().success
    assert world.warehouse.dataset("images").count_rows() == 2
    assert "cannot be shown: RuntimeError: a fault. This is a fault of banana_pipeline" in capfd.readouterr().err


@pytest.mark.parametrize("asset", ["generations", "images"])
def test_a_table_whose_outputs_cannot_be_written_stops_no_other(world: World, asset: str) -> None:
    world.add_table("boats", ["boat"])
    world.add_table("cars", ["car"])
    (world.folder / "warehouse" / asset).mkdir(parents=True)
    (world.folder / "warehouse" / asset / "source=boats").write_text("a file where a folder is needed")
    world.run()
    assert sorted(world.events("images")) == ["cars.0000"]
    assert len(world.bought) == 2


def test_a_check_that_cannot_look_is_a_warning_that_says_why() -> None:
    result = never_fails(_broken)()
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (result.description or "").startswith("This check could not look: RuntimeError: a fault. This is a fault of")


def test_a_file_of_another_table_that_cannot_be_read_fails_no_run(world: World) -> None:
    world.add_table("boats", ["boat"])
    world.run()
    for path in (world.folder / "warehouse").rglob("source=boats/*.parquet"):
        path.write_bytes(b"PAR1 damaged")
    world.add_table("cars", ["car"])
    result = world.run("cars.0000", "cars.0000")
    assert result.success
    assert sorted(world.events("images")) == ["boats.0000", "cars.0000"]
    assert not any(
        check.passed for check in result.get_asset_check_evaluations() if check.metadata.get("files_not_read")
    )


def test_a_damaged_output_is_written_again_by_the_next_run_over_its_table(world: World) -> None:
    world.add_table("boats", ["boat"])
    world.run()
    for path in (world.folder / "warehouse").rglob("source=boats/*.parquet"):
        path.write_bytes(b"PAR1 damaged")
    assert world.run().success
    assert world.warehouse.dataset("images").to_table()["archive_error"].to_pylist() == [None]
    assert len(world.bought) == 1
