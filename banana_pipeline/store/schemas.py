"""The output tables: their columns, in order, each with a sentence that says what it holds.

Lives here: one Arrow schema per output, whatever prompt table its rows come from. Does not live here: filling the
tables (``output_tables``), a prompt table's own columns (``own_columns``), writing (``outputs``).
"""

from collections.abc import Sequence

import pyarrow as pa

from banana_pipeline.store.own_columns import EXTRA

PROMPTS, REJECTED, GENERATIONS, IMAGES = "prompts", "rejected_prompts", "generations", "images"
DESCRIPTION_KEY = b"description"

_TEXT, _TEXTS, _FLOAT = pa.string(), pa.list_(pa.string()), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")

_COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "request_id": (_TEXT, "Content hash of what is asked; equal requests have equal ids and are bought once."),
    "prompt_table": (_TEXT, "Name of the prompt table."),
    "shard": (_TEXT, "The shard the row belongs to, which is the partition's key in Dagster."),
    "row_number": (pa.int64(), "Position of the row in its prompt table, from 0."),
    "id": (_TEXT, "The row's own id, if its table has one."),
    "sample": (pa.int32(), "Which copy of the row's request this is, from 0."),
    "prompt": (_TEXT, "The text sent, with templates filled in."),
    "image_input": (_TEXTS, "Reference images as the table names them: links or paths."),
    "aspect_ratio": (_TEXT, "Width to height as asked, such as 16:9."),
    "resolution": (_TEXT, "Size as asked: 1K, 2K or 4K."),
    "output_format": (_TEXT, "File format as asked: png or jpg."),
    "model": (_TEXT, "Name of the model at KIE."),
    "parameters": (_TEXT, "The model's further parameters as one JSON object."),
    "parent_request_id": (_TEXT, "The request whose picture this one goes on from; empty where there is none."),
    "price_credits": (_FLOAT, "Expected price in credits."),
    "problems": (_TEXTS, "Everything that keeps the row from being sent, one sentence each."),
    "problem": (_TEXT, "The same problems as one text."),
    "status": (_TEXT, "succeeded, failed, refused, pending, overdue, unconfirmed or not_submitted."),
    "status_reason": (_TEXT, "Why the request is not succeeded, in words."),
    "failure": (_TEXT, "The kind of failure or refusal, one word for all of KIE's texts that mean the same."),
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
    "has_content_credentials": (pa.bool_(), "True if the file says in a signed way (C2PA) how it was made."),
    "perceptual_hash": (_TEXT, "16 hex digits that differ in few bits between pictures that look alike (dHash)."),
    EXTRA: (_TEXT, "The prompt table's own columns as one JSON object; their types are in the file's footer."),
}
# In `prompts` the name stands for the references a row sends, in `images` for the picture it got.
_REFERENCE_SHA256 = (_TEXTS, "SHA-256 of each reference image in hex, in order; empty for links.")

_ASKED = "request_id prompt_table shard row_number id sample prompt image_input"
_PARAMETERS = "aspect_ratio resolution output_format model parameters"
_GENERATIONS = (
    f"{_ASKED} {_PARAMETERS} status status_reason failure attempt attempt_id task_id fail_code fail_msg result_urls "
    "credits cost_usd account submitted_at completed_at generation_s is_reused parent_request_id run_id table_version "
    "code_version"
)
_NAMES: dict[str, Sequence[str]] = {
    PROMPTS: f"{_ASKED} image_sha256 {_PARAMETERS} price_credits parent_request_id table_version {EXTRA}".split(),
    REJECTED: f"prompt_table shard row_number id prompt problems problem table_version {EXTRA}".split(),
    GENERATIONS: f"{_GENERATIONS} {EXTRA}".split(),
    IMAGES: (
        f"{_GENERATIONS} image_path thumbnail_path image_sha256 image_bytes image_format width_px height_px "
        f"archived_at archive_error has_content_credentials perceptual_hash {EXTRA}"
    ).split(),
}

ASSETS = tuple(_NAMES)


def contract_schema(asset: str) -> pa.Schema:
    """The columns every file of an output has, in order.

    Raises:
        KeyError: ``asset`` is none of `ASSETS`.
    """
    return pa.schema([_field(asset, name) for name in _NAMES[asset]])


def _field(asset: str, name: str) -> pa.Field:
    kind, description = _COLUMNS[name]
    if (asset, name) == (PROMPTS, "image_sha256"):
        kind, description = _REFERENCE_SHA256
    return pa.field(name, kind, metadata={DESCRIPTION_KEY: description.encode()})
