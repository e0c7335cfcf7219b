"""The asset ``images``: every result brought home.

Lives here: wiring. Does not live here: downloading (``archive``) and judging bytes (``store.images``).
"""

from collections.abc import Iterator, Sequence

import anyio
import dagster as dg
import pyarrow as pa

from banana_pipeline.archive import Archived, Archiver, Result
from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import parse_key
from banana_pipeline.defs.events import CODE_VERSION, GROUP, quiet_output, report_shard, told_in_words
from banana_pipeline.defs.metadata import preview_md, schema_metadata, thumbnails_md
from banana_pipeline.defs.partitions import prompt_shards
from banana_pipeline.defs.resources import FilesResource, KieResource
from banana_pipeline.kie.client import open_downloads
from banana_pipeline.progress import Progress
from banana_pipeline.store.output_tables import images_table
from banana_pipeline.store.schemas import GENERATIONS, IMAGES


@dg.multi_asset(
    name="archive_images",
    partitions_def=prompt_shards,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=GROUP,
    specs=[
        dg.AssetSpec(
            IMAGES,
            deps=[GENERATIONS],
            description="Every picture KIE made, archived with its hash, size and format as its bytes say.",
            code_version=CODE_VERSION,
            kinds={"parquet", "image"},
            metadata=schema_metadata(IMAGES),
        )
    ],
)
def archive_images(
    context: dg.AssetExecutionContext,
    files: FilesResource,
    kie: KieResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.Output[None]]:
    problems: list[TableError] = []
    with told_in_words():
        for key in context.partition_keys:
            try:
                generations = files.warehouse.read(GENERATIONS, parse_key(key))
            except TableError as error:
                problems.append(error)
                context.log.error(str(error))
                continue
            results, positions = _results(generations)
            archived = anyio.run(_fetch, kie, files, progress, results) if results else []
            table = images_table(generations, [_record(one) for one in archived], positions=positions)
            _write(context, files, key, table)
        if problems and len(problems) == len(context.partition_keys):
            raise problems[0]
    yield quiet_output(IMAGES)


def _write(context: dg.AssetExecutionContext, files: FilesResource, key: str, table: pa.Table) -> None:
    shard = parse_key(key)
    provenance = {**files.warehouse.provenance(GENERATIONS, shard), "run_id": context.run.run_id}
    written = files.warehouse.write(IMAGES, shard, table, provenance)
    report_shard(
        context,
        IMAGES,
        key,
        data_version=written.data_version,
        inputs={GENERATIONS: files.warehouse.data_version(GENERATIONS, shard)},
        metadata={**_metadata(table), "dagster/uri": written.path},
    )


def _results(generations: pa.Table) -> tuple[list[Result], list[int]]:
    """Every result of a shard, and the row of ``generations`` it belongs to."""
    columns = [generations[name].to_pylist() for name in ("attempt_id", "account", "status", "result_urls")]
    results: list[Result] = []
    positions: list[int] = []
    for position, (attempt_id, account, status, urls) in enumerate(zip(*columns, strict=True)):
        for index, url in enumerate(urls or () if status == "succeeded" else ()):
            results.append(Result(attempt_id=attempt_id, index=index, url=url, account=account))
            positions.append(position)
    return results, positions


async def _fetch(
    kie: KieResource, files: FilesResource, progress: Progress, results: Sequence[Result]
) -> list[Archived]:
    async with kie.open_accounts() as accounts, open_downloads() as http:
        clients = {account.name: account.client for account in accounts}
        archiver = Archiver(archive=files.archive, http=http, clients=clients, progress=progress)
        return await archiver.fetch_all(results)


def _record(archived: Archived) -> dict[str, object]:
    return archived.image.record() if archived.image is not None else {"archive_error": archived.error}


def _metadata(images: pa.Table) -> dict[str, object]:
    is_missing = images["archive_error"].is_valid()
    missing = images.filter(is_missing)
    paths = zip(*(images[name].to_pylist() for name in ("thumbnail_path", "prompt")), strict=True)
    metadata: dict[str, object] = {
        "dagster/partition_row_count": images.num_rows,
        "images_archived": images.num_rows - missing.num_rows,
        "images_missing": missing.num_rows,
        "archived_megabytes": round(sum(size or 0 for size in images["image_bytes"].to_pylist()) / 1e6, 1),
        "contact_sheet": thumbnails_md([(path, prompt) for path, prompt in paths if path]),
    }
    if missing.num_rows:
        metadata["not_archived"] = preview_md(missing, ["row_number", "id", "prompt", "archive_error"])
    return metadata
