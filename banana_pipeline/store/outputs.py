"""The output tables on disk or in an object store: one Parquet file per asset and shard, replaced in one step.

Lives here: where the files are, writing, reading and listing them, data versions and provenance. Does not live here:
their columns (``schemas``) and what is in them (``output_tables``).

    <root>/warehouse/<asset>/table=<table>/shard=<0000>.parquet
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard, safe_name
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
from banana_pipeline.store.row_groups import open_parquet
from banana_pipeline.store.schemas import ASSETS, common_schema

PROVENANCE_KEY = b"banana_pipeline"
_SHARD_FILE = re.compile(r"shard=(\d{4,})\.parquet")


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


@dataclass(frozen=True)
class Warehouse:
    """All output tables below ``root`` (the data folder, or a URI)."""

    root: UPath

    def __post_init__(self) -> None:
        check_place(self.root)

    def path(self, asset: str, shard: Shard) -> UPath:
        """Where one shard of an output is, written or not."""
        return self._folder(asset) / f"table={safe_name(shard.table)}" / f"shard={shard.index:04d}.parquet"

    def write(
        self, asset: str, shard: Shard, table: pa.Table, provenance: Mapping[str, str] | None = None
    ) -> WrittenPartition:
        """Write one shard, replacing what was there; readers see the old file or the new one.

        Args:
            asset, shard: which.
            table: its rows; schema-level metadata is left out, column descriptions stay.
            provenance: where it comes from, kept as JSON in the Parquet footer under ``banana_pipeline``.

        Raises:
            SettingsError: the place cannot be written.
        """
        path = self.path(asset, shard)
        data = _parquet_bytes(table, provenance or {})
        write_bytes(path, data)
        return WrittenPartition(
            path=as_location(path),
            row_count=table.num_rows,
            size_bytes=len(data),
            data_version=_data_version(data),
        )

    def write_summary(self, asset: str, table: pa.Table, provenance: Mapping[str, str]) -> str:
        """Write an output that is not cut into shards: ``<root>/warehouse/<asset>/<asset>.parquet``; where it is.

        Raises:
            SettingsError: as `write`.
        """
        path = self._folder(asset) / f"{asset}.parquet"
        write_bytes(path, _parquet_bytes(table, provenance))
        return as_location(path)

    def exists(self, asset: str, shard: Shard) -> bool:
        """True if the shard was written."""
        return has_file(self.path(asset, shard))

    def read(self, asset: str, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """One shard as written, with all columns or some.

        Raises:
            TableError: it was not written yet, or is damaged.
        """
        with self._open(asset, shard, is_whole=True) as file:
            return file.read(columns=None if columns is None else list(columns)).replace_schema_metadata(None)

    def provenance(self, asset: str, shard: Shard) -> dict[str, str]:
        """What `write` was told about where the shard comes from.

        Raises:
            TableError: as `read`.
        """
        with self._open(asset, shard) as file:
            return json.loads((file.metadata.metadata or {}).get(PROVENANCE_KEY, b"{}"))

    def data_version(self, asset: str, shard: Shard) -> str:
        """The data version of a shard as `write` told it, from the file itself.

        Raises:
            TableError: as `read`.
        """
        with self._open(asset, shard):
            return _data_version(read_bytes(self.path(asset, shard)))

    def remove(self, asset: str, shard: Shard) -> bool:
        """Take away a shard whose rows no longer exist; False if there was none.

        Raises:
            SettingsError: the file cannot be removed.
        """
        return remove_file(self.path(asset, shard))

    def remove_other_cuts(self, table: str, shard_rows: int) -> list[Shard]:
        """Take away what was written of a table when its shards had another size; their rows overlap with ours.

        Nothing is lost: what was paid is in the ledger and in the archive, and comes back with the next run.
        """
        removed: list[Shard] = []
        for asset in ASSETS:
            for shard in self.shards(asset, table):
                if self.provenance(asset, shard).get("shard_rows", str(shard_rows)) != str(shard_rows):
                    self.remove(asset, shard)
                    removed.append(shard)
        return removed

    def shards(self, asset: str, table: str | None = None) -> list[Shard]:
        """Every shard written so far (of one table), sorted by table and index."""
        if table is None:
            folders = [it for it in listed(self._folder(asset)) if it.name.startswith("table=")]
        else:
            folders = [self._folder(asset) / f"table={safe_name(table)}"]
        found = [(folder, _SHARD_FILE.fullmatch(file.name)) for folder in folders for file in listed(folder)]
        return sorted(
            Shard(table=unquote(folder.name.removeprefix("table=")), index=int(match[1]))
            for folder, match in found
            if match is not None
        )

    def dataset(self, asset: str) -> ds.Dataset:
        """All shards of an output as one dataset: contract columns first, then every table's own columns.

        A column that a shard lacks is null there. A column that two tables have in types which do not fit together
        is left out; it is still in each file.

        Raises:
            TableError: a file is damaged.
        """
        paths = [self.path(asset, shard) for shard in self.shards(asset)]
        schema = common_schema(asset, [_schema_of(path) for path in paths])
        if not paths:
            return ds.dataset(schema.empty_table())
        filesystem = LocalFileSystem() if is_local(paths[0]) else paths[0].fs
        names = [as_location(path) if is_local(path) else path.path for path in paths]
        return ds.dataset(names, schema=schema, format="parquet", filesystem=filesystem)

    def _folder(self, asset: str) -> UPath:
        return self.root / "warehouse" / asset

    @contextmanager
    def _open(self, asset: str, shard: Shard, *, is_whole: bool = False) -> Iterator[pq.ParquetFile]:
        """``is_whole``: all of it will be read, so an object store is asked once, and never for two versions."""
        path = self.path(asset, shard)
        try:
            with _one_get(path) if is_whole and not is_local(path) else open_parquet(path) as file:
                yield file
        except FileNotFoundError as error:
            raise TableError(
                f"There is no output {asset!r} for {shard.key} yet; materialize {asset!r} for it first."
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise TableError(
                f"The output file {as_location(path)} is damaged; materialize {asset!r} for {shard.key} again."
            ) from error


def _one_get(path: UPath) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(read_bytes(path)))


def _parquet_bytes(table: pa.Table, provenance: Mapping[str, str]) -> bytes:
    metadata = {PROVENANCE_KEY: json.dumps(dict(provenance), ensure_ascii=False, sort_keys=True).encode()}
    sink = pa.BufferOutputStream()
    # One chunk per column: how the rows were gathered must not show in the bytes.
    pq.write_table(table.combine_chunks().replace_schema_metadata(metadata), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _data_version(data: bytes) -> str:
    """Hash of a Parquet file without its footer, where the provenance is, but with the columns' names and types.

    The types are those of the file: a type in memory may be spelt in another way (the items of a list).
    """
    schema = pq.read_schema(pa.BufferReader(data))
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    digest = hashlib.sha256(json.dumps([[field.name, str(field.type)] for field in schema]).encode())
    digest.update(memoryview(data)[:-footer_bytes])
    return digest.hexdigest()[:32]


def _schema_of(path: UPath) -> pa.Schema:
    try:
        with open_parquet(path) as file:
            return file.schema_arrow.remove_metadata()
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            f"The output file {as_location(path)} is damaged; materialize its asset for that shard again."
        ) from error
