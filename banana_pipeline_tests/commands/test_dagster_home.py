"""Where Dagster keeps its runs: the folder that is asked for, made where it is missing."""

from pathlib import Path

import pytest

from banana_pipeline.commands.run import dagster_home
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.settings import read_settings


def test_a_home_that_is_not_there_is_made_with_our_configuration(tmp_path: Path) -> None:
    home = dagster_home(read_settings({"DAGSTER_HOME": f"{tmp_path}/a/home"}))
    assert home == tmp_path / "a" / "home"
    assert "telemetry" in (home / "dagster.yaml").read_text()


def test_a_home_that_is_there_keeps_its_own_configuration(tmp_path: Path) -> None:
    dagster_home(read_settings({"DAGSTER_HOME": str(tmp_path)}))
    assert not (tmp_path / "dagster.yaml").exists()


def test_a_home_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="set DAGSTER_HOME"):
        dagster_home(read_settings({"DAGSTER_HOME": f"{tmp_path}/file/home"}))
