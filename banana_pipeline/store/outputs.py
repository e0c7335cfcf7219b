"""The output tables on disk or in an object store: one Parquet file per asset and shard, replaced in one step.

Lives here: writing, reading and listing them, data versions and provenance. Does not live here: where they are
(``output_places``), their columns (``schemas``), what is in them (``output_tables``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.files import (
    as_location,
    check_place,
    has_file,
    is_local,
    listed,
    read_bytes,
    remove_file,
    write_bytes,
)
from banana_pipeline.store.old_outputs import upgraded
from banana_pipeline.store.output_bytes import PROVENANCE_KEY, data_version_of, parquet_bytes, whole_file
from banana_pipeline.store.output_places import FOLDERS, is_old, output_folder, shard_of, shard_paths, table_folders
from banana_pipeline.store.own_columns import EXTRA, FOOTER_KEY
from banana_pipeline.store.row_groups import open_parquet
from banana_pipeline.store.schemas import ASSETS, contract_schema


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenPartition:
    """One file of an output.

    Attributes:
        path: absolute path or full URI.
        row_count: may be 0.
        size_bytes: of the file.
        data_version: 32 hex digits over columns and values; equal for equal content, whatever the provenance.
    """

    path: str
    row_count: int
    size_bytes: int
    data_version: str


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """Rows of all shards of an output.

    Attributes:
        rows: those that could be read.
        problems: a sentence for each file that could not.
    """

    rows: pa.Table
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warehouse:
    """All output tables below ``root`` (the data folder, or a URI)."""

    root: UPath

    def __post_init__(self) -> None:
        check_place(self.root)

    def path(self, asset: str, shard: Shard) -> UPath:
        """Where one shard of an output is, or will be."""
        now, before = shard_paths(self.root, asset, shard)
        return before if not has_file(now) and has_file(before) else now

    def write(
        self, asset: str, shard: Shard, table: pa.Table, provenance: Mapping[str, str] | None = None
    ) -> WrittenPartition:
        """Write one shard, replacing what was there; readers see the old file or the new one.

        Args:
            asset, shard: which.
            table: its rows; of the schema's metadata what ``own_columns`` wrote stays, and column descriptions.
            provenance: where it comes from, kept as JSON in the Parquet footer under ``banana_pipeline``.

        Raises:
            SettingsError: the place cannot be written.
        """
        path, before = shard_paths(self.root, asset, shard)
        data = parquet_bytes(table, provenance or {})
        write_bytes(path, data)
        remove_file(before)
        return WrittenPartition(
            path=as_location(path),
            row_count=table.num_rows,
            size_bytes=len(data),
            data_version=data_version_of(data),
        )

    def write_summary(self, asset: str, table: pa.Table, provenance: Mapping[str, str]) -> str:
        """Write an output that is not cut into shards: ``<root>/warehouse/<asset>/<asset>.parquet``; where it is.

        Raises:
            SettingsError: as `write`.
        """
        path = output_folder(self.root, asset) / f"{asset}.parquet"
        write_bytes(path, parquet_bytes(table, provenance))
        return as_location(path)

    def exists(self, asset: str, shard: Shard) -> bool:
        """True if the shard was written."""
        return any(has_file(path) for path in shard_paths(self.root, asset, shard))

    def read(self, asset: str, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """One shard with all columns or some, also where an older version has written it.

        Raises:
            TableError: it was not written yet, or is damaged.
        """
        path = self.path(asset, shard)
        with self._open(path, asset, shard, is_whole=True) as file:
            if is_old(path):
                table = upgraded(asset, shard, file.read())
                return table if columns is None else table.select(list(columns)).replace_schema_metadata(None)
            table = file.read(columns=None if columns is None else list(columns))
            footer = (file.metadata.metadata or {}).get(FOOTER_KEY) if EXTRA in table.column_names else None
            return table.replace_schema_metadata(footer and {FOOTER_KEY: footer})

    def provenance(self, asset: str, shard: Shard) -> dict[str, str]:
        """What `write` was told about where the shard comes from.

        Raises:
            TableError: as `read`.
        """
        with self._open(self.path(asset, shard), asset, shard) as file:
            return json.loads((file.metadata.metadata or {}).get(PROVENANCE_KEY, b"{}"))

    def data_version(self, asset: str, shard: Shard) -> str:
        """The data version of a shard as `write` told it, from the file itself.

        Raises:
            TableError: as `read`.
        """
        path = self.path(asset, shard)
        with self._open(path, asset, shard):
            return data_version_of(read_bytes(path))

    def remove(self, asset: str, shard: Shard) -> bool:
        """Take away a shard whose rows no longer exist; False if there was none.

        Raises:
            SettingsError: the file cannot be removed.
        """
        removed = [remove_file(path) for path in shard_paths(self.root, asset, shard)]
        return any(removed)

    def remove_other_cuts(self, table: str, shard_rows: int) -> list[Shard]:
        """Take away what was written of a table when its shards had another size; their rows overlap with ours.

        Nothing is lost: what was paid is in the ledger and in the archive, and comes back with the next run.
        """
        removed: list[Shard] = []
        for asset in ASSETS:
            for shard in self.shards(asset, table):
                if self._shard_rows(asset, shard) not in {None, str(shard_rows)}:
                    self.remove(asset, shard)
                    removed.append(shard)
        return removed

    def _shard_rows(self, asset: str, shard: Shard) -> str | None:
        """None where nobody can tell: a damaged file is about to be written again."""
        try:
            return self.provenance(asset, shard).get("shard_rows")
        except TableError:
            return None

    def shards(self, asset: str, table: str | None = None) -> list[Shard]:
        """Every shard written so far (of one table), sorted by table and index."""
        return sorted(self._files(asset, table))

    def _files(self, asset: str, table: str | None = None) -> dict[Shard, UPath]:
        """Where each shard is, from listings alone; today's file where there are two."""
        if table is None:
            folders = [it for it in listed(output_folder(self.root, asset)) if it.name.startswith(FOLDERS)]
        else:
            folders = table_folders(self.root, asset, table)
        folders.sort(key=lambda folder: folder.name.startswith(FOLDERS[-1]))
        files = ((f"{folder.name}/{file.name}", file) for folder in folders for file in listed(folder))
        return {shard: file for name, file in files if (shard := shard_of(name)) is not None}

    def dataset(self, asset: str) -> ds.Dataset:
        """All shards of an output as one dataset."""
        paths = [path for _, path in sorted(self._files(asset).items())]
        schema = contract_schema(asset)
        if not paths:
            return ds.dataset(schema.empty_table())
        filesystem = LocalFileSystem() if is_local(paths[0]) else paths[0].fs
        names = [as_location(path) if is_local(path) else path.path for path in paths]
        return ds.dataset(names, schema=schema, format="parquet", filesystem=filesystem)

    def scan(self, asset: str, columns: Sequence[str], only: pc.Expression | None = None) -> Scanned:
        """Some columns of all shards. A file that cannot be read is told and costs nobody the others.

        Args:
            only: which rows; by default all.
        """
        try:
            return Scanned(rows=self.dataset(asset).to_table(columns=list(columns), filter=only))
        except (OSError, pa.ArrowException):
            return self._scan_each(asset, columns, only)

    def _scan_each(self, asset: str, columns: Sequence[str], only: pc.Expression | None) -> Scanned:
        schema = contract_schema(asset)
        tables = [pa.schema([schema.field(name) for name in columns]).empty_table()]
        problems: list[str] = []
        for shard in self.shards(asset):
            try:
                rows = self.read(asset, shard)
            except TableError as error:
                problems.append(str(error))
                continue
            tables.append((rows if only is None else rows.filter(only)).select(list(columns)))
        rows = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
        return Scanned(rows=rows, problems=tuple(problems))

    @contextmanager
    def _open(self, path: UPath, asset: str, shard: Shard, *, is_whole: bool = False) -> Iterator[pq.ParquetFile]:
        """``is_whole``: all of it will be read, so an object store is asked once, and never for two versions."""
        try:
            with whole_file(path) if is_whole and not is_local(path) else open_parquet(path) as file:
                yield file
        except FileNotFoundError as error:
            raise TableError(
                f"There is no output {asset!r} for {shard.key} yet; materialize {asset!r} for it first."
            ) from error
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise TableError(
                f"The output file {as_location(path)} is damaged; materialize {asset!r} for {shard.key} again."
            ) from error
