"""The assets ``prompt_tables``, ``prompts`` and ``rejected_prompts``: from files to checked requests.

Lives here: wiring. Does not live here: reading tables (``store``) and judging rows (``core.rows``).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field
from upath import UPath

from banana_pipeline.core.failures import LedgerError, SettingsError
from banana_pipeline.core.shards import Shard, parse_key
from banana_pipeline.core.told import printable
from banana_pipeline.defs.column_lineage import lineage_metadata
from banana_pipeline.defs.events import CODE_VERSION, GROUP, quiet_output, report_shard, report_source, told_in_words
from banana_pipeline.defs.metadata import OWNERS, preview_md, schema_metadata
from banana_pipeline.defs.partitions import prompt_shards, register_shards
from banana_pipeline.defs.resources import FilesResource, LedgerResource
from banana_pipeline.defs.showing import shown
from banana_pipeline.defs.table_scan import problem_of
from banana_pipeline.store import ledger as ledger_
from banana_pipeline.store.group_commit import LedgerWriter
from banana_pipeline.store.output_tables import prompts_table, rejected_table
from banana_pipeline.store.own_columns import read_footer
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.references import ReferenceResolver
from banana_pipeline.store.schemas import PROMPTS, REJECTED
from banana_pipeline.store.shard_rows import ShardRows, read_shards
from banana_pipeline.store.table_origin import ORIGIN, check_origin, origin_of
from banana_pipeline.store.tables import content_version, open_table, skipped_tables

_TABLE_COLUMNS = [
    dg.TableColumn("prompt", "string", description="What to draw, 1 to 10,000 characters, sent as it stands."),
    dg.TableColumn("prompt_template", "string", description="In place of prompt: {column} is filled from the row."),
    dg.TableColumn("id", "string", description="Optional, unique: the row's own name in all outputs."),
    dg.TableColumn("image_input", "list<string>", description="Optional: up to 8 reference images, links or paths."),
    dg.TableColumn("aspect_ratio", "string", description="Optional, such as 16:9; 1:1 where nothing is said."),
    dg.TableColumn("resolution", "string", description="Optional: 1K (also where nothing is said), 2K or 4K."),
    dg.TableColumn("output_format", "string", description="Optional: png (also where nothing is said) or jpg."),
    dg.TableColumn("samples", "int", description="Optional: how many pictures of this row, 1 to 100."),
    dg.TableColumn("any other", "any", description="Carried through to the outputs, in the column extra."),
]


@dg.observable_source_asset(
    name="prompt_tables",
    partitions_def=prompt_shards,
    group_name=GROUP,
    description=(
        "Parquet files, or folders of Parquet parts, in the prompts folder. Observing them registers new shards; the "
        "data version of a shard is the hash of its whole table."
    ),
    tags={"dagster/kind/parquet": ""},
    metadata={"dagster/column_schema": dg.TableSchema(columns=_TABLE_COLUMNS)},
)
def prompt_tables(context: dg.AssetExecutionContext, files: FilesResource) -> dg.DataVersionsByPartition:
    versions: dict[str, str] = {}
    for reason in skipped_tables(UPath(files.prompts_dir)).values():
        context.log.error(reason)
    for name, path in files.table_paths().items():
        try:
            table = open_table(path, name)
            version = content_version(table)
            versions.update({shard.key: version for shard in files.shards(table)})
        except Exception as error:  # whatever is odd about one table, the others are registered
            context.log.error(printable(problem_of(name, error)))
    register_shards(context.instance, versions)
    return dg.DataVersionsByPartition(versions)


class PromptsConfig(dg.Config):
    """Launch options of ``prompts``."""

    regenerate: str = Field(
        default="",
        description=(
            "Buy every image of these shards again, under this label. A label is bought once; choose a new one to buy "
            "again. Costs money."
        ),
    )


@dg.multi_asset(
    name="read_prompts",
    partitions_def=prompt_shards,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=GROUP,
    specs=[
        dg.AssetSpec(
            PROMPTS,
            deps=[prompt_tables],
            description="Rows that can be sent, one line per request, each with its request_id.",
            code_version=CODE_VERSION,
            kinds={"parquet"},
            owners=OWNERS,
            metadata=schema_metadata(PROMPTS),
        ),
        dg.AssetSpec(
            REJECTED,
            deps=[prompt_tables],
            description="Rows that cannot be sent, each with everything that is wrong with it.",
            code_version=CODE_VERSION,
            kinds={"parquet"},
            owners=OWNERS,
            metadata=schema_metadata(REJECTED),
        ),
    ],
)
def read_prompts(
    context: dg.AssetExecutionContext, config: PromptsConfig, files: FilesResource, ledger: LedgerResource
) -> Iterator[dg.Output[None]]:
    problems: dict[str, str] = {}
    with told_in_words(), ledger.open() as writer:
        for name, shards in _by_table(context.partition_keys):
            labels = [_label(writer, shard, config.regenerate) for shard in shards]
            try:
                table = files.open_table(name)
                check_origin(files.warehouse, table)
                origin = origin_of(table.path, files.warehouse.root)
                for column, why in table.left_out.items():
                    context.log.info(f"Table {name!r}: the outputs leave out the column {column!r}: {why}.")
                for shard, rows, version in _read_table(files, table, shards, labels):
                    _write(context, files, shard, rows, version, origin)
            except (LedgerError, SettingsError):  # nothing can be done for any table
                raise
            except Exception as error:  # whatever is odd about one table, the others are read
                problems[name] = problem_of(name, error)
                context.log.error(printable(problems[name]))
    if problems and len(problems) == len(_by_table(context.partition_keys)):
        raise dg.Failure(" ".join(problems.values()), allow_retries=False)
    yield quiet_output(PROMPTS)
    yield quiet_output(REJECTED)


def _by_table(keys: Iterable[str]) -> list[tuple[str, list[Shard]]]:
    """Shards in row order, table by table."""
    shards = sorted(parse_key(key) for key in keys)
    return [(name, list(group)) for name, group in groupby(shards, key=lambda shard: shard.table)]


def _label(writer: LedgerWriter, shard: Shard, regenerate: str) -> str:
    """Under which label the shard's requests are bought: the one just given, or the last one ever given."""
    if regenerate:
        writer.call(ledger_.regenerate, shard.key, regenerate, datetime.now(UTC))
        return regenerate
    return writer.call(ledger_.regeneration_of, shard.key)


def _read_table(
    files: FilesResource, table: PromptTable, shards: Sequence[Shard], labels: Sequence[str]
) -> Iterator[tuple[Shard, ShardRows, str]]:
    """Check all rows of some shards in one pass over their table; also the table's version."""
    files.warehouse.remove_other_cuts(table.name, files.shard_rows)
    version, duplicate_ids = content_version(table), table.duplicate_ids()
    resolver = ReferenceResolver(files.reference_folders(table.path), keep_in=files.reference_dir)
    for label, group in groupby(zip(shards, labels, strict=True), key=lambda pair: pair[1]):
        own = [shard for shard, _ in group]
        slices = [shard.rows(files.shard_rows) for shard in own]
        contents = read_shards(table, slices, resolve_image=resolver, duplicate_ids=duplicate_ids, regenerate=label)
        for shard, rows in zip(own, contents, strict=True):
            yield shard, rows, version


def _write(
    context: dg.AssetExecutionContext, files: FilesResource, shard: Shard, rows: ShardRows, version: str, origin: str
) -> None:
    provenance = {
        "run_id": context.run.run_id,
        "prompt_table": shard.table,
        "table_version": version,
        ORIGIN: origin,
        "shard_rows": str(files.shard_rows),
    }
    report_source(context, "prompt_tables", shard.key, version)
    for asset, table in (
        (PROMPTS, prompts_table(rows, shard=shard, table_version=version)),
        (REJECTED, rejected_table(rows, shard=shard, table_version=version)),
    ):
        written = files.warehouse.write(asset, shard, table, provenance)
        report_shard(
            context,
            asset,
            shard.key,
            data_version=written.data_version,
            inputs={"prompt_tables": version},
            metadata={
                "dagster/partition_row_count": written.row_count,
                "dagster/uri": written.path,
                "table_version": version,
                **shown(context, f"What {asset} holds", partial(_metadata, asset, table, rows)),
            },
        )


def _metadata(asset: str, table: pa.Table, rows: ShardRows) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "rows_in_table": len(rows.rows),
        "rows_rejected": rows.rejected_count,
        **lineage_metadata(asset, rows.extra_columns),
    }
    if left_out := read_footer(table.schema.metadata).left_out:
        reasons = {"column": list(left_out), "left out because": list(left_out.values())}
        metadata["columns_left_out"] = preview_md(pa.table(reasons), list(reasons))
    if asset == PROMPTS:
        metadata["price_credits"] = float(sum(table["price_credits"].to_pylist()))
    elif table.num_rows:
        metadata["rejected"] = preview_md(table, ["row_number", "id", "prompt", "problem"])
    return metadata
