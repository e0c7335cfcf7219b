"""What the assets work with, as Dagster resources.

Lives here: configuration that shows in the UI (never the key, never a database password) and opening the plain objects
behind it. Does not live here: those objects (``kie``, ``store``, ``accounts``).
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field
from upath import UPath

from banana_pipeline.accounts import Account, open_accounts
from banana_pipeline.core.failures import SettingsError, TableError
from banana_pipeline.core.setting_text import api_keys
from banana_pipeline.core.shards import Shard, shards_of
from banana_pipeline.kie.pace import parse_rate
from banana_pipeline.progress import Progress
from banana_pipeline.setting_places import require_folder
from banana_pipeline.settings import service_of
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.images import ImageArchive
from banana_pipeline.store.ledger_place import ledger_place
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.places import place_of
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.references import reference_folders
from banana_pipeline.store.table_origin import recorded_place
from banana_pipeline.store.table_places import is_there
from banana_pipeline.store.tables import find_tables, open_table


class KieResource(dg.ConfigurableResource):
    """The KIE service and the account or accounts that pay."""

    api_keys: str = Field(repr=False, description="One key, or several with commas. Set it as an environment variable.")
    base_url: str = Field(description="Address of the KIE service; purchases belong to its host.")
    upload_base_url: str = Field(description="Address for reference images.")
    rate_limit: str = Field(default="20/10s", description="Creations per account, such as 20/10s.")
    max_in_flight: int = Field(default=100, description="Orders and tasks under way per account, over all processes.")
    deadline_s: float = Field(default=900.0, description="Seconds until an unfinished task is overdue.")
    max_attempts: int = Field(default=3, description="Tasks bought for one request whose (refunded) failures pass.")
    max_credits_per_day: float | None = Field(
        default=None, ge=0, description="Budget of each account for a UTC day, over all runs; none: no limit."
    )
    callback_url: str | None = Field(
        default=None, description="Public address of banana callbacks, which KIE tells of finished tasks; none: no one."
    )

    @property
    def service(self) -> str:
        return service_of(self.base_url)

    @property
    def key_list(self) -> list[str]:
        """Every key; empty without any. Not named ``keys``: with that name `dict()` takes a resource for a mapping.

        Raises:
            SettingsError: one cannot be a key.
        """
        return list(api_keys(self.api_keys))

    @contextlib.asynccontextmanager
    async def open_accounts(self) -> AsyncIterator[list[Account]]:
        """One client and one pace per key.

        Raises:
            SettingsError: there is no key.
        """
        if not self.key_list:
            raise SettingsError("KIE_API_KEY is not set; set it to your key from kie.ai where Dagster runs, then again")
        opening = open_accounts(
            keys=self.key_list,
            base_url=self.base_url,
            upload_base_url=self.upload_base_url,
            limit=parse_rate(self.rate_limit),
            patience_s=self.deadline_s,
        )
        async with opening as accounts:
            yield accounts


class LedgerResource(dg.ConfigurableResource):
    """The ledger of attempts: the only memory that must survive."""

    url: str = Field(repr=False, description="sqlite:////path or postgresql+psycopg://...")
    must_find_folder: bool = Field(
        default=False, description="The ledger's folder was named from the working folder, and is not made."
    )

    def open(self) -> LedgerWriter:
        """The ledger, upgraded if need be; a context manager. Raises LedgerError, SettingsError."""
        if self.must_find_folder:
            require_folder(Path(ledger_place(self.url).database or "").parent)
        return LedgerWriter(self.url)


class FilesResource(dg.ConfigurableResource):
    """Where prompt tables are read from and outputs are written to."""

    data_dir: str = Field(description="Outputs and images: a folder or a URI such as s3://bucket/prefix.")
    prompts_dir: str = Field(description="Prompt tables: Parquet files, or folders of Parquet parts.")
    shard_rows: int = Field(default=2_000, description="Rows per shard.")
    extra_tables: dict[str, str] = Field(
        default_factory=dict, description="Tables outside the prompts folder, name to path, for this run only."
    )

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(UPath(self.data_dir))

    @property
    def archive(self) -> ImageArchive:
        return ImageArchive(UPath(self.data_dir))

    @property
    def reference_dir(self) -> UPath:
        """Reference images that belong to no table's folder, and those that were found in tables themselves."""
        return UPath(self.data_dir) / "reference"

    def reference_folders(self, table_path: UPath) -> tuple[Path, ...]:
        """The only folders that a table's reference images may lie in."""
        return reference_folders(table_path, UPath(self.data_dir))

    def table_paths(self) -> Mapping[str, UPath]:
        """All tables by name."""
        return {**find_tables(UPath(self.prompts_dir)), **{name: place_of(p) for name, p in self.extra_tables.items()}}

    def table_place(self, name: str) -> UPath | None:
        """Where a table is. One that was run from elsewhere, by its path, is found again where it was."""
        return self.table_paths().get(name) or recorded_place(self.warehouse, name)

    def open_table(self, name: str) -> PromptTable:
        """One table by name. Raises TableError."""
        path = self.table_place(name)
        if path is None or not is_there(path):
            known = ", ".join(sorted(self.table_paths())) or "none"
            raise TableError(
                f"There is no table {name!r} in {self.prompts_dir}; tables there: {known}. Put its Parquet file there."
            )
        return open_table(path, name)

    def shards(self, table: PromptTable) -> list[Shard]:
        return shards_of(table.name, row_count=table.row_count, shard_rows=self.shard_rows)


class AlertsResource(dg.ConfigurableResource):
    """Where alerts go."""

    webhook_url: str = Field(
        default="", repr=False, description="Set BANANA_ALERT_WEBHOOK_URL; the address is a secret."
    )
    below_credits: float | None = Field(default=None, description="A balance below it is an alert; none: no alert.")


def logging_progress(context: dg.InitResourceContext) -> Progress:
    """Progress that writes a line into the run's log every few seconds."""
    return Progress(tick=lambda progress: context.log.info(progress.line()) if context.log else None)
