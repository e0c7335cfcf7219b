"""The bytes of an output file: writing them, and what they say of their content.

Lives here: compression, provenance and own columns in the footer, the data version. Does not live here: where files
are and who replaces them (``outputs``), their columns (``schemas``).
"""

import hashlib
import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from banana_pipeline.store.files import read_bytes
from banana_pipeline.store.own_columns import FOOTER_KEY

PROVENANCE_KEY = b"banana_pipeline"


def whole_file(path: UPath) -> pq.ParquetFile:
    """A file read at once: what is replaced meanwhile comes as it was or as it is."""
    return pq.ParquetFile(pa.BufferReader(read_bytes(path)))


def parquet_bytes(table: pa.Table, provenance: Mapping[str, str]) -> bytes:
    """A table as Parquet; of its schema's metadata what ``own_columns`` wrote is kept."""
    metadata = {PROVENANCE_KEY: json.dumps(dict(provenance), ensure_ascii=False, sort_keys=True).encode()}
    if own := (table.schema.metadata or {}).get(FOOTER_KEY):
        metadata[FOOTER_KEY] = own
    sink = pa.BufferOutputStream()
    # One chunk per column: how the rows were gathered must not show in the bytes.
    pq.write_table(table.combine_chunks().replace_schema_metadata(metadata), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def data_version_of(data: bytes) -> str:
    """Hash of a Parquet file without its footer, where the provenance is, but with the columns' names and types.

    The types are those of the file: a type in memory may be spelt in another way (the items of a list).
    """
    schema = pq.read_schema(pa.BufferReader(data))
    footer_bytes = int.from_bytes(data[-8:-4], "little") + 8
    digest = hashlib.sha256(json.dumps([[field.name, str(field.type)] for field in schema]).encode())
    digest.update((schema.metadata or {}).get(FOOTER_KEY, b""))
    digest.update(memoryview(data)[:-footer_bytes])
    return digest.hexdigest()[:32]
