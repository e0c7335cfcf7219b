"""A night alone: `dagster dev` with its daemon, sensors turned on as a person does, and nobody there afterwards."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from banana_pipeline_tests.e2e.conftest import open_office
from banana_pipeline_tests.e2e.dagster_dev import DagsterDev, dagster_dev

pytestmark = pytest.mark.slow

_START = """mutation ($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename ... on PythonError { message } } }"""
_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "banana_pipeline.definitions"}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    with ExitStack() as stack:
        office = open_office(stack, tmp_path_factory.mktemp("night"))
        yield stack.enter_context(dagster_dev(office))


def _turn_on(dev: DagsterDev, name: str) -> None:
    assert dev.ask(_START, sensor={**_REPOSITORY, "sensorName": name})["startSensor"]["__typename"] == "Sensor"


def _run_of(dev: DagsterDev, sensor: str) -> str:
    """The run that a sensor has started, once it has."""

    def found() -> str | None:
        tag = {"key": "banana/started_by", "value": sensor}
        return next((run["runId"] for run in dev.runs() if tag in run["tags"]), None)

    return dev.wait_for(found, f"a run of {sensor}", timeout_s=90)


def test_a_dropped_file_becomes_pictures(dev: DagsterDev) -> None:
    dev.office.add_table("dropped", {"prompt": ["boat 1", "boat 2", "boat 3"]})
    _turn_on(dev, "prompt_tables_sensor")
    assert dev.end_of(_run_of(dev, "prompt_tables")) == "SUCCESS"
    pictures = dev.office.outputs("images", "dropped")
    assert pictures["archive_error"].null_count == pictures.num_rows == 3


def test_what_a_command_did_not_wait_for_is_collected_and_nothing_else_is_bought(dev: DagsterDev) -> None:
    path = dev.office.add_table("left", {"prompt": ["car 1", "car 2"]})
    home = str(dev.office.folder / "dagster_home")
    dev.office.run("run", str(path), "--no-wait", DAGSTER_HOME=home)
    assert set(dev.office.statuses("left")) == {"pending"}
    with sqlite3.connect(dev.office.data / "ledger.sqlite", timeout=10) as connection:
        connection.execute("UPDATE attempts SET updated_at = datetime(updated_at, '-1 hour')")  # not just now
    connection.close()
    _turn_on(dev, "unfinished_generations_sensor")
    assert dev.end_of(_run_of(dev, "unfinished_generations")) == "SUCCESS"
    assert dev.office.statuses("left") == {"succeeded": 2}
    assert dev.office.outputs("images", "left").num_rows == 2
    assert sum(task["input"]["prompt"].startswith("car") for task in dev.office.tasks) == 2
