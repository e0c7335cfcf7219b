"""The key and the database's password: nowhere in what Dagster shows, logs or stores, also when runs fail."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import anyio
import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from banana_pipeline.definitions import build_defs
from banana_pipeline.emulator import EmulatorConfig, RunningEmulator
from banana_pipeline.settings import read_settings
from banana_pipeline_tests.defs.conftest import NewWorld
from banana_pipeline_tests.defs.world import World

SECRET = "sk-5ec1e7-a0b1c2d3e4f5-never-to-be-seen"
PASSWORD = "pass-5ec1e7-word"


@pytest.fixture
def kept(new_world: NewWorld, tmp_path: Path) -> Iterator[World]:
    """A world whose instance is kept in files."""
    home = tmp_path / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield new_world(instance=instance, key=SECRET)


def _files_with_the_key(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".db") for path in files)
    return [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_resource_does_not_show_the_key(world: World) -> None:
    world.key = SECRET
    assert SECRET not in f"{world.kie!r} {world.kie} {world.definitions()!r}"


def test_settings_do_not_show_the_key_or_the_password() -> None:
    url = f"postgresql+psycopg://user:{PASSWORD}@host/db"
    settings = read_settings({"KIE_API_KEYS": f"{SECRET},{SECRET}2", "BANANA_LEDGER_URL": url})
    assert settings.api_keys == (SECRET, f"{SECRET}2")
    assert SECRET not in f"{settings!r} {settings}"
    assert PASSWORD not in f"{settings!r} {settings}"


def test_opened_accounts_do_not_show_the_key(world: World) -> None:
    """Nor do they while an error passes through them, in a traceback with local variables."""
    world.key = SECRET

    async def opened() -> str:
        async with world.kie.open_accounts() as accounts:
            return "".join(f"{one!r} {one} {one.client!r} {vars(one)} {vars(one.client)}" for one in accounts)

    async def broken() -> None:
        async with world.kie.open_accounts() as accounts:
            raise RuntimeError(f"something nobody thought of, {accounts}")

    assert SECRET not in anyio.run(opened)
    with pytest.raises(RuntimeError) as error:
        anyio.run(broken)
    trace = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    own = [frame for frame in trace.stack if "banana_pipeline_tests" not in frame.filename]
    assert SECRET not in "".join(traceback.StackSummary.from_list(own).format()) + str(error.value)


def test_a_resource_does_not_show_the_password_of_the_database(world: World) -> None:
    world.ledger_url = f"postgresql+psycopg://user:{PASSWORD}@host/db"
    assert PASSWORD not in f"{world.ledger!r} {world.ledger} {world.definitions()!r}"


def test_what_dagster_knows_of_the_code_names_only_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIE_API_KEY", SECRET)
    monkeypatch.setenv("BANANA_LEDGER_URL", f"postgresql+psycopg://user:{PASSWORD}@host/db")
    known = serialize_value(RepositorySnap.from_def(build_defs().get_repository_def()))
    assert '"KIE_API_KEY"' in known.replace("\\", "")
    assert SECRET not in known
    assert PASSWORD not in known


def test_several_keys_are_not_known_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIE_API_KEYS", f"{SECRET},{SECRET}2")
    assert SECRET not in serialize_value(RepositorySnap.from_def(build_defs().get_repository_def()))


def test_a_run_leaves_no_trace_of_the_key(kept: World, capfd: pytest.CaptureFixture[str]) -> None:
    kept.add_table("boats", ["boat", "boat [fail:policy]", "boat [fault:lost_answer]"])
    result = kept.run()
    assert result.success
    assert _files_with_the_key(kept.folder) == []
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in str([event.to_json() if hasattr(event, "to_json") else event for event in result.all_events])


def test_a_refused_key_leaves_no_trace(kept: World, capfd: pytest.CaptureFixture[str]) -> None:
    kept.add_table("boats", ["boat"])
    with RunningEmulator(EmulatorConfig(keys=("another key",))) as emulator:
        kept.emulator = emulator
        kept.run()
    assert _files_with_the_key(kept.folder) == []
    said = "".join(capfd.readouterr())
    assert "KIE does not accept the key" in said
    assert SECRET not in said


def test_a_run_that_breaks_leaves_no_trace(
    kept: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("something nobody thought of")

    kept.add_table("boats", ["boat"])
    monkeypatch.setattr("banana_pipeline.defs.generations.outcome_records", break_down)
    assert not kept.run().success
    assert _files_with_the_key(kept.folder) == []
    assert SECRET not in "".join(capfd.readouterr())
