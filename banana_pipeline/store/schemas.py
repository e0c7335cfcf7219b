"""The output tables: their columns, in order, each with a sentence that says what it holds.

Lives here: Arrow schemas, and new names for a table's own columns where they would hide one of ours. Does not live
here: filling the tables (``output_tables``) and writing them (``outputs``).
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa

PROMPTS, REJECTED, GENERATIONS, IMAGES = "prompts", "rejected_prompts", "generations", "images"
DESCRIPTION_KEY = b"description"

_TEXT, _TEXTS, _FLOAT = pa.string(), pa.list_(pa.string()), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")

_COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "request_id": (_TEXT, "Content hash of what is asked; equal requests have equal ids and are bought once."),
    "prompt_table": (_TEXT, "Name of the prompt table."),
    "row_number": (pa.int64(), "Position of the row in its prompt table, from 0."),
    "id": (_TEXT, "The row's own id, if its table has one."),
    "sample": (pa.int32(), "Which copy of the row's request this is, from 0."),
    "prompt": (_TEXT, "The text sent, with templates filled in."),
    "image_input": (_TEXTS, "Reference images as the table names them: links or paths."),
    "aspect_ratio": (_TEXT, "Width to height as asked, such as 16:9."),
    "resolution": (_TEXT, "Size as asked: 1K, 2K or 4K."),
    "output_format": (_TEXT, "File format as asked: png or jpg."),
    "model": (_TEXT, "Name of the model at KIE."),
    "price_credits": (_FLOAT, "Expected price in credits."),
    "problems": (_TEXTS, "Everything that keeps the row from being sent, one sentence each."),
    "problem": (_TEXT, "The same problems as one text."),
    "status": (_TEXT, "succeeded, failed, refused, pending, overdue, unconfirmed or not_submitted."),
    "status_reason": (_TEXT, "Why the request is not succeeded, in words."),
    "attempt": (pa.int32(), "Number of the latest attempt to buy the request, from 1."),
    "attempt_id": (_TEXT, "Our id of that attempt, made before anything was sent."),
    "task_id": (_TEXT, "KIE's id of the task."),
    "fail_code": (_TEXT, "KIE's code for a failure or refusal."),
    "fail_msg": (_TEXT, "KIE's words for a failure or refusal."),
    "result_urls": (_TEXTS, "Where KIE put the pictures; KIE deletes them after a while."),
    "credits": (_FLOAT, "Credits this row's own purchases took; 0 where the purchase is shared with another row."),
    "cost_usd": (_FLOAT, "The same in US dollars."),
    "account": (_TEXT, "Name of the account that paid; never the key."),
    "submitted_at": (_TIME, "When KIE accepted the task (UTC)."),
    "completed_at": (_TIME, "When the task ended (UTC)."),
    "generation_s": (_FLOAT, "Seconds from creation to completion by KIE's own clock."),
    "is_reused": (pa.bool_(), "True if another row bought the request; its credits are counted there."),
    "run_id": (_TEXT, "The run that bought it."),
    "table_version": (_TEXT, "Content hash of the prompt table this row was read from."),
    "code_version": (_TEXT, "Version of this program that wrote the row."),
    "image_path": (_TEXT, "Where the archived picture is."),
    "thumbnail_path": (_TEXT, "Where its thumbnail is."),
    "image_sha256": (_TEXT, "SHA-256 of the picture's bytes, in hex."),
    "image_bytes": (pa.int64(), "Size of the picture's file in bytes."),
    "image_format": (_TEXT, "What the bytes really are: png, jpg or webp."),
    "width_px": (pa.int32(), "Width of the picture in pixels."),
    "height_px": (pa.int32(), "Height of the picture in pixels."),
    "archived_at": (_TIME, "When the picture was archived (UTC)."),
    "archive_error": (_TEXT, "Why the picture is not in the archive, in words."),
}
# In `prompts` the name stands for the references a row sends, in `images` for the picture it got.
_REFERENCE_SHA256 = (_TEXTS, "SHA-256 of each reference image in hex, in order; empty for links.")

_ASKED = "request_id prompt_table row_number id sample prompt image_input"
_PARAMETERS = "aspect_ratio resolution output_format model"
_GENERATIONS = (
    f"{_ASKED} {_PARAMETERS} status status_reason attempt attempt_id task_id fail_code fail_msg result_urls credits "
    "cost_usd account submitted_at completed_at generation_s is_reused run_id table_version code_version"
)
_NAMES: dict[str, Sequence[str]] = {
    PROMPTS: f"{_ASKED} image_sha256 {_PARAMETERS} price_credits table_version".split(),
    REJECTED: ["prompt_table", "row_number", "id", "prompt", "problems", "problem", "table_version"],
    GENERATIONS: _GENERATIONS.split(),
    IMAGES: (
        f"{_GENERATIONS} image_path thumbnail_path image_sha256 image_bytes image_format width_px height_px "
        "archived_at archive_error"
    ).split(),
}
# The folders table=... and shard=... appear as columns to readers that understand them.
_TAKEN = {name.lower() for names in _NAMES.values() for name in names} | {"table", "shard"}

ASSETS = tuple(_NAMES)


def described(name: str, kind: pa.DataType, description: str) -> pa.Field:
    """A field that carries its description into the Parquet file."""
    return pa.field(name, kind, metadata={DESCRIPTION_KEY: description.encode()})


def contract_schema(asset: str) -> pa.Schema:
    """The columns every file of an output has, in order, before the prompt table's own.

    Raises:
        KeyError: ``asset`` is none of `ASSETS`.
    """
    return pa.schema([_field(asset, name) for name in _NAMES[asset]])


def _field(asset: str, name: str) -> pa.Field:
    kind, description = _COLUMNS[name]
    if (asset, name) == (PROMPTS, "image_sha256"):
        kind, description = _REFERENCE_SHA256
    return described(name, kind, description)


def extra_names(columns: Iterable[str], asset: str) -> list[str]:
    """Those of an output's columns that came from the prompt table."""
    contract = set(_NAMES[asset])
    return [name for name in columns if name not in contract]


def output_names(extra_columns: Sequence[str]) -> dict[str, str]:
    """What a table's own columns are called in every output: ``{name in the table: name in the outputs}``.

    A name that differs from one of ours, or from an earlier one, at most in case becomes ``table_<name>``, with a
    number if that is taken too: SQL engines do not tell such names apart. Names given here are kept when passed again.
    """
    taken = set(_TAKEN)
    names: dict[str, str] = {}
    # Names that can stay are settled first, so that no renamed column takes one of them.
    for column in sorted(extra_columns, key=lambda it: it.lower() in _TAKEN):
        names[column] = _free_name(column, taken)
        taken.add(names[column].lower())
    return {column: names[column] for column in extra_columns}


def _free_name(column: str, taken: set[str]) -> str:
    if column.lower() not in taken:
        return column
    name, number = f"table_{column}", 2
    while name.lower() in taken:
        name, number = f"table_{column}_{number}", number + 1
    return name


def common_schema(asset: str, schemas: Sequence[pa.Schema]) -> pa.Schema:
    """One schema for all files of an output: a column of types that do not fit together is left out."""
    contract = contract_schema(asset)
    extras: dict[str, pa.DataType | None] = {}
    for schema in schemas:
        for field in schema:
            if field.name not in contract.names:
                extras[field.name] = _merged(extras.get(field.name, field.type), field.type)
    return pa.schema([*contract, *((name, kind) for name, kind in extras.items() if kind is not None)])


def _merged(one: pa.DataType | None, other: pa.DataType) -> pa.DataType | None:
    if one is None or one.equals(other):
        return one
    try:
        both = [pa.schema([("", one)]), pa.schema([("", other)])]
        return pa.unify_schemas(both, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None
