"""The asset ``generations``: the paid step.

Lives here: wiring, and one materialization per shard as soon as its last row ends. Does not live here: the spending
rules (``generate``).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import anyio
import dagster as dg
import pyarrow as pa
from pydantic import Field

from banana_pipeline.core.failures import ReadFailed, SettingsError
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.core.shards import Shard, parse_key
from banana_pipeline.core.told import sentence_of
from banana_pipeline.defs.events import CODE_VERSION, GROUP, quiet_output, report_shard, told_in_words
from banana_pipeline.defs.launches import launch_of
from banana_pipeline.defs.metadata import OWNERS, schema_metadata
from banana_pipeline.defs.metadata_generations import KIE_LOGS, status_metadata
from banana_pipeline.defs.partitions import prompt_shards
from banana_pipeline.defs.resources import FilesResource, KieResource, LedgerResource
from banana_pipeline.defs.showing import shown
from banana_pipeline.generate import Generation
from banana_pipeline.outcomes import outcome_records
from banana_pipeline.ownership import settle_ownership
from banana_pipeline.progress import Progress
from banana_pipeline.stopping import stop_on_signals
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.output_tables import generations_table, requests_of
from banana_pipeline.store.references import reference_bytes
from banana_pipeline.store.request_index import RequestIndex
from banana_pipeline.store.schemas import GENERATIONS, PROMPTS
from banana_pipeline.uploads import Uploader
from banana_pipeline.work import Rules, ShardDone, ShardWork, Wanted


class GenerationsConfig(dg.Config):
    """Launch options of ``generations``."""

    max_credits: float | None = Field(
        default=None,
        description=(
            "Budget in credits; none: no limit. The runs of one backfill share it, and so do a run and its "
            "re-executions."
        ),
    )
    wait_for_results: bool = Field(
        default=True, description="False submits at the pace and ends; a later run collects the results."
    )
    collect_only: bool = Field(
        default=False, description="True collects what is paid already and buys nothing, whatever is left to buy."
    )
    retry_failed: bool = Field(
        default=True,
        description="False buys no second task for a request whose task has failed, now or in earlier runs.",
    )


@dg.multi_asset(
    name="buy_generations",
    partitions_def=prompt_shards,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=GROUP,
    specs=[
        dg.AssetSpec(
            GENERATIONS,
            deps=[PROMPTS],
            description=(
                "One line per request, whatever happened: where it stands, its task at KIE, its results, its cost. "
                "Materializing costs money for requests that were never bought, and nothing for all others."
            ),
            code_version=CODE_VERSION,
            kinds={"parquet"},
            owners=OWNERS,
            tags={"spends_money": "yes"},
            metadata={**schema_metadata(GENERATIONS), **KIE_LOGS},
        )
    ],
)
def buy_generations(
    context: dg.AssetExecutionContext,
    config: GenerationsConfig,
    files: FilesResource,
    ledger: LedgerResource,
    kie: KieResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.Output[None]]:
    with told_in_words(), ledger.open() as writer:
        if config.max_credits is not None and config.max_credits < 0:
            raise SettingsError(
                f"max_credits is {config.max_credits:g}; write 0 or more, or leave it out for no limit."
            )
        writing = _ShardWriter(context=context, files=files, writer=writer, progress=progress)
        try:
            is_stopped = anyio.run(_buy, context, config, kie, progress, writing)
        finally:  # a run that fails has the most to tell
            for sentence in progress.notices:
                context.log.warning(sentence)
            context.log.info(progress.line())
        writing.complain_if_nothing_was_written()
    if is_stopped:
        raise dg.DagsterExecutionInterruptedError
    yield quiet_output(GENERATIONS)


async def _buy(
    context: dg.AssetExecutionContext,
    config: GenerationsConfig,
    kie: KieResource,
    progress: Progress,
    writing: "_ShardWriter",
) -> bool:
    """Run the driver over all shards of the run; True if it was asked to stop."""
    rules = Rules(
        service=kie.service,
        run_id=context.run.run_id,
        max_in_flight=kie.max_in_flight,
        deadline_s=kie.deadline_s,
        max_attempts=kie.max_attempts,
        launch=launch_of(context.run),
        max_credits=config.max_credits,
        max_credits_per_day=kie.max_credits_per_day,
        callback_url=kie.callback_url,
        is_waiting=config.wait_for_results,
        is_buying=not config.collect_only,
        is_retrying=config.retry_failed,
    )
    async with stop_on_signals() as stop, kie.open_accounts() as accounts:
        generation = Generation(
            accounts=accounts,
            writer=writing.writer,
            uploader=Uploader(writer=writing.writer, service=kie.service, read_bytes=writing.reference_bytes),
            rules=rules,
            progress=progress,
            stop=stop,
            on_shard=writing.write,
        )
        await generation.run(writing.work(key) for key in context.partition_keys)
        return stop.is_requested


class _ShardWriter:
    """Reads the work of each shard and writes its outcome."""

    def __init__(
        self, *, context: dg.AssetExecutionContext, files: FilesResource, writer: LedgerWriter, progress: Progress
    ) -> None:
        self.writer = writer
        self._context = context
        self._files = files
        self._progress = progress
        self._prompts: dict[str, pa.Table] = {}
        self._failed: dict[str, Exception] = {}
        self._written = 0

    def work(self, key: str) -> ShardWork:
        try:
            prompts = self._files.warehouse.read(PROMPTS, parse_key(key))
            wanted = _wanted(prompts)
        except Exception as error:
            self._tell(key, error, sentence_of(error))
            return ShardWork(key=key, wanted=())
        self._prompts[key] = prompts
        return ShardWork(key=key, wanted=wanted)

    def _tell(self, key: str, error: Exception, sentence: str) -> None:
        """One shard does not stop the others; it is told in the log, and to whoever watches."""
        self._failed[key] = error
        self._context.log.error(sentence)
        self._progress.notice(sentence)

    def complain_if_nothing_was_written(self) -> None:
        """One shard without prompts does not stop the others; when none could be written, the step has failed."""
        if self._failed and not self._written:
            raise next(iter(self._failed.values()))

    def write(self, done: ShardDone) -> None:
        """Write one shard. Where that fails the others go on: what was bought is in the ledger, for the next run."""
        prompts = self._prompts.pop(done.key, None)
        if prompts is None:
            return
        try:
            self._write(done, prompts)
        except Exception as error:
            self._tell(done.key, error, f"The rows of {done.key} were not written: {sentence_of(error)}")

    def _write(self, done: ShardDone, prompts: pa.Table) -> None:
        shard = parse_key(done.key)
        table = generations_table(prompts, outcome_records(prompts, self._owned(shard, prompts, done)))
        provenance = {**self._files.warehouse.provenance(PROMPTS, shard), "run_id": self._context.run.run_id}
        written = self._files.warehouse.write(GENERATIONS, shard, table, provenance)
        self._written += 1
        report_shard(
            self._context,
            GENERATIONS,
            done.key,
            data_version=written.data_version,
            inputs={PROMPTS: self._files.warehouse.data_version(PROMPTS, shard)},
            metadata={
                "dagster/uri": written.path,
                **shown(self._context, f"What {done.key} holds", partial(status_metadata, table)),
            },
        )

    def _owned(self, shard: Shard, prompts: pa.Table, done: ShardDone) -> ShardDone:
        rows: dict[str, int] = {}
        for request_id, row_number in zip(*(prompts[n].to_pylist() for n in ("request_id", "row_number")), strict=True):
            rows.setdefault(request_id, row_number)
        index = RequestIndex(self._files.warehouse, shard.table, self._files.shard_rows)
        histories = settle_ownership(
            self.writer, done.histories, prompt_table=shard.table, rows=rows, holds=index.holds
        )
        return replace(done, histories=histories)

    def reference_bytes(self, prompt_table: str, image: ReferenceImage) -> bytes:
        path = self._files.table_place(prompt_table)
        if path is None:
            raise ReadFailed(f"{image.source}: the table {prompt_table!r} is no longer there")
        return reference_bytes(image, self._files.reference_folders(path), self._files.reference_dir)


def _wanted(prompts: pa.Table) -> list[Wanted]:
    names = ("request_id", "prompt_table", "row_number", "table_version")
    rows = zip(requests_of(prompts), *(prompts[name].to_pylist() for name in names), strict=True)
    return [Wanted(**dict(zip(("request", *names), values, strict=True))) for values in rows]
