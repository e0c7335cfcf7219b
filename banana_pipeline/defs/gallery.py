"""The asset ``gallery``: a page to look at everything.

Lives here: wiring. Does not live here: the page and its files (``banana_pipeline.gallery``).
"""

from typing import Any

import dagster as dg
import pyarrow as pa
from upath import UPath

from banana_pipeline.defs.events import CODE_VERSION, GROUP, told_in_words
from banana_pipeline.defs.metadata import preview_md
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.gallery.index import GalleryIndex
from banana_pipeline.gallery.places import Places
from banana_pipeline.gallery.write import write_gallery
from banana_pipeline.store.schemas import GENERATIONS, IMAGES


@dg.asset(
    name="gallery",
    deps=[
        dg.AssetDep(GENERATIONS, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(IMAGES, partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name=GROUP,
    description="A page to look at, search and filter every picture: open gallery/index.html in any browser.",
    code_version=CODE_VERSION,
    kinds={"html", "image"},
)
@told_in_words()
def gallery(files: FilesResource) -> dg.MaterializeResult[Any]:
    root = UPath(files.data_dir)
    folders = {table: files.reference_folders(path) for table, path in files.table_paths().items()}
    index = GalleryIndex(warehouse=files.warehouse, places=Places(root=root, folders=folders))
    written = write_gallery(root, index)
    return dg.MaterializeResult(
        metadata={
            "pictures": written.pictures,
            "rows": written.row_count,
            "megabytes": round(written.size_bytes / 1e6, 2),
            "page": dg.MetadataValue.path(written.path),
            "dagster/uri": written.path,
            "shown": _shown(index),
        }
    )


def _shown(index: GalleryIndex) -> dg.MarkdownMetadataValue:
    lines = [{"table": table, "state": state, "rows": rows} for (table, state), rows in sorted(index.states.items())]
    columns = ["table", "state", "rows"]
    return preview_md(pa.table({name: [line[name] for line in lines] for name in columns}), columns)
