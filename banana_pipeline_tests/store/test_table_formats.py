"""Files that are no Parquet tables: what they are called, and that the line which converts them works as it stands."""

import gzip
import io
import json
import subprocess
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from banana_pipeline.core.failures import TableError
from banana_pipeline.store.tables import open_table

ROWS = pa.table({"prompt": ["a boat, red", "nan"], "id": ["007", "8"], "samples": [1, 2]})
CSV = 'prompt,id,samples\n"a boat, red",007,1\nnan,8,2\n'
JSON_ROWS = [
    {"prompt": "a boat, red", "id": "007", "samples": 1},
    {"prompt": "nan", "id": "8", "samples": 2, "more": {"a": 1}},
]


def _arrow(table: pa.Table, write: object) -> bytes:
    sink = io.BytesIO()
    write(table, sink)  # type: ignore[operator]
    return sink.getvalue()


def _stream(table: pa.Table, sink: io.BytesIO) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


FILES = {
    "cards.csv": ("a CSV file", CSV.encode()),
    "semicolons.csv": ("a CSV file", b"prompt;id;samples\na boat, red;007;1\nnan;8;2\n"),
    "tabs.tsv": ("a CSV file", b"prompt\tid\tsamples\na boat, red\t007\t1\nnan\t8\t2\n"),
    "excel.csv": ("a CSV file", CSV.encode("utf-16")),
    "cards.jsonl": ("a JSON Lines file", "\n".join(map(json.dumps, JSON_ROWS)).encode()),
    "cards.json": ("a JSON file", json.dumps(JSON_ROWS).encode()),
    "cards.arrow": ("an Arrow (Feather) file", _arrow(ROWS, feather.write_feather)),
    "cards.arrows": ("an Arrow stream", _arrow(ROWS, _stream)),
    "cards.orc": ("an ORC file", _arrow(ROWS, orc.write_table)),
    "it's $(mine).csv": ("a CSV file", CSV.encode()),
    "a csv.parquet": ("a CSV file", CSV.encode()),
    "orc.parquet": ("an ORC file", _arrow(ROWS, orc.write_table)),
}  # fmt: skip


def objection(path: Path) -> str:
    with pytest.raises(TableError) as caught:
        open_table(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", FILES)
def test_the_line_makes_a_table_with_the_same_rows(tmp_path: Path, name: str):
    told, data = FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    text = objection(path)
    assert f"{path} is {told}" in text
    subprocess.run(text.partition("with: ")[2], shell=True, check=True, cwd="/", timeout=60)
    made = open_table(path.with_suffix(".parquet")).read(range(2))
    assert made.select(ROWS.column_names).to_pylist() == ROWS.to_pylist()


def test_a_packed_table_is_unpacked_by_the_line(tmp_path: Path):
    path = tmp_path / "cards.parquet"
    pq.write_table(ROWS, path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    text = objection(path)
    assert "is packed with gzip" in text
    subprocess.run(text.partition("with: ")[2], shell=True, check=True, timeout=60)
    assert open_table(path).row_count == 2


def _zip(name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, "x")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty (0 bytes)"),
        (bytes(2_000), "zero bytes"),
        (b"\n <!DOCTYPE html><html><title>Sign in</title>", "is a web page (HTML)"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "git lfs pull"),
        (_zip("cards.csv"), "is a zip archive; unpack it first"),
        (_zip("[Content_Types].xml"), "is an Excel file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old Excel file"),
        (b"SQLite format 3\0" + bytes(600), "is a SQLite database"),
        (bytes(8) + b"DUCK" + bytes(600), "is a DuckDB database"),
        (b"Obj\x01" + bytes(600), "is an Avro file"),
        (b"PARE" + bytes(600), "is an encrypted Parquet file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "is a picture"),
        (b"just some notes\nof mine\n", "is a text"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(200)), "packed with zstd"),
    ],
)
def test_a_parquet_name_over_something_else_is_told_by_the_first_bytes(tmp_path: Path, data: bytes, told: str):
    path = tmp_path / "cards.parquet"
    path.write_bytes(data)
    assert told in objection(path)
