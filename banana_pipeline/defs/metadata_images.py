"""What the page of ``images`` shows of a shard.

Lives here: counts, what is wrong with pictures, the contact sheet. Does not live here: Markdown (``metadata``).
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from banana_pipeline.core.decisions import is_lost
from banana_pipeline.core.pixels import expected_size
from banana_pipeline.defs.column_lineage import lineage_metadata
from banana_pipeline.defs.metadata import first_pictures_md, preview_md, thumbnails_md
from banana_pipeline.store.schemas import IMAGES

SIZE_TOLERANCE = 0.05
"""KIE's sizes are not documented; the older ones that a reseller lists differ by up to 4 %."""

_SIZE = ["aspect_ratio", "resolution", "width_px", "height_px"]


def images_metadata(images: pa.Table) -> dict[str, Any]:
    """Numbers under names that are always there, so that Dagster plots them; then tables and pictures."""
    is_here = [path is not None for path in images["image_path"].to_pylist()]
    errors = images["archive_error"].to_pylist()
    others = other_sizes(images)
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": images.num_rows,
        "images_archived": sum(is_here),
        "images_missing": images.num_rows - sum(is_here),
        "images_lost": sum(map(is_lost, errors)),
        "images_of_other_format": sum(here and error is not None for here, error in zip(is_here, errors, strict=True)),
        "images_of_other_size": sum(others["pictures"].to_pylist()),
        "archived_megabytes": round(sum(size or 0 for size in images["image_bytes"].to_pylist()) / 1e6, 1),
        **lineage_metadata(IMAGES),
    }
    if others.num_rows:
        metadata["other_sizes"] = preview_md(others, others.column_names)
    unwell = images.filter(images["archive_error"].is_valid())
    if unwell.num_rows:
        metadata["not_archived"] = preview_md(unwell, ["row_number", "id", "prompt", "archive_error"])
    paths = zip(*(images[name].to_pylist() for name in ("thumbnail_path", "prompt")), strict=True)
    thumbnails = [(path, prompt) for path, prompt in paths if path]
    return {**metadata, **first_pictures_md(thumbnails), "contact_sheet": thumbnails_md(thumbnails)}


def other_sizes(images: pa.Table) -> pa.Table:
    """The sizes that are not those asked for, within the tolerance, and how many pictures have each."""
    sizes = images.select(_SIZE).filter(pc.field("width_px").is_valid())
    groups = sizes.group_by(_SIZE).aggregate([([], "count_all")]).rename_columns([*_SIZE, "pictures"])
    return pa.Table.from_pylist([group for group in groups.to_pylist() if not is_as_asked(group)], schema=groups.schema)


def is_as_asked(picture: dict[str, Any]) -> bool:
    """Whether a picture's size is what its aspect ratio and resolution stand for, as far as that is known."""
    expected = expected_size(picture["aspect_ratio"], picture["resolution"])
    if expected is None:
        return True
    found = (picture["width_px"], picture["height_px"])
    return all(abs(has - wanted) <= wanted * SIZE_TOLERANCE for has, wanted in zip(found, expected, strict=True))
