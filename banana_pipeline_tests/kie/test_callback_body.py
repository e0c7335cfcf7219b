"""Which task a callback is about, whatever form its body has."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.kie.callback_body import read_object, task_of

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "taskId", "task_id", "x"]), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"taskId": "right", "task_id": "2"}, "taskId": "3", "task_id": "4"},
        {"data": {"task_id": "right"}, "taskId": "3", "task_id": "4"},
        {"data": {"state": "success"}, "taskId": "right", "task_id": "4"},
        {"data": None, "task_id": "right"},
    ],
)
def test_the_first_of_the_four_places_names_the_task(body: dict[str, Any]) -> None:
    assert task_of(body) == "right"


@pytest.mark.parametrize(
    "value", [None, 7.5, True, 0, "", "null", "two words", "a\x00b", "a\nb", "\ud800", "x" * 129, ["t"], {"t": 1}]
)
def test_what_is_not_plain_short_text_counts_as_absent(value: object) -> None:
    assert task_of({"data": {"taskId": value}, "taskId": "next"}) == "next"
    assert task_of({"taskId": value}) is None


def test_the_longest_task_id_has_128_characters() -> None:
    assert task_of({"taskId": "x" * 128}) == "x" * 128


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"null", b'"x"', b"{", b'{"taskId":', b"[" * 200_000, b"\xff\xfe", b"1" * 5_000, b"a=b"],
)
def test_only_a_json_object_is_read(body: bytes) -> None:
    assert read_object(body) is None


@given(JSON)
def test_every_json_value_is_read_without_a_fault(value: Any) -> None:
    content = read_object(json.dumps(value).encode())
    assert (content is not None) == isinstance(value, dict)
    if content is not None:
        assert task_of(content) is None or isinstance(task_of(content), str)


@given(st.binary())
def test_no_bytes_make_reading_fail(body: bytes) -> None:
    content = read_object(body)
    assert content is None or isinstance(content, dict)
