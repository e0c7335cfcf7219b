"""Which place the outputs of a table's name come from: two tables of one name must not take turns in them.

Lives here: the entry in the outputs' provenance, and comparing it with a table. Does not live here: writing outputs
(``outputs``), finding tables (``tables``).

A table inside the data folder is recorded by its path in there, so that the whole folder can be moved or copied. A
place that is no longer there has moved; so has a file that holds the very same bytes.
"""

from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.store.files import as_location, is_local, local_path
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.places import WEB, place_of, place_text, shown_place
from banana_pipeline.store.prompt_table import PromptTable
from banana_pipeline.store.schemas import PROMPTS
from banana_pipeline.store.table_places import is_same_place, is_there
from banana_pipeline.store.tables import content_version

ORIGIN = "table_path"


def origin_of(path: UPath, data_dir: UPath) -> str:
    """How the provenance of outputs names a table's place: below the data folder, or in full."""
    if path.protocol in WEB:
        return place_text(path).split("?")[0]  # a query may be a signature
    if is_local(path) and is_local(data_dir):
        place, root = local_path(path).absolute(), local_path(data_dir).absolute()
        return place.relative_to(root).as_posix() if place.is_relative_to(root) else as_location(path)
    text, root_text = place_text(path), place_text(data_dir).rstrip("/") + "/"
    return text.removeprefix(root_text)


def recorded_place(warehouse: Warehouse, name: str) -> UPath | None:
    """Where the table was that the outputs under ``name`` come from; None where nothing is on record."""
    return _place(_provenance(warehouse, name).get(ORIGIN), warehouse.root)


def check_origin(warehouse: Warehouse, table: PromptTable) -> None:
    """Refuse a table whose outputs would replace those of another one.

    Raises:
        TableError: there are outputs of another table of that name, which is still there.
    """
    told = _provenance(warehouse, table.name)
    other = told.get("prompt_table", table.name)
    if other != table.name:
        raise TableError(
            f"Table {table.name!r} and table {other!r} would share their outputs on this disk, which does not tell "
            "capital letters from small ones; rename one of them."
        )
    before = _place(told.get(ORIGIN), warehouse.root)
    if before is None or told[ORIGIN] == origin_of(table.path, warehouse.root) or is_same_place(before, table.path):
        return
    if not is_there(before) or told.get("table_version") == content_version(table):
        return
    raise TableError(
        f"Table {table.name!r} at {shown_place(table.path)} would take the place of another table of that name, whose "
        f"outputs are here and which is still at {shown_place(before)}; rename one of the two, or remove the old one "
        "if this is what has become of it."
    )


def _provenance(warehouse: Warehouse, name: str) -> dict[str, str]:
    first = Shard(table=name, index=0)
    try:
        return warehouse.provenance(PROMPTS, first) if warehouse.exists(PROMPTS, first) else {}
    except TableError:  # damaged: the run that is about to start writes it anew
        return {}


def _place(text: str | None, data_dir: UPath) -> UPath | None:
    if not text:
        return None
    is_whole = "://" in text or Path(text).is_absolute()
    try:
        return place_of(text) if is_whole else data_dir / text
    except ValueError:  # recorded on a machine whose paths mean nothing here
        return None
