"""Output files as they were written before: a prompt table's own columns stood beside ours, each in its own type.

Lives here: bringing what such a file holds into today's columns. Does not live here: where such files are
(``output_places``). A run over their shard replaces them.
"""

import pyarrow as pa

from banana_pipeline.core.shards import Shard
from banana_pipeline.store.own_columns import EXTRA, FOOTER_KEY, packed
from banana_pipeline.store.plain_types import converted, plain_type, why_not_carried
from banana_pipeline.store.schemas import contract_schema

_NEW = {"shard", "parameters", "failure", "parent_request_id", "has_content_credentials", "perceptual_hash", EXTRA}


def upgraded(asset: str, shard: Shard, old: pa.Table) -> pa.Table:
    """The rows of an old file with today's columns; those that did not exist then are null."""
    schema = contract_schema(asset)
    own = [name for name in old.column_names if name not in schema.names or name in _NEW]
    left_out = {name: why for name in own if (why := why_not_carried(old.schema.field(name).type)) is not None}
    plain = {name: converted(old[name], plain_type(old[name].type)) for name in own if name not in left_out}
    extra = packed(pa.table(plain) if plain else old.select([]), left_out)
    known = {"shard": [shard.key] * old.num_rows, EXTRA: extra.values}
    columns: list[pa.Array | pa.ChunkedArray] = []
    for field in schema:
        if field.name in known:
            columns.append(pa.array(known[field.name], field.type))
        elif field.name in _NEW or field.name not in old.column_names:
            columns.append(pa.nulls(old.num_rows, field.type))
        else:
            columns.append(old[field.name])
    return pa.table(columns, schema=schema.with_metadata({FOOTER_KEY: extra.footer}))
