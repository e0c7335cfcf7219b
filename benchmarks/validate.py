"""Seconds to validate a million rows, beside reading the same file with pyarrow alone."""

import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from banana_pipeline.core.shards import shards_of
from banana_pipeline.store.references import ReferenceResolver
from banana_pipeline.store.shard_rows import read_shards
from banana_pipeline.store.tables import open_table

ROWS = 1_000_000
SHARD_ROWS = 2_000


def main() -> None:
    """Write a table, read it bare, validate it, print both times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        ratios = pa.array(["1:1", "16:9", "2:3", None] * (ROWS // 4))
        prompts = pa.array([f"a red boat number {number} on a quiet lake" for number in range(ROWS)])
        pq.write_table(pa.table({"prompt": prompts, "aspect_ratio": ratios, "market": ratios}), path)
        started_s = time.monotonic()
        pq.read_table(path)
        bare_s = time.monotonic() - started_s
        started_s = time.monotonic()
        table = open_table(path)
        slices = [shard.rows(SHARD_ROWS) for shard in shards_of("million", row_count=ROWS, shard_rows=SHARD_ROWS)]
        accepted = sum(it.request_count for it in read_shards(table, slices, resolve_image=ReferenceResolver(())))
        ours_s = time.monotonic() - started_s
    print(f"pyarrow, reading only: {bare_s:.2f} s")
    print(f"banana_pipeline, every row checked: {ours_s:.2f} s for {accepted:,} requests ({ours_s / bare_s:.0f} x)")
