"""The asset ``gallery``: a page to look at everything.

Lives here: wiring. Does not live here: the page and its files (``banana_pipeline.gallery``).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from upath import UPath

from banana_pipeline.core.failures import UserError
from banana_pipeline.defs.events import CODE_VERSION, GROUP
from banana_pipeline.defs.metadata import preview_md
from banana_pipeline.defs.resources import FilesResource
from banana_pipeline.defs.showing import told_only
from banana_pipeline.gallery.index import GalleryIndex
from banana_pipeline.gallery.places import Places
from banana_pipeline.gallery.write import write_gallery
from banana_pipeline.progress import Progress
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
    output_required=False,
)
def gallery(
    context: dg.AssetExecutionContext, files: FilesResource, progress: dg.ResourceParam[Progress]
) -> Iterator[dg.MaterializeResult[Any]]:
    with told_only(context, progress, "The gallery"):
        yield _written(context, files)


def _written(context: dg.AssetExecutionContext, files: FilesResource) -> dg.MaterializeResult[Any]:
    root = UPath(files.data_dir)
    index = GalleryIndex(warehouse=files.warehouse, places=Places(root=root, folders=_folders(context, files)))
    written = write_gallery(root, index)
    for problem in index.problems:
        context.log.warning(f"{problem} The gallery shows the other rows.")
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


def _folders(context: dg.AssetExecutionContext, files: FilesResource) -> dict[str, tuple[Path, ...]]:
    """Where references lie; pictures are shown also where the prompts folder cannot be read."""
    try:
        return {table: files.reference_folders(path) for table, path in files.table_paths().items()}
    except UserError as error:
        context.log.warning(f"{error} Reference images are not shown.")
        return {}


def _shown(index: GalleryIndex) -> dg.MarkdownMetadataValue:
    lines = [{"table": table, "state": state, "rows": rows} for (table, state), rows in sorted(index.states.items())]
    columns = ["table", "state", "rows"]
    return preview_md(pa.table({name: [line[name] for line in lines] for name in columns}), columns)
