"""A person's mistake ends a step with one sentence that says what to do."""

import sqlite3

import pytest

from banana_pipeline.core.shards import Shard
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.automation import JOB_NAME
from banana_pipeline.defs.partitions import range_tags
from banana_pipeline.defs.resources import FilesResource, LedgerResource
from banana_pipeline_tests.defs.world import World, failures


@pytest.fixture
def boats(world: World) -> World:
    world.add_table("boats", ["boat 1", "boat 2"])
    return world


def _only_sentence(world: World, **given) -> str:
    result = world.run(**given)
    assert not result.success
    (sentence,) = failures(result)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


def test_without_a_key_prompts_are_read_and_the_paid_step_says_what_is_missing(boats: World) -> None:
    keys = boats.register()
    defs = build_defs({"files": boats.files, "ledger": boats.ledger})
    result = defs.resolve_job_def(JOB_NAME).execute_in_process(
        instance=boats.instance, tags=range_tags(keys[0], keys[0]), raise_on_error=False
    )
    (sentence,) = failures(result)
    assert sentence.startswith("KIE_API_KEY is not set; set it to your key from kie.ai")
    assert sorted(boats.events("prompts")) == ["boats.0000"]


def test_a_key_that_kie_refuses_leaves_rows_that_say_so(boats: World, capfd: pytest.CaptureFixture[str]) -> None:
    accounts = boats.emulator.books.accounts
    accounts.set_revoked(accounts.of_key(boats.key).account_id, True)
    boats.run()
    assert "KIE does not accept the key" in capfd.readouterr().err
    assert boats.metadata("generations", "boats.0000")["rows_not_submitted"] == 2


def test_a_ledger_that_is_no_database_is_named(boats: World) -> None:
    (boats.folder / "ledger.sqlite").write_bytes(b"these are my notes, not a database" * 100)
    assert "ledger.sqlite cannot be used" in _only_sentence(boats)


def test_a_ledger_of_a_newer_program_is_refused(boats: World) -> None:
    with sqlite3.connect(boats.folder / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    assert "upgrade this installation" in _only_sentence(boats)


def test_a_ledger_address_nobody_understands_is_explained(boats: World) -> None:
    boats.ledger_url = "oracle://nowhere"
    assert "write sqlite:///path/to/ledger.sqlite" in _only_sentence(boats)


def test_outputs_that_cannot_be_written_are_explained(boats: World) -> None:
    (boats.folder / "warehouse").write_text("a file where the folder should be")
    assert "a file stands where a folder is needed" in _only_sentence(boats)


def test_a_run_of_nothing_but_unreadable_tables_fails(boats: World) -> None:
    boats.register()
    (boats.prompts / "boats.parquet").write_bytes(b"PAR1 half of it")
    assert "not a complete Parquet file" in _only_sentence(boats)


def test_a_shard_of_a_table_that_is_gone_says_which_tables_there_are(boats: World) -> None:
    boats.register()
    boats.add_table("cars", ["car"])
    (boats.prompts / "boats.parquet").unlink()
    sentence = _only_sentence(boats, first="boats.0000", last="boats.0000")
    assert "There is no table 'boats'" in sentence
    assert "cars" in sentence


def test_generations_before_prompts_says_what_to_materialize_first(boats: World) -> None:
    assert "materialize 'prompts' for it first" in _only_sentence(boats, assets=["generations"])


def test_images_before_generations_says_what_to_materialize_first(boats: World) -> None:
    assert "materialize 'generations' for it first" in _only_sentence(boats, assets=["images"])


def test_a_shard_that_was_never_read_does_not_stop_the_others(boats: World) -> None:
    boats.add_table("cars", ["car"])
    boats.run("boats.0000", "boats.0000", assets=["prompts", "rejected_prompts"])
    assert boats.run("boats.0000", "cars.0000", assets=["generations"]).success
    assert sorted(boats.events("generations")) == ["boats.0000"]


def test_a_damaged_output_is_named_and_does_not_stop_the_others(boats: World) -> None:
    boats.add_table("cars", ["car"])
    boats.run(assets=["prompts", "rejected_prompts", "generations"])
    (boats.folder / "warehouse/generations/source=boats/0000.parquet").write_bytes(b"PAR1 half of it")
    result = boats.run(assets=["images"])
    assert failures(result) == []
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    told = checks["every_picture_is_archived"]
    assert not told.passed
    assert "source=boats/0000.parquet is damaged; materialize" in (told.description or "")
    assert sorted(boats.events("images")) == ["cars.0000"]


def test_a_second_table_of_one_name_is_refused_by_the_step_and_leaves_the_outputs(boats: World) -> None:
    boats.run()
    before = boats.warehouse.read("images", Shard(table="boats", index=0))
    other = World(**{**vars(boats), "prompts_folder": boats.folder / "other"})
    other.add_table("boats", ["a cat"])
    assert "another table of that name" in _only_sentence(other)
    assert boats.warehouse.read("images", Shard(table="boats", index=0)) == before
    assert len(boats.bought) == 2


def test_a_table_run_by_its_path_is_found_again_by_runs_that_were_not_told_of_it(boats: World) -> None:
    path = boats.prompts / "boats.parquet"
    boats.run()
    path.rename(boats.folder / "boats.parquet")
    moved = FilesResource(
        data_dir=str(boats.folder),
        prompts_dir=str(boats.prompts),
        extra_tables={"boats": f"{boats.folder}/boats.parquet"},
    )
    keys = boats.instance.get_dynamic_partitions("prompt_shards")
    for files in (moved, boats.files):
        result = (
            build_defs({**boats.resources, "files": files})
            .resolve_job_def(JOB_NAME)
            .execute_in_process(instance=boats.instance, tags=range_tags(keys[0], keys[0]), raise_on_error=False)
        )
        assert result.success
    assert len(boats.bought) == 2


def test_a_ledger_folder_named_from_the_working_folder_is_not_made_by_a_run(boats: World) -> None:
    keys = boats.register()
    ledger = LedgerResource(url=f"sqlite:///{boats.folder}/elsewhere/ledger.sqlite", must_find_folder=True)
    result = (
        build_defs({**boats.resources, "ledger": ledger})
        .resolve_job_def(JOB_NAME)
        .execute_in_process(instance=boats.instance, tags=range_tags(keys[0], keys[0]), raise_on_error=False)
    )
    (sentence,) = failures(result)
    assert "There is no data folder" in sentence
    assert boats.bought == []
