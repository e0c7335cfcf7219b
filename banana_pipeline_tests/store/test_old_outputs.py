"""Outputs that an older version has written are read on, and replaced by the next run over their shard."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from banana_pipeline.core.shards import Shard
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.own_columns import unpacked
from banana_pipeline.store.schemas import contract_schema
from banana_pipeline.store.shard_listing import shard_stamps

SHARD = Shard(table="cards", index=0)
NEW = {"shard", "parameters", "failure", "parent_request_id", "extra"}
PLACE = "warehouse/generations/table=cards/shard=0000.parquet"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """As the first version left it: the table's own columns behind ours, one of them under a new name."""
    contract = contract_schema("generations")
    ours = {
        field.name: pa.array(["a" if field.name == "prompt" else None], field.type)
        for field in contract
        if field.name not in NEW
    }
    own = {"style": pa.array(["oil"], pa.string_view()), "table_status": [3], "shard": pa.array([1])}
    (tmp_path / PLACE).parent.mkdir(parents=True)
    pq.write_table(pa.table({**ours, **own}), tmp_path / PLACE)
    return Warehouse(UPath(tmp_path))


def test_an_old_file_is_read_with_todays_columns(warehouse: Warehouse) -> None:
    (row,) = warehouse.read("generations", SHARD).to_pylist()
    assert list(row) == contract_schema("generations").names
    assert (row["prompt"], row["shard"]) == ("a", "cards.0000")
    assert json.loads(row["extra"]) == {"style": "oil", "table_status": 3, "shard": 1}


def test_the_own_columns_of_an_old_file_have_their_types(warehouse: Warehouse) -> None:
    assert unpacked(warehouse.read("generations", SHARD))["table_status"].type == pa.int64()


def test_old_files_are_listed_and_scanned_with_the_others(warehouse: Warehouse) -> None:
    other = Shard(table="other", index=0)
    warehouse.write("generations", other, warehouse.read("generations", SHARD))
    assert warehouse.shards("generations") == [SHARD, other]
    assert list(shard_stamps(warehouse.root, "generations")) == [SHARD, other]
    assert warehouse.scan("generations", ["prompt"]).rows.num_rows == 2


def test_writing_a_shard_again_replaces_the_old_file(warehouse: Warehouse) -> None:
    written = warehouse.write("generations", SHARD, warehouse.read("generations", SHARD))
    root = Path(str(warehouse.root))
    assert list(root.rglob("*.parquet")) == [root / "warehouse/generations/source=cards/0000.parquet"]
    assert written.path == str(root / "warehouse/generations/source=cards/0000.parquet")
    assert warehouse.read("generations", SHARD, ["prompt"]).to_pylist() == [{"prompt": "a"}]


def test_of_an_old_and_a_new_file_the_new_one_counts(warehouse: Warehouse) -> None:
    """As a process leaves it that was killed between writing the one and removing the other."""
    old = (Path(str(warehouse.root)) / PLACE).read_bytes()
    rows = warehouse.read("generations", SHARD)
    warehouse.write("generations", SHARD, rows.set_column(0, rows.schema.field(0), pa.array(["new"])))
    (Path(str(warehouse.root)) / PLACE).write_bytes(old)
    assert warehouse.shards("generations") == [SHARD]
    assert warehouse.scan("generations", ["request_id"]).rows.to_pylist() == [{"request_id": "new"}]
    assert warehouse.read("generations", SHARD)["request_id"].to_pylist() == ["new"]


def test_an_old_shard_is_removed_like_any_other(warehouse: Warehouse) -> None:
    assert warehouse.remove("generations", SHARD)
    assert not warehouse.exists("generations", SHARD)
