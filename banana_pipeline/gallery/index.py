"""The page's data files: rows to search in, details to look up, and a manifest that names them.

Lives here: the form of these files; ``data.js`` reads them. Does not live here: where the values come from
(``entries``) and how files are written (``write``).

Rows are columns of 2,000 values, all of them loaded by the page one file after another. Details come in files of 500,
loaded when a person opens one of their pictures.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from banana_pipeline.core.failures import TableError
from banana_pipeline.gallery.entries import Chosen, Entry, choose, entries
from banana_pipeline.gallery.facets import Facets, as_text
from banana_pipeline.gallery.places import Places
from banana_pipeline.gallery.script import call
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.own_columns import EXTRA

ROWS_PER_FILE = 2_000
DETAILS_PER_FILE = 500
MOST_ROWS = 200_000

NOT_ARCHIVED = "not_archived"
_AS_THEY_ARE = (
    *("attempt", "attempt_id", "task_id", "fail_code", "fail_msg", "cost_usd", "account", "run_id", "table_version"),
    *("code_version", "model", "output_format", "image_sha256", "image_bytes", "image_format", "is_reused"),
)
_TIMES = ("submitted_at", "completed_at", "archived_at")


@dataclass(frozen=True, kw_only=True, slots=True)
class PageFile:
    """A file of the page; its name tells its content, so that it never changes."""

    name: str
    data: bytes


@dataclass(kw_only=True)
class GalleryIndex:
    """Makes the data files of all rows, and counts what the page says about the whole.

    Attributes:
        places: which pictures may be shown.
        most_rows: how many rows are shown at the most.
        pictures: how many there are, once `files` has ended.
        states: rows by table and state, likewise.
        problems: a sentence for each shard that could not be shown, likewise.
    """

    warehouse: Warehouse
    places: Places
    most_rows: int = MOST_ROWS
    rows_per_file: int = ROWS_PER_FILE
    details_per_file: int = DETAILS_PER_FILE
    pictures: int = 0
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _facets: Facets = field(default_factory=Facets)
    _tables: dict[str, list[str]] = field(default_factory=dict)
    _ratios: Counter[str] = field(default_factory=Counter)
    _resolutions: Counter[str] = field(default_factory=Counter)

    def files(self) -> Iterator[PageFile]:
        """Every data file, the manifest last. Memory holds one shard and one file at a time."""
        chosen = choose(self.warehouse, self.most_rows)
        names: dict[str, list[str]] = {"rows": [], "details": []}
        rows: list[Entry] = []
        details: list[Entry] = []
        for number, entry in self._entries(chosen):
            rows.append({"picture": number, **self._row(entry)})
            details.append(self._details(entry))
            if len(details) == self.details_per_file:
                yield _kept(names, "details", details)
                details = []
            if len(rows) == self.rows_per_file:
                yield _kept(names, "rows", rows)
                rows = []
        if details:
            yield _kept(names, "details", details)
        if rows:
            yield _kept(names, "rows", rows)
        yield named("manifest", call(self._manifest(chosen, names)))

    @property
    def row_count(self) -> int:
        return self.states.total()

    def _entries(self, chosen: Chosen) -> Iterator[tuple[int, Entry]]:
        self.problems += chosen.problems
        for shard in chosen.shards:
            try:
                found = list(entries(self.warehouse, shard))
            except TableError as error:
                self.problems.append(str(error))
                continue
            columns = self._tables.setdefault(shard.table, [])
            for number, entry in found:
                columns += [name for name in entry[EXTRA] if name not in columns]
                # The folder names the table; what stands inside a file is the same or was changed by hand.
                yield number, {**entry, "prompt_table": shard.table}

    def _row(self, entry: Entry) -> Entry:
        image = self.places.below(entry["image_path"])
        state = (entry["status"] or "") if image or entry["status"] != "succeeded" else NOT_ARCHIVED
        table = entry["prompt_table"]
        self.pictures += image is not None
        self.states[table, state] += 1
        self._ratios[entry["aspect_ratio"] or ""] += 1
        self._resolutions[entry["resolution"] or ""] += 1
        return {
            "table": list(self._tables).index(table),
            **{name: entry[name] for name in ("row_number", "sample", "id", "request_id", "task_id")},
            **{name: entry[name] or "" for name in ("prompt", "aspect_ratio", "resolution")},
            **{name: entry[name] for name in ("width_px", "height_px")},
            "state": state,
            "reason": None if image else _reason(entry),
            "image": image,
            "thumbnail": self.places.below(entry["thumbnail_path"]),
            "credits": _number(entry["credits"]),
            "seconds": _number(entry["generation_s"]),
            "at": _seconds(entry["completed_at"] or entry["submitted_at"]),
            "references": len(entry["image_input"]),
            "facets": [self._facets.code(table, name, as_text(entry[EXTRA].get(name))) for name in self._tables[table]],
        }

    def _details(self, entry: Entry) -> Entry:
        table = entry["prompt_table"]
        return {
            **{name: _plain(entry[name]) for name in _AS_THEY_ARE},
            **{name: entry[name].isoformat() if entry[name] else None for name in _TIMES},
            "result_urls": entry["result_urls"] or [],
            "status": entry["status"],
            "references": [self.places.reference(table, image) for image in entry["image_input"]],
            "own": [as_text(entry[EXTRA].get(name)) for name in self._tables[table]],
        }

    def _manifest(self, chosen: Chosen, names: dict[str, list[str]]) -> Entry:
        facets = self._facets.of_tables()
        tables = [
            {
                "name": table,
                "columns": columns,
                "facets": [[columns.index(name), values] for name, values in facets.get(table, ())],
                "states": sorted([state, count] for (own, state), count in self.states.items() if own == table),
            }
            for table, columns in self._tables.items()
        ]
        return {
            "kind": "manifest",
            "tables": tables,
            "rows": names["rows"],
            "details": names["details"],
            "rows_per_file": self.rows_per_file,
            "details_per_file": self.details_per_file,
            "row_count": self.row_count,
            "left_out": chosen.left_out,
            "aspect_ratios": sorted(map(list, self._ratios.items())),
            "resolutions": sorted(map(list, self._resolutions.items())),
        }


def named(stem: str, data: bytes, extension: str = "js") -> PageFile:
    """A file under a name made of its content."""
    return PageFile(name=f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.{extension}", data=data)


def _kept(names: dict[str, list[str]], kind: str, values: list[Entry]) -> PageFile:
    number = len(names[kind])
    columns = {name: [value[name] for value in values] for name in values[0]} if kind == "rows" else None
    content = {"columns": columns} if columns else {"values": values}
    file = named(kind, call({"kind": kind, "number": number, **content}))
    names[kind].append(file.name)
    return file


def _reason(entry: Entry) -> str | None:
    if entry["status"] != "succeeded":
        return entry["status_reason"] or entry["fail_msg"]
    if entry["image_path"]:
        return "The picture lies outside the data folder of this gallery."
    return entry["archive_error"] or "The picture was not fetched yet; materialize images."


def _number(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return _number(value) if isinstance(value, float) else value


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
