"""Shard keys: one spelling per shard, for any table name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.shards import Shard, parse_key, shards_of

names = st.text(min_size=1, max_size=40)
shards = st.builds(Shard, table=names, index=st.integers(0, 10**7))


@given(shards)
def test_a_key_leads_back_to_its_shard(shard: Shard) -> None:
    assert parse_key(shard.key) == shard


@given(shards)
def test_a_key_has_only_characters_that_every_system_takes(shard: Shard) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_%-]+\.[0-9]{4,}", shard.key, re.ASCII)


@given(shards, shards)
def test_two_shards_never_share_a_key(one: Shard, other: Shard) -> None:
    assert (one.key == other.key) == (one == other)


@given(st.text(max_size=30))
def test_text_is_a_key_in_its_one_spelling_or_a_value_error(text: str) -> None:
    try:
        shard = parse_key(text)
    except ValueError:
        return
    assert shard.key == text


@pytest.mark.parametrize(
    "key",
    ["", "t", "t.", ".0000", "t.000", "t.00000", "t.-001", "t.0000\n", "a b.0000", "a.b.0000", "t.٠٠٠١",
     "%41.0000", "%ff.0000", "%FF.0000", "a%2e.0000", "../x.0000"],
)  # fmt: skip
def test_a_bad_key_is_a_value_error(key: str) -> None:
    with pytest.raises(ValueError, match="is not a shard key"):
        parse_key(key)


@given(row_count=st.integers(0, 5_000), shard_rows=st.integers(1, 700))
def test_the_shards_of_a_table_hold_each_row_once_in_order(row_count: int, shard_rows: int) -> None:
    parts = shards_of("t", row_count=row_count, shard_rows=shard_rows)
    rows = [row for shard in parts for row in shard.rows(shard_rows)]
    assert rows[:row_count] == list(range(row_count))
    assert len(rows) - row_count < shard_rows
    assert parts == sorted(parts)
