"""Data folders for the gallery: outputs as the pipeline leaves them, and pictures that can be told apart.

Here: writing them, and reading the page's data files as a strict reader of JSON would. Not here: facts; the tests state
those.
"""

import colorsys
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, ImageDraw
from upath import UPath

from banana_pipeline.core.shards import Shard
from banana_pipeline.gallery.index import GalleryIndex
from banana_pipeline.gallery.places import Places
from banana_pipeline.gallery.write import WrittenGallery, write_gallery
from banana_pipeline.store.images import ImageArchive
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.own_columns import FOOTER_KEY, packed
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, contract_schema

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
_SHAPES = {"1:1": (1.0, 1.0), "16:9": (16, 9), "3:4": (3, 4), "9:16": (9, 16), "21:9": (21, 9)}
Row = dict[str, Any]


class Scene:
    """A data folder that tests fill."""

    def __init__(self, root: UPath, prompts: Path | None = None) -> None:
        self.root = root
        self.prompts = prompts
        self.warehouse = Warehouse(root)
        self.archive = ImageArchive(root)

    def add(self, table: str, rows: Iterable[Row], *, index: int = 0, width_px: int = 256) -> None:
        """One shard: rows with at least a prompt; ``picture=False`` for a success that was never fetched."""
        generations: list[Row] = []
        images: list[Row] = []
        for number, given in enumerate(rows):
            row = generation(table, number, given)
            pictures = given.get("pictures", 1 if row["status"] == "succeeded" else 0)
            generations.append(row)
            images += [{**row, **self.picture(row, one, width_px)} for one in range(pictures)]
        shard = Shard(table=table, index=index)
        asked = [{**row, "image_sha256": self._hashes(row["image_input"])} for row in generations]
        self.warehouse.write(PROMPTS, shard, as_table(PROMPTS, asked, like=generations))
        self.warehouse.write(GENERATIONS, shard, as_table(GENERATIONS, generations))
        self.warehouse.write(IMAGES, shard, as_table(IMAGES, images or [], like=generations))

    def _hashes(self, references: list[str] | None) -> list[str | None]:
        """What the checking of a table finds: the content of local references."""
        return [self._hash(name) if name and "://" not in name else None for name in references or []]

    def _hash(self, name: str) -> str | None:
        folders = [folder for folder in (self.prompts, self.root / "reference") if folder is not None]
        files = [folder / name for folder in folders if (folder / name).is_file()]
        return hashlib.sha256(files[0].read_bytes()).hexdigest() if files else None

    def picture(self, row: Row, number: int, width_px: int) -> Row:
        if "image_path" in row["_given"] or width_px == 0:
            return {"image_path": None, **row["_given"]}
        data = drawn(row["row_number"] + number, row["aspect_ratio"], width_px)
        return self.archive.store(row["request_id"], number, data, row["completed_at"]).record()

    def write(self, **more: Any) -> WrittenGallery:
        folders = {} if self.prompts is None else {"products": [self.prompts]}
        """Write the gallery; arguments of `GalleryIndex` and of `write_gallery`."""
        sizes = ("most_rows", "rows_per_file", "details_per_file")
        settings = {name: more.pop(name) for name in sizes if name in more}
        places = Places(root=self.root, folders=folders)
        return write_gallery(self.root, GalleryIndex(warehouse=self.warehouse, places=places, **settings), **more)

    @property
    def gallery(self) -> UPath:
        return self.root / "gallery"

    def file_names(self) -> set[str]:
        return {path.name for path in (self.gallery / "files").iterdir()}

    def named(self, kind: str) -> list[str]:
        return sorted(name for name in self.file_names() if name.startswith(f"{kind}-"))

    def message(self, name: str) -> Row:
        return parsed((self.gallery / "files" / name).read_bytes())

    def manifest(self) -> Row:
        (name,) = re.findall(r"manifest-[0-9a-f]+\.js", (self.gallery / "index.html").read_text())
        return self.message(name)

    def values(self, column: str) -> list[Any]:
        """A column of all rows of the page, in its order."""
        return [value for name in self.manifest()["rows"] for value in self.message(name)["columns"][column]]

    def details(self) -> list[Row]:
        return [value for name in self.manifest()["details"] for value in self.message(name)["values"]]


def address_of(scene: Scene) -> str:
    """The page as a browser opens it from the disk."""
    return Path(str(scene.gallery / "index.html")).as_uri()


def parsed(script: bytes) -> Any:
    """What a data file hands over, if it is one call with one JSON text and nothing else."""
    match = re.fullmatch(rb"bananaGallery\((.*)\);\n", script, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def generation(table: str, number: int, given: Mapping[str, Any]) -> Row:
    at = START + timedelta(minutes=number)
    row: Row = {
        "request_id": f"{abs(hash((table, number))):032x}"[:32],
        "prompt_table": table,
        "row_number": number,
        "id": None,
        "sample": 0,
        "image_input": [],
        "aspect_ratio": "1:1",
        "resolution": "1K",
        "output_format": "png",
        "model": "nano-banana-pro",
        "status": "succeeded",
        "attempt": 1,
        "attempt_id": f"attempt-{table}-{number}",
        "task_id": f"task-{table}-{number}",
        "credits": 18.0,
        "cost_usd": 0.09,
        "account": "0123456789ab",
        "submitted_at": at,
        "completed_at": at + timedelta(seconds=20),
        "generation_s": 20.0 + number % 7,
        "is_reused": False,
        "run_id": "run-1",
        "table_version": "version-1",
        "code_version": "1",
    }
    return {**row, **{name: value for name, value in given.items() if name != "pictures"}, "_given": dict(given)}


def as_table(asset: str, rows: list[Row], like: list[Row] | None = None) -> pa.Table:
    contract = contract_schema(asset)
    known = {*contract.names, *contract_schema(IMAGES).names, "_given"}
    own = dict.fromkeys(name for row in like or rows for name in row if name not in known)
    extra = packed(
        pa.table({"": pa.nulls(len(rows)), **{n: [row.get(n) for row in rows] for n in own}}).select(list(own)), {}
    )
    filled = [{"extra": extra.values[number], **row} for number, row in enumerate(rows)]
    columns = {field.name: pa.array([row.get(field.name) for row in filled], field.type) for field in contract}
    return pa.table(columns).replace_schema_metadata({FOOTER_KEY: extra.footer})


def drawn(number: int, ratio: str, width_px: int) -> bytes:
    """A picture with some depth, in a colour of its number."""
    wide, high = _SHAPES.get(ratio, (1.0, 1.0))
    size = (width_px, max(1, round(width_px * high / wide)))
    image = Image.linear_gradient("L").resize(size)
    hue = number * 0.137 % 1
    dark, light = (tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, depth, 0.45)) for depth in (0.2, 0.8))
    palette = [round(a + (b - a) * step / 255) for step in range(256) for a, b in zip(dark, light, strict=True)]
    image.putpalette(palette)
    picture = image.convert("RGB")
    pen = ImageDraw.Draw(picture)
    radius = min(size) * (0.15 + 0.05 * (number % 4))
    centre = (size[0] * (0.25 + 0.17 * (number % 4)), size[1] * 0.4)
    sun = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    pen.ellipse(sun, fill=tuple(round(255 * part) for part in colorsys.hls_to_rgb((hue + 0.45) % 1, 0.7, 0.7)))
    pen.rectangle((0, size[1] * 0.72, *size), fill=tuple(part // 2 for part in dark))
    sink = io.BytesIO()
    picture.save(sink, "PNG", compress_level=1)
    return sink.getvalue()
