"""What Dagster loads: names that people and programs rely on, loadable on any machine without settings."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from banana_pipeline.definitions import build_defs, defs
from banana_pipeline.defs.events import GROUP
from banana_pipeline.defs.partitions import prompt_shards
from banana_pipeline.defs.resources import KieResource

ROOT = Path(__file__).parents[2]
PER_SHARD = {"prompt_tables", "prompts", "rejected_prompts", "generations", "images"}


def _keys(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def test_all_assets_are_there() -> None:
    assert _keys(defs) == {*PER_SHARD, "generation_report", "gallery"}


def test_every_asset_but_report_and_gallery_is_cut_into_shards() -> None:
    graph = defs.resolve_asset_graph()
    cut = {node.key.to_user_string() for node in graph.asset_nodes if node.partitions_def == prompt_shards}
    assert cut == PER_SHARD
    assert isinstance(prompt_shards, dg.DynamicPartitionsDefinition)


def test_data_flows_from_tables_to_pictures() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        node.key.to_user_string(): sorted(parent.to_user_string() for parent in node.parent_keys)
        for node in graph.asset_nodes
    }
    assert parents == {
        "prompt_tables": [],
        "prompts": ["prompt_tables"],
        "rejected_prompts": ["prompt_tables"],
        "generations": ["prompts"],
        "images": ["generations"],
        "generation_report": ["generations", "images"],
        "gallery": ["generations", "images"],
    }


def test_shards_of_many_tables_go_in_one_run() -> None:
    graph = defs.resolve_asset_graph()
    for asset in PER_SHARD - {"prompt_tables"}:
        assert graph.get(dg.AssetKey(asset)).backfill_policy == dg.BackfillPolicy.single_run()


def test_every_asset_has_a_sentence_a_group_and_a_code_version() -> None:
    for node in defs.resolve_asset_graph().asset_nodes:
        assert node.description, node.key
        assert node.group_name == GROUP, node.key
        assert node.code_version or not node.is_materializable, node.key


def test_only_generations_says_that_it_spends_money() -> None:
    nodes = defs.resolve_asset_graph().asset_nodes
    assert {node.key.to_user_string() for node in nodes if "spends_money" in node.tags} == {"generations"}


def test_the_job_makes_everything() -> None:
    job = defs.resolve_job_def("generate_images")
    made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert made == {"prompts", "rejected_prompts", "generations", "images", "generation_report", "gallery"}


def test_every_check_belongs_to_an_output_and_says_what_it_asks() -> None:
    specs = [spec for check in defs.asset_checks or [] for spec in check.check_specs]
    assert len(specs) == 9
    assert {spec.asset_key.to_user_string() for spec in specs} == {"generations", "images"}
    assert all(spec.description for spec in specs)


def test_a_person_who_looks_at_the_real_kie_is_not_told_otherwise() -> None:
    assert "Not the real KIE" not in (_generations(build_defs()) or "")


def test_a_person_who_looks_at_an_emulator_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIE_BASE_URL", "http://127.0.0.1:9999")
    assert "orders go to http://127.0.0.1:9999" in (_generations(build_defs()) or "")


def _generations(definitions: dg.Definitions) -> str | None:
    return definitions.resolve_asset_graph().get(dg.AssetKey("generations")).description


def test_a_resource_given_by_name_replaces_that_of_the_environment() -> None:
    own = KieResource(api_keys="a key", base_url="http://localhost:1", upload_base_url="http://localhost:1")
    assert (build_defs({"kie": own}).resources or {})["kie"] is own


def test_dagster_validates_the_workspace_without_any_setting(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KIE_", "BANANA_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**clean, "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "banana_pipeline" not in done.stderr.replace(str(ROOT), "") or "Warning" not in done.stderr
