"""`dagster dev` as a person starts it, and the GraphQL calls that its pages make.

Here: starting and stopping the processes, launching, terminating, asking for states.
Not here: facts; the tests state those.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from banana_pipeline_tests.e2e.command import Office

ROOT = Path(__file__).parents[2]
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "banana_pipeline.definitions"}
_INSTANCE = "telemetry:\n  enabled: false\nnux:\n  enabled: false\npython_logs:\n  python_log_level: INFO\n"

_LAUNCH = """mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  } }"""
_TERMINATE = "mutation ($run: String!) { terminateRun(runId: $run) { __typename } }"
_BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_SENSOR = """mutation ($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename ... on PythonError { message } } }"""
_RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
_MATERIALIZATIONS = """query ($asset: [String!]!) { assetOrError(assetKey: {path: $asset}) { ... on Asset {
  assetMaterializations(limit: 1000) { partition runId metadataEntries { label ... on IntMetadataEntry { intValue } } }
  } } }"""
_RESOURCES = """query ($repository: RepositorySelector!) {
  allTopLevelResourceDetailsOrError(repositorySelector: $repository) {
    ... on ResourceDetailsList { results { name configuredValues { key value type } } } } }"""
_PARTITIONS = """query ($asset: [String!]!) {
  assetNodeOrError(assetKey: {path: $asset}) { ... on AssetNode { partitionKeys } } }"""
_LOADED = """{ workspaceOrError { ... on Workspace { locationEntries {
  locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


@dataclass(kw_only=True)
class DagsterDev:
    """A running UI and what it answers."""

    office: Office
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query, "variables": variables},
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def wait_for(self, is_so: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
        """What ``is_so`` answers, once that is something."""
        until_s = time.monotonic() + timeout_s
        while not (found := is_so()):
            assert self.process.poll() is None, f"dagster dev ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < until_s, f"{what}: not within {timeout_s:g} s; {self.log.read_text()[-3000:]}"
            time.sleep(0.25)
        return found

    def is_loaded(self) -> bool:
        try:
            entries = self.ask(_LOADED)["workspaceOrError"]["locationEntries"]
        except httpx.TransportError:
            return False
        found = [entry["locationOrLoadError"] for entry in entries]
        assert not [one for one in found if one and one["__typename"] == "PythonError"], found
        return bool(found) and all(one is not None for one in found)

    def turn_the_sensor_on(self) -> None:
        sensor = {**_REPOSITORY, "sensorName": "prompt_tables_sensor"}
        assert self.ask(_SENSOR, sensor=sensor)["startSensor"]["__typename"] == "Sensor"

    def launch(self, shard: str | None, *assets: str) -> str:
        """As "Materialize" does for one shard, or "Observe" for a source; the run's id."""
        job = "generate_images" if not assets else "__ASSET_JOB"
        params: dict[str, Any] = {
            "selector": {**_REPOSITORY, "jobName": job},
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": shard}] if shard else []},
        }
        if assets:
            params["selector"]["assetSelection"] = [{"path": [asset]} for asset in assets]
        launched = self.ask(_LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, shards: Sequence[str], *assets: str) -> str:
        """As the dialog "Launch runs to materialize" does; the backfill's id."""
        selection = [{"path": [asset]} for asset in assets]
        params = {"assetSelection": selection, "partitionNames": list(shards), "fromFailure": False}
        launched = self.ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return launched["backfillId"]

    def runs_of(self, backfill: str) -> list[dict[str, Any]]:
        return [run for run in self.runs() if {"key": "dagster/backfill", "value": backfill} in run["tags"]]

    def terminate(self, run_id: str) -> None:
        assert self.ask(_TERMINATE, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def runs(self) -> list[dict[str, Any]]:
        return self.ask(_RUNS)["runsOrError"]["results"]

    def status(self, run_id: str) -> str:
        return next(run["status"] for run in self.runs() if run["runId"] == run_id)

    def end_of(self, run_id: str) -> str:
        """The status a run ends with."""

        def ended() -> str | None:
            status = self.status(run_id)
            return status if status in ENDED else None

        return self.wait_for(ended, f"the end of run {run_id}")

    def materialized(self, asset: str, run_id: str) -> list[str]:
        """Shards of an asset that a run reported."""
        found = self.ask(_MATERIALIZATIONS, asset=[asset])["assetOrError"]["assetMaterializations"]
        return sorted(one["partition"] for one in found if one["runId"] == run_id)

    def shards(self) -> list[str]:
        return self.ask(_PARTITIONS, asset=["prompts"])["assetNodeOrError"]["partitionKeys"]

    def resources(self) -> str:
        return str(self.ask(_RESOURCES, repository=_REPOSITORY))


@contextlib.contextmanager
def dagster_dev(office: Office, **more: str) -> Iterator[DagsterDev]:
    """`dagster dev` on a free port, loaded; every process of it ends with the block."""
    home = office.folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text(_INSTANCE)
    log = office.folder / "dagster_dev.log"
    port = _free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-p", str(port)]
    environment = office.environment(DAGSTER_HOME=str(home), **more)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            dev = DagsterDev(office=office, port=port, process=process, log=log)
            dev.wait_for(dev.is_loaded, "loading", timeout_s=90)
            yield dev
        finally:
            stop_group(process)


def stop_group(process: "subprocess.Popen[bytes]", grace_s: float = 15.0) -> float:
    """Ctrl-C for a process group, and the end of whatever is left of it; how long the last one took."""
    started_s = time.monotonic()
    for number, wait_s in ((signal.SIGINT, grace_s), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        until_s = time.monotonic() + wait_s
        while _is_alive(process) and time.monotonic() < until_s:
            time.sleep(0.1)
    return time.monotonic() - started_s


def _is_alive(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # else a child that has ended counts as there
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
