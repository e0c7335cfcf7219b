"""A small world for Dagster: prompt tables, an emulator, an instance that is thrown away, and the events it keeps.

Here: running the real job once, and reading what Dagster and the emulator's books say afterwards.
Not here: facts; the tests state those.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.requests import account_name
from banana_pipeline.definitions import build_defs
from banana_pipeline.defs.automation import JOB_NAME
from banana_pipeline.defs.partitions import range_tags, register_shards
from banana_pipeline.defs.resources import FilesResource, KieResource, LedgerResource
from banana_pipeline.emulator import RunningEmulator
from banana_pipeline.emulator.report import books_report, tasks_report
from banana_pipeline.store.outputs import Warehouse


@dataclass(kw_only=True)
class World:
    """One data folder and one account at the emulator, over as many runs as a test needs."""

    emulator: RunningEmulator
    folder: Path
    instance: dg.DagsterInstance
    key: str
    shard_rows: int = 3
    ledger_url: str = ""
    prompts_folder: Path | None = None

    @property
    def prompts(self) -> Path:
        return self.prompts_folder or self.folder / "prompts"

    @property
    def files(self) -> FilesResource:
        return FilesResource(data_dir=str(self.folder), prompts_dir=str(self.prompts), shard_rows=self.shard_rows)

    @property
    def kie(self) -> KieResource:
        url = self.emulator.base_url
        return KieResource(api_keys=self.key, base_url=url, upload_base_url=url, rate_limit="2000/10s")

    @property
    def ledger(self) -> LedgerResource:
        return LedgerResource(url=self.ledger_url or f"sqlite:///{self.folder}/ledger.sqlite")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(UPath(self.folder))

    @property
    def resources(self) -> dict[str, Any]:
        return {"kie": self.kie, "files": self.files, "ledger": self.ledger}

    def definitions(self) -> dg.Definitions:
        return build_defs(self.resources)

    def add_table(self, name: str, prompts: Sequence[str] | Mapping[str, Sequence[Any]]) -> Path:
        """Write a prompt table: its prompts, or all its columns."""
        path = self.prompts / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(prompts if isinstance(prompts, Mapping) else {"prompt": prompts}), path)
        return path

    def register(self) -> list[str]:
        """Register the shards of every readable table, table by table."""
        for name in self.files.table_paths():
            try:
                register_shards(self.instance, [shard.key for shard in self.files.shards(self.files.open_table(name))])
            except TableError:
                continue
        return list(self.instance.get_dynamic_partitions("prompt_shards"))

    def run(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        ops: Mapping[str, Any] | None = None,
        assets: Sequence[str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """The whole job over a range of shards; over all of them unless told otherwise."""
        keys = self.register()
        first = first or keys[0]
        tags = range_tags(first, last or (keys[-1] if first == keys[0] else first))
        config = {
            "ops": {name: {"config": values} for name, values in (ops or {}).items()},
            "loggers": {"console": {"config": {"log_level": "WARNING"}}},
        }
        return (
            self.definitions()
            .resolve_job_def(JOB_NAME)
            .execute_in_process(
                instance=self.instance,
                tags=tags,
                run_config=config,
                raise_on_error=False,
                asset_selection=None if assets is None else [dg.AssetKey(asset) for asset in assets],
            )
        )

    def events(self, asset: str) -> dict[str, list[dg.AssetMaterialization]]:
        """Materializations by shard, the oldest first."""
        found: defaultdict[str, list[dg.AssetMaterialization]] = defaultdict(list)
        for record in self.instance.fetch_materializations(dg.AssetKey(asset), limit=1_000, ascending=True).records:
            found[record.partition_key or ""].append(record.asset_materialization)
        return dict(found)

    def metadata(self, asset: str, shard: str = "") -> dict[str, Any]:
        """What the latest materialization of a shard tells a person."""
        return {name: entry.value for name, entry in self.events(asset)[shard][-1].metadata.items()}

    @property
    def bought(self) -> list[dict[str, Any]]:
        """The tasks that the emulator sold to this world's account."""
        name = account_name(self.key)
        own = {one["account"] for one in books_report(self.emulator.books)["accounts"] if one["key_sha256_12"] == name}
        return [task for task in tasks_report(self.emulator.books) if task["account"] in own]


def tags_of(event: dg.AssetMaterialization) -> Mapping[str, str]:
    return event.tags or {}


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """The sentences of the steps that failed by a person's mistake."""
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return [one.user_failure_data.description or "" for one in data if one.user_failure_data]
