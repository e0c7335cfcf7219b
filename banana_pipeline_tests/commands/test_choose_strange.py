"""Strange tables as the commands meet them: one sentence each, and none that speaks of something else."""

from pathlib import Path

import pytest

from banana_pipeline.commands.tables import choose_table
from banana_pipeline.core.failures import TableError
from banana_pipeline.settings import read_settings
from banana_pipeline_tests.defs.strange_tables import REFUSED, USABLE


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_used_is_explained_under_its_own_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "prompts").mkdir()
    REFUSED[name](tmp_path / "prompts")
    with pytest.raises(TableError) as refused:
        choose_table(read_settings({"BANANA_DATA_DIR": str(tmp_path)}), name)
    sentence = str(refused.value)
    assert f"able {name!r}" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("name", USABLE)
def test_a_table_that_only_looks_odd_is_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "prompts").mkdir()
    USABLE[name](tmp_path / "prompts")
    chosen = choose_table(read_settings({"BANANA_DATA_DIR": str(tmp_path)}), name)
    assert chosen.table.row_count == 2
