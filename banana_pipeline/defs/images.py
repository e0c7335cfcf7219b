"""The asset ``images``: every result brought home.

Lives here: wiring, and which shards come first. Does not live here: downloading (``archive``), judging bytes
(``store.picture_bytes``), what is shown (``metadata_images``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import anyio
import dagster as dg
import pyarrow as pa
from upath import UPath

from banana_pipeline.archive import Archived, Archiver, Result
from banana_pipeline.core.shards import parse_key
from banana_pipeline.core.told import sentence_of
from banana_pipeline.defs.events import CODE_VERSION, GROUP, quiet_output, report_shard, told_in_words
from banana_pipeline.defs.metadata import OWNERS, schema_metadata
from banana_pipeline.defs.metadata_images import images_metadata
from banana_pipeline.defs.partitions import prompt_shards
from banana_pipeline.defs.resources import FilesResource, KieResource
from banana_pipeline.defs.showing import shown
from banana_pipeline.gallery.write import page_in
from banana_pipeline.kie.downloads import open_downloads
from banana_pipeline.progress import Progress
from banana_pipeline.store.files import as_location, has_file
from banana_pipeline.store.output_tables import images_table
from banana_pipeline.store.picture_records import PictureRecords, oldest_missing_at, picture_records
from banana_pipeline.store.schemas import GENERATIONS, IMAGES

_BATCH_ROWS = 10_000
_RESULT_COLUMNS = ["attempt_id", "account", "status", "result_urls", "output_format", "completed_at"]


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
            owners=OWNERS,
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
    problems: list[Exception] = []
    with told_in_words():
        for batch in _batches(context, files, problems):
            results = [result for shard in batch for result in shard.results]
            archived = anyio.run(_fetch, kie, files, progress, results) if results else []
            done = iter(archived)
            for shard in batch:
                pictures = [next(done).record() for _ in shard.results]
                try:
                    _write(context, files, shard, pictures)
                except Exception as error:  # its pictures are in the archive; the other shards go on
                    problems.append(error)
                    sentence = f"The pictures of {shard.key} were not written down: {sentence_of(error)}"
                    context.log.error(sentence)
                    progress.notice(sentence)
        if problems and len(problems) == len(context.partition_keys):
            raise problems[0]
    yield quiet_output(IMAGES)


@dataclass(frozen=True, kw_only=True)
class _ShardToArchive:
    """A shard, its pictures, and for each of them its row in ``generations``."""

    key: str
    generations: pa.Table
    results: list[Result]
    positions: list[int]


def _batches(
    context: dg.AssetExecutionContext, files: FilesResource, problems: list[Exception]
) -> Iterator[list[_ShardToArchive]]:
    """The shards of the run, those with the oldest missing pictures first, some thousand rows at a time.

    Within a batch pictures are fetched in the order of their age, whichever shard they belong to; a run of a million
    pictures still fits into the memory.
    """
    batch: list[_ShardToArchive] = []
    for key in _oldest_first(files, context.partition_keys):
        try:
            batch.append(_opened(files, key))
        except Exception as error:  # one odd shard must not keep the pictures of the others from coming home
            problems.append(error)
            context.log.error(sentence_of(error))
        if sum(shard.generations.num_rows for shard in batch) >= _BATCH_ROWS:
            yield batch
            batch = []
    yield batch


def _oldest_first(files: FilesResource, keys: Sequence[str]) -> Sequence[str]:
    if len(keys) < 2:
        return keys
    return sorted(keys, key=lambda key: oldest_missing_at(files.warehouse, parse_key(key)))


def _opened(files: FilesResource, key: str) -> _ShardToArchive:
    generations = files.warehouse.read(GENERATIONS, parse_key(key))
    results, positions = _results(generations, picture_records(files.warehouse, parse_key(key)))
    return _ShardToArchive(key=key, generations=generations, results=results, positions=positions)


def _results(generations: pa.Table, records: PictureRecords) -> tuple[list[Result], list[int]]:
    """Every result of a shard, and the row of ``generations`` it belongs to."""
    results: list[Result] = []
    positions: list[int] = []
    for position, row in enumerate(generations.select(_RESULT_COLUMNS).to_pylist()):
        for index, url in enumerate(row["result_urls"] or () if row["status"] == "succeeded" else ()):
            known, known_error = records.get((row["attempt_id"], index), (None, None))
            results.append(
                Result(
                    attempt_id=row["attempt_id"],
                    index=index,
                    url=url,
                    account=row["account"],
                    output_format=row["output_format"],
                    completed_at=row["completed_at"],
                    known=known,
                    known_error=known_error,
                )
            )
            positions.append(position)
    return results, positions


async def _fetch(
    kie: KieResource, files: FilesResource, progress: Progress, results: Sequence[Result]
) -> list[Archived]:
    async with kie.open_accounts() as accounts, open_downloads(base_url=kie.base_url) as http:
        clients = {account.name: account.client for account in accounts}
        archiver = Archiver(archive=files.archive, http=http, clients=clients, progress=progress)
        return await archiver.fetch_all(results)


def _write(
    context: dg.AssetExecutionContext,
    files: FilesResource,
    archived: _ShardToArchive,
    pictures: Sequence[Mapping[str, object]],
) -> None:
    table = images_table(archived.generations, pictures, positions=archived.positions)
    shard = parse_key(archived.key)
    provenance = {**files.warehouse.provenance(GENERATIONS, shard), "run_id": context.run.run_id}
    written = files.warehouse.write(IMAGES, shard, table, provenance)
    report_shard(
        context,
        IMAGES,
        archived.key,
        data_version=written.data_version,
        inputs={GENERATIONS: files.warehouse.data_version(GENERATIONS, shard)},
        metadata={
            "dagster/uri": written.path,
            **shown(context, f"What {archived.key} holds", lambda: {**images_metadata(table), **_gallery(files)}),
        },
    )


def _gallery(files: FilesResource) -> dict[str, dg.PathMetadataValue]:
    page = page_in(UPath(files.data_dir))
    return {"gallery": dg.MetadataValue.path(as_location(page))} if has_file(page) else {}
