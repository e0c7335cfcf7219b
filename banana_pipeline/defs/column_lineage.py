"""Which column comes from which, for Dagster's lineage view.

Lives here: the rules from prompt table to picture. Does not live here: filling the columns (``store.output_tables``).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from banana_pipeline.store.own_columns import EXTRA
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, REJECTED, contract_schema

TABLES = "prompt_tables"

_ASKED = ["prompt", "image_input", "aspect_ratio", "resolution", "output_format"]
_FROM_TABLE = {
    "request_id": [*_ASKED, "samples"],
    "sample": ["samples"],
    "prompt": ["prompt", "prompt_template"],
    "image_sha256": ["image_input"],
    "price_credits": ["resolution"],
    **{name: [name] for name in ("id", *_ASKED[1:])},
}
_PICTURE = (
    "image_path thumbnail_path image_sha256 image_bytes image_format width_px height_px archived_at archive_error "
    "has_content_credentials perceptual_hash"
)
_BEFORE = {PROMPTS: TABLES, REJECTED: TABLES, GENERATIONS: PROMPTS, IMAGES: GENERATIONS}


def lineage_metadata(asset: str, own_columns: Sequence[str] = ()) -> dict[str, Any]:
    """The lineage of an output's columns.

    Args:
        own_columns: the prompt table's own that went into ``extra``, for outputs made from the table itself.
    """
    before = _BEFORE[asset]
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for name, sources in _sources(asset, own_columns).items():
        deps[name] = [dg.TableColumnDep(asset_key=before, column_name=source) for source in sources]
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def _sources(asset: str, own_columns: Sequence[str]) -> dict[str, list[str]]:
    columns = contract_schema(asset).names
    if _BEFORE[asset] == TABLES:
        own = {EXTRA: list(own_columns)} if own_columns else {}
        return {**{name: _FROM_TABLE[name] for name in columns if name in _FROM_TABLE}, **own}
    shared = set(contract_schema(_BEFORE[asset]).names)
    same = {name: [name] for name in columns if name in shared}
    pictures = {name: ["result_urls"] for name in _PICTURE.split()} if asset == IMAGES else {}
    return {**same, **pictures}
