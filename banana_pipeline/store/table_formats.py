"""What a file is that is no Parquet table, and the one line that makes one of it.

Lives here: formats by their first bytes and by their names. Does not live here: tables made of many files with a log of
their own (``lake_formats``), reading tables.

CSV and JSON are not read by themselves: what a number, a date or an empty cell stands for would be a guess, and a wrong
guess is a picture that nobody asked for. The line shows every choice.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from banana_pipeline.store.files import is_local, local_path
from banana_pipeline.store.places import shown_place

HEAD_BYTES = 4_096
_WRITE = "q.write_table({}, sys.argv[2])"
_CSV = (
    "import sys, pyarrow as pa, pyarrow.csv as c, pyarrow.parquet as q; "
    "q.write_table(c.read_csv(sys.argv[1], {read}parse_options=c.ParseOptions({parse}newlines_in_values=True), "
    "convert_options=c.ConvertOptions(column_types=dict.fromkeys(['prompt', 'prompt_template', 'id'], pa.string()), "
    "null_values=[''], strings_can_be_null=True)), sys.argv[2])"
)
_JSON_LINES = "import sys, pyarrow.json as j, pyarrow.parquet as q; " + _WRITE.format("j.read_json(sys.argv[1])")
_JSON = (
    "import sys, io, json, pyarrow.json as j, pyarrow.parquet as q; rows = json.load(open(sys.argv[1], 'rb')); "
    "q.write_table(j.read_json(io.BytesIO('\\n'.join(map(json.dumps, rows)).encode())), sys.argv[2])"
)
_EXCEL = (
    "import sys, pandas as pd; "
    "pd.read_excel(sys.argv[1], dtype={'prompt': str, 'prompt_template': str, 'id': str}).to_parquet(sys.argv[2])"
)
_FEATHER = "import sys, pyarrow.feather as f, pyarrow.parquet as q; " + _WRITE.format("f.read_table(sys.argv[1])")
_STREAM = "import sys, pyarrow as pa, pyarrow.parquet as q; " + _WRITE.format(
    "pa.ipc.open_stream(pa.OSFile(sys.argv[1])).read_all()"
)
_ORC = "import sys, pyarrow.orc as o, pyarrow.parquet as q; " + _WRITE.format("o.read_table(sys.argv[1])")
_EXPORT = "export the table from it as Parquet"
_AGAIN = "write or download it again"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file.

    Attributes:
        name: with its article. suffix: the ending that its readers expect.
        code: a program for ``python -c`` with the file and the new one as arguments, or None.
        advice: what to do where there is no such program; needs: a package that it needs besides ours.
    """

    name: str
    suffix: str = ""
    code: str | None = None
    advice: str = "write it as Parquet"
    needs: str = ""


_EXCEL_FILE = Format(name="an Excel file", suffix=".xlsx", code=_EXCEL, needs="openpyxl")
_ARROW_FILE = Format(name="an Arrow (Feather) file", suffix=".arrow", code=_FEATHER)
_ORC_FILE = Format(name="an ORC file", suffix=".orc", code=_ORC)
_GZIP = Format(name="packed with gzip", suffix=".gz", advice="unpack it first")
_ZIP = Format(name="a zip archive", suffix=".zip", advice="unpack it first")
_AVRO = Format(name="an Avro file", suffix=".avro")
_PICTURE = Format(name="a picture, not a table", advice="name a Parquet file")
_SQLITE = Format(name="a SQLite database", advice=_EXPORT)
_BY_BYTES: tuple[tuple[bytes, Format], ...] = (
    (b"PARE", Format(name="an encrypted Parquet file", advice="write it without encryption")),
    (b"ARROW1", _ARROW_FILE),
    (b"FEA1", _ARROW_FILE),
    (b"\xff\xff\xff\xff", Format(name="an Arrow stream", suffix=".arrows", code=_STREAM)),
    (b"ORC", _ORC_FILE),
    (b"Obj\x01", _AVRO),
    (b"\x1f\x8b", _GZIP),
    (b"BZh", Format(name="packed with bzip2", suffix=".bz2", advice="unpack it first")),
    (b"\x28\xb5\x2f\xfd", Format(name="packed with zstd", suffix=".zst", advice="unpack it first")),
    (b"\xfd7zXZ", Format(name="packed with xz", suffix=".xz", advice="unpack it first")),
    (b"7z\xbc\xaf", Format(name="a 7z archive", suffix=".7z", advice="unpack it first")),
    (b"Rar!", Format(name="a RAR archive", suffix=".rar", advice="unpack it first")),
    (b"PK\x03\x04", _ZIP),
    (b"\xd0\xcf\x11\xe0", Format(name="an old Excel file", suffix=".xls", code=_EXCEL, needs="xlrd")),
    (b"SQLite format 3", _SQLITE),
    (b"version https://git-lfs", Format(name="a Git LFS pointer, not the file itself", advice="run git lfs pull")),
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"RIFF", _PICTURE),
    (b"%PDF", Format(name="a PDF file", advice="name a Parquet file")),
    (b"\x89HDF", Format(name="an HDF5 file")),
    (b"\x93NUMPY", Format(name="a NumPy file")),
    (b"\x80\x04\x95", Format(name="a Python pickle")),
    (b"LANC", Format(name="a Lance file")),
)
_BY_SUFFIX: dict[str, Format] = {
    **dict.fromkeys((".xlsx", ".xlsm"), _EXCEL_FILE),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), _ARROW_FILE),
    ".xls": Format(name="an old Excel file", suffix=".xls", code=_EXCEL, needs="xlrd"),
    ".ods": Format(name="an OpenDocument table", suffix=".ods", code=_EXCEL, needs="odfpy"),
    ".orc": _ORC_FILE,
    ".avro": _AVRO,
    ".gz": _GZIP,
    ".zip": _ZIP,
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), _SQLITE),
    ".duckdb": Format(name="a DuckDB database", advice=_EXPORT),
}
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
OTHER_SUFFIXES = (*_TEXT_SUFFIXES, *_BY_SUFFIX)


def format_of(head: bytes, name: str) -> Format | None:
    """What a file is by its first bytes, where these say little by its name; None where it may be Parquet, or nothing.

    Args:
        head: the first `HEAD_BYTES`, or all there is. name: the file's.
    """
    if head.startswith(b"PAR1"):
        return None
    if not head:
        return Format(name="empty (0 bytes)", advice=_AGAIN)
    if not head.strip(b"\0"):
        return Format(name="nothing but zero bytes, as a copy that was broken off", advice=_AGAIN)
    suffix = Path(name).suffix.lower()
    for magic, found in _BY_BYTES:
        if head.startswith(magic):
            return _inside_archive(head, suffix, found)
    if head[8:12] == b"DUCK":
        return _BY_SUFFIX[".duckdb"]
    return _text_format(head, suffix) or _BY_SUFFIX.get(suffix)


def format_sentence(path: UPath, found: Format) -> str:
    """``path is a CSV file; make a Parquet file of it with: ...``"""
    told = f"{shown_place(path)} is {found.name}"
    line = _line(path, found)
    if line is None:
        return f"{told}; {found.advice}."
    needs = f" (needs pip install {found.needs})" if found.needs else ""
    return f"{told}; make a Parquet file of it{needs} with: {line}"


def head_of(path: UPath) -> bytes:
    """The first bytes of a file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return bytes(file.read(HEAD_BYTES))
    except Exception:  # each store has its own; whoever asks has a sentence already
        return b""


def python_line(code: str, *arguments: str, python: str | None = None) -> str | None:
    """A command line that runs ``code``; None where a name has characters that no line can hold."""
    words = [python or sys.executable, "-c", code, *arguments]
    if not all(word.isprintable() for word in words):
        return None
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _inside_archive(head: bytes, suffix: str, found: Format) -> Format:
    if found is _ZIP and (suffix in {".xlsx", ".xlsm"} or b"[Content_Types].xml" in head or b"xl/" in head):
        return _EXCEL_FILE
    if found is _ZIP and b"opendocument.spreadsheet" in head:
        return _BY_SUFFIX[".ods"]
    return found


def _text_format(head: bytes, suffix: str) -> Format | None:
    text = _text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    low = start[:200].lower()
    if low.startswith(("<!doctype html", "<html", "<head")):
        return Format(name="a web page (HTML), perhaps one to log in", advice=f"{_AGAIN}, as the file itself")
    if low.startswith("<"):
        return Format(name="an XML text, perhaps an error that a store has answered", advice=_AGAIN)
    if start.startswith("["):
        return Format(name="a JSON file", suffix=".json", code=_JSON)
    if start.startswith("{"):
        return Format(name="a JSON Lines file", suffix=".jsonl", code=_JSON_LINES)
    first_line = start.splitlines()[0] if start else ""
    separator = max("\t;,|", key=first_line.count)
    if suffix not in {".csv", ".tsv"} and separator not in first_line and "prompt" not in first_line:
        return Format(name="a text", advice="write it as Parquet, with a column prompt")
    return _csv(head, separator if separator in first_line else ",")


def _csv(head: bytes, separator: str) -> Format:
    encoding = _encoding(head)
    read = "" if encoding == "utf8" else f"read_options=c.ReadOptions(encoding={encoding!r}), "
    parse = "" if separator == "," else f"delimiter={separator!r}, "
    return Format(name="a CSV file", suffix=".csv", code=_CSV.format(read=read, parse=parse))


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf16"
    try:
        head[: -4 if len(head) == HEAD_BYTES else None].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf8"


def _text(head: bytes) -> str | None:
    """The bytes as text, if they are one."""
    text = head.decode({"utf8": "utf-8", "utf16": "utf-16", "cp1252": "cp1252"}[_encoding(head)], "replace")
    odd = sum(1 for character in text if not (character.isprintable() or character in "\t\r\n\ufeff"))
    return text if odd <= len(text) // 50 else None


def _line(path: UPath, found: Format) -> str | None:
    if not is_local(path):
        return None
    here = local_path(path).absolute()
    as_named = here.with_suffix(found.suffix) if found.suffix else here
    move = (
        ""
        if here.suffix.lower() not in {".parquet", ".parq", ".pq"}
        else f"mv {shlex.join([str(here), str(as_named)])} && "
    )
    if found is _GZIP:
        unpacked = here if move else here.with_suffix("")
        line = f"gunzip -c {shlex.quote(str(as_named if move else here))} > {shlex.quote(str(unpacked))}"
        return move + line if str(here).isprintable() else None
    if found.code is None:
        return None
    line = python_line(found.code, str(as_named if move else here), str(here.with_suffix(".parquet")))
    return None if line is None else move + line
