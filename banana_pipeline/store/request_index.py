"""Which row of a prompt table asks for what, as the ``prompts`` output says.

Lives here: looking up single rows, reading each shard's two columns at most once. Does not live here: the output itself
(``outputs``).
"""

from banana_pipeline.core.shards import Shard
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import PROMPTS


class RequestIndex:
    """Rows and requests of one table, read as they are asked for.

    Args:
        table: name of the prompt table.
        shard_rows: rows per shard, which tells the shard of a row.
    """

    def __init__(self, warehouse: Warehouse, table: str, shard_rows: int) -> None:
        self._warehouse = warehouse
        self._table = table
        self._shard_rows = shard_rows
        self._known: dict[int, set[tuple[int, str]]] = {}

    def holds(self, row_number: int, request_id: str) -> bool:
        """Does the row ask for the request? No for rows that no longer exist."""
        index = row_number // self._shard_rows
        if index not in self._known:
            self._known[index] = self._read(Shard(table=self._table, index=index))
        return (row_number, request_id) in self._known[index]

    def _read(self, shard: Shard) -> set[tuple[int, str]]:
        if not self._warehouse.exists(PROMPTS, shard):
            return set()
        rows = self._warehouse.read(PROMPTS, shard, ["row_number", "request_id"])
        return set(zip(rows["row_number"].to_pylist(), rows["request_id"].to_pylist(), strict=True))
