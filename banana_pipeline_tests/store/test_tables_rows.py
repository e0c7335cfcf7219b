"""From rows of a file to requests and problems."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banana_pipeline.core.missing_values import is_blank, missing_text
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.shard_rows import ShardRows, read_shard, read_shards
from banana_pipeline.store.tables import open_table

ALL = range(1_000_000)


def resolve(entry: str) -> ReferenceImage | str:
    return ReferenceImage(source=entry) if entry.startswith("https:") else f"image_input {entry!r} does not exist"


def checked(folder: Path, rows: range = ALL, regenerate: str = "", **columns: object) -> ShardRows:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    table = open_table(folder / "t.parquet")
    return read_shard(table, rows, resolve_image=resolve, duplicate_ids=table.duplicate_ids(), regenerate=regenerate)


def prompts(contents: ShardRows) -> list[str]:
    return [request.prompt for row in contents.rows for request in row.requests]


def broken_text(*values: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def test_row_numbers_count_from_the_start_of_the_table(tmp_path: Path):
    contents = checked(tmp_path, range(2, 9), prompt=["a", "b", "c", "d"])
    assert [row.row_number for row in contents.rows] == [2, 3]


def test_all_parameters_of_a_row_are_used(tmp_path: Path):
    contents = checked(
        tmp_path,
        prompt=["a"],
        aspect_ratio=["16:9"],
        resolution=["4K"],
        output_format=["jpg"],
        image_input=[["https://x.org/a.png"]],
    )
    request = contents.rows[0].requests[0]
    assert (request.aspect_ratio, request.resolution, request.output_format) == ("16:9", "4K", "jpg")


def test_images_may_be_one_text(tmp_path: Path):
    contents = checked(tmp_path, prompt=["a"], image_input=["https://x.org/a.png"])
    assert contents.rows[0].requests[0].images == (ReferenceImage(source="https://x.org/a.png"),)


def test_samples_make_several_requests(tmp_path: Path):
    contents = checked(tmp_path, prompt=["a", "b"], samples=[3, None])
    assert [len(row.requests) for row in contents.rows] == [3, 1]


def test_one_bad_row_leaves_the_others_alone(tmp_path: Path):
    contents = checked(tmp_path, prompt=["a", None, "c"])
    assert (prompts(contents), contents.rejected_count) == (["a", "c"], 1)


def test_all_problems_of_a_row_are_listed(tmp_path: Path):
    contents = checked(tmp_path, prompt=[""], samples=[0], resolution=["8K"], image_input=["x.png"])
    assert len(contents.rows[0].problems) == 4


def test_a_prompt_that_is_no_text_is_rejected_and_not_repaired(tmp_path: Path):
    contents = checked(tmp_path, prompt=broken_text(b"ok", b"caf\xe9"))
    assert prompts(contents) == ["ok"]
    assert "prompt must be text" in contents.rows[1].problems[0]


def test_a_template_is_filled_from_other_columns(tmp_path: Path):
    contents = checked(tmp_path, prompt_template=["{animal} in {year}"], animal=["a cat"], year=[1999])
    assert prompts(contents) == ["a cat in 1999"]


def test_a_template_is_filled_from_a_dictionary_column(tmp_path: Path):
    animals = pa.array(["a cat", "a dog"]).dictionary_encode()
    assert prompts(checked(tmp_path, prompt_template=["{animal}"] * 2, animal=animals)) == ["a cat", "a dog"]


def test_a_template_with_an_unknown_column_gets_the_likely_name(tmp_path: Path):
    contents = checked(tmp_path, prompt_template=["{animl}"], animal=["a cat"])
    assert "did you mean 'animal'" in contents.rows[0].problems[0]


def test_a_template_with_an_empty_column_is_rejected(tmp_path: Path):
    contents = checked(tmp_path, prompt_template=["{animal}", "{animal}"], animal=["a cat", None])
    assert "empty in this row" in contents.rows[1].problems[0]


def test_a_template_can_use_a_date_that_python_does_not_have(tmp_path: Path):
    far = pa.array([10_000_000], pa.date32())
    assert "29349" in prompts(checked(tmp_path, prompt_template=["{day}"], day=far))[0]


def test_braces_in_a_prompt_stay_as_they_are(tmp_path: Path):
    assert prompts(checked(tmp_path, prompt=["{not} a {{template}}"], not_=["x"])) == ["{not} a {{template}}"]


def test_the_second_use_of_an_id_is_rejected_with_the_row_of_the_first(tmp_path: Path):
    contents = checked(tmp_path, prompt=["a", "b", "c"], id=["x", "y", "x"])
    assert contents.rows[2].problems == ("id 'x' is already used by row 0",)
    assert contents.rejected_count == 1


def test_the_second_use_of_an_id_is_noticed_in_another_shard(tmp_path: Path):
    contents = checked(tmp_path, range(2, 3), prompt=["a", "b", "c"], id=[7, 8, 7])
    assert contents.rows[0].problems == ("id '7' is already used by row 0",)


def test_the_second_use_of_an_id_is_listed_beside_other_problems(tmp_path: Path):
    contents = checked(tmp_path, prompt=["a", ""], id=["x", "x"])
    assert len(contents.rows[1].problems) == 2


def test_a_regenerate_label_makes_other_requests(tmp_path: Path):
    one, other = checked(tmp_path, prompt=["a"]), checked(tmp_path, prompt=["a"], regenerate="again")
    assert one.rows[0].requests[0].request_id != other.rows[0].requests[0].request_id


@pytest.mark.parametrize("group_rows", [1, 3, 100])
def test_shards_in_one_pass_are_the_same_as_one_by_one(tmp_path: Path, group_rows: int):
    pq.write_table(
        pa.table({"prompt": [f"p{n}" for n in range(10)]}), tmp_path / "t.parquet", row_group_size=group_rows
    )
    table = open_table(tmp_path / "t.parquet")
    slices = [range(0, 4), range(4, 8), range(8, 12)]
    together = [contents.rows for contents in read_shards(table, slices, resolve_image=resolve)]
    assert together == [read_shard(table, rows, resolve_image=resolve).rows for rows in slices]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=20))
def test_every_text_that_can_be_seen_is_sent_as_it_is(tmp_path_factory, texts: list[str]):
    contents = checked(tmp_path_factory.mktemp("texts"), prompt=texts)
    assert prompts(contents) == [text for text in texts if not is_blank(text) and missing_text(text) is None]
