"""From a row to requests or to all its problems: values of every kind, none of which may raise."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.columns import KNOWN_COLUMNS, misspelt_columns
from banana_pipeline.core.missing_values import is_blank, missing_text
from banana_pipeline.core.requests import GenerationRequest, ReferenceImage
from banana_pipeline.core.rows import Row, read_row


def _resolve(entry: str) -> ReferenceImage | str:
    return f"{entry} is not there" if "missing" in entry else ReferenceImage(source=entry)


def read(regenerate: str = "", **values: Any) -> Row:
    return read_row(values, row_number=7, resolve_image=_resolve, regenerate=regenerate)


def only_problem(**values: Any) -> str:
    (problem,) = read(**{"prompt": "a boat", **values}).problems
    return problem


def prompt_of(**values: Any) -> str:
    return read(**values).requests[0].prompt


def test_all_problems_of_a_row_come_at_once() -> None:
    row = read(
        id=b"x", prompt="", image_input=["missing.png", None], aspect_ratio="7:5", resolution="8K",
        output_format="gif", samples=0,
    )  # fmt: skip
    assert row.requests == ()
    words = ["id", "prompt", "missing.png", "image_input", "aspect_ratio", "resolution", "output_format", "samples"]
    assert len(row.problems) == len(words)
    assert all(word in problem for word, problem in zip(words, row.problems, strict=True))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(allow_nan=True),
    st.datetimes(), st.timedeltas(), st.complex_numbers(), st.text(alphabet="\ud800\udfff{}a", max_size=5),
    st.sampled_from([Decimal("sNaN"), Decimal("1e999999"), float("-inf"), object(), str, math.sin]),
    st.sampled_from([np.int64(2), np.float32("nan"), np.bool_(True), np.array([1, 2]), np.array(["a", "b"])]),
)  # fmt: skip
values_of_any_type = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
columns = st.sampled_from([*KNOWN_COLUMNS, "colour"]) | st.text(max_size=5)


@given(st.dictionaries(columns, values_of_any_type, max_size=9))
def test_no_value_of_any_type_in_any_column_raises(values: dict[str, object]) -> None:
    row = read_row(values, row_number=7, resolve_image=_resolve)
    assert bool(row.problems) != bool(row.requests)
    assert all(len(request.request_id) == 32 for request in row.requests)
    assert all(isinstance(problem, str) and problem for problem in row.problems)


@pytest.mark.parametrize("column", KNOWN_COLUMNS)
def test_a_number_of_five_thousand_digits_does_not_raise(column: str) -> None:
    assert read(**{"prompt": "{a}", "a": 10**5000, column: 10**5000})


@given(st.text(min_size=1, max_size=200).filter(lambda text: not is_blank(text) and missing_text(text) is None))
def test_a_prompt_reaches_the_request_as_it_stands(prompt: str) -> None:
    assert prompt_of(prompt=prompt) == prompt


@pytest.mark.parametrize(
    "prompt", ["a {colour} boat", "{{x}}", "{0.__class__}", "100 % {", "\n a \t", "👩‍👩‍👧", "a\x00b"]
)
def test_a_prompt_is_never_a_template(prompt: str) -> None:
    assert prompt_of(prompt=prompt, colour="red") == prompt


@pytest.mark.parametrize("prompt", [None, "", " \n\t", float("nan"), 5, b"a boat", ["a boat"], "half \ud83d"])
def test_a_prompt_that_cannot_be_sent_is_a_problem(prompt: object) -> None:
    assert "prompt" in only_problem(prompt=prompt)


def test_ten_thousand_characters_are_allowed_and_one_more_is_not() -> None:
    assert prompt_of(prompt="é" * 10_000)
    assert "10,001 characters; at most 10,000" in only_problem(prompt="é" * 10_001)
    assert "10,001 characters" in only_problem(prompt=None, prompt_template="{a}b", a="x" * 10_000)


def test_eight_images_are_allowed_and_nine_are_not() -> None:
    assert len(read(prompt="p", image_input=["a"] * 8).requests[0].images) == 8
    assert "9 images; at most 8" in only_problem(image_input=["a"] * 9)


@pytest.mark.parametrize(("value", "count"), [
    (None, 0), ("", 0), ([], 0), ("a.png", 1), (("a", "b"), 2), (np.array(["a", "b"]), 2), (float("nan"), 0),
])  # fmt: skip
def test_images_may_be_one_or_several_or_none(value: object, count: int) -> None:
    assert len(read(prompt="p", image_input=value).requests[0].images) == count


@pytest.mark.parametrize("value", [5, b"a.png", {"a": 1}, [5], [""], [None], ["a.png", ["b.png"]], True])
def test_images_of_another_type_are_a_problem(value: object) -> None:
    assert "image_input" in only_problem(image_input=value)


@pytest.mark.parametrize(
    ("column", "value", "likely"),
    [
        *(("resolution", value, "1K") for value in ("1k", " 1K", "1024", 1024, "hd")),
        *(("resolution", value, "4K") for value in ("4k", "4096", "UHD")),
        *(("output_format", value, "jpg") for value in ("jpeg", "JPG", ".jpg", "JPEG")),
        ("output_format", "PNG", "png"),
        *(
            ("aspect_ratio", value, "16:9")
            for value in ("16x9", "16/9", "16×9", "16 : 9", "16-9", "16by9", "landscape")
        ),
        ("aspect_ratio", "portrait", "9:16"),
        ("aspect_ratio", "Square", "1:1"),
        ("aspect_ratio", "AUTO", "auto"),
    ],
)
def test_a_near_miss_is_refused_with_the_likely_value(column: str, value: object, likely: str) -> None:
    assert only_problem(**{column: value}).endswith(f"did you mean {likely!r}?")


@pytest.mark.parametrize(("column", "value"), [("resolution", "8K"), ("aspect_ratio", "7:5"), ("output_format", "gif")])
def test_a_far_miss_is_refused_with_all_that_is_possible(column: str, value: str) -> None:
    assert "choose one of" in only_problem(**{column: value})


@pytest.mark.parametrize("missing", [None, "", float("nan")])
@pytest.mark.parametrize("column", ["aspect_ratio", "resolution", "output_format", "samples", "image_input"])
def test_a_missing_value_takes_the_default(column: str, missing: object) -> None:
    assert read(prompt="p", **{column: missing}).requests == (GenerationRequest(prompt="p"),)


@pytest.mark.parametrize("value", [1, 3, 100, 3.0, Decimal(3), Decimal("3.00"), np.int64(3), np.float64(3)])
def test_samples_may_be_any_whole_number(value: Any) -> None:
    requests = read(prompt="p", samples=value).requests
    assert [request.sample for request in requests] == list(range(int(value)))
    assert len({request.request_id for request in requests}) == int(value)


@pytest.mark.parametrize("value", [
    0, -1, 101, 10**400, 2.5, float("inf"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"),
    True, False, "3", b"3", [3], datetime(2026, 1, 1, tzinfo=UTC), np.bool_(True),
])  # fmt: skip
def test_samples_of_another_kind_are_a_problem(value: object) -> None:
    assert "samples" in only_problem(samples=value)


@pytest.mark.parametrize(("template", "filled"), [
    ("a {colour} boat", "a red boat"),
    ("{{colour}} {colour}", "{colour} red"),
    ("{size} m", "3 m"),
    ("{odd}", "{colour}"),
    ("{my column}", "spaced"),
    ("{colour}{colour}", "redred"),
])  # fmt: skip
def test_a_template_is_filled_once_from_the_row(template: str, filled: str) -> None:
    row = {"colour": "red", "size": 3, "odd": "{colour}", "my column": "spaced"}
    assert prompt_of(prompt_template=template, **row) == filled


@pytest.mark.parametrize("template", [
    "{colour.__class__}", "{colour[0]}", "{colour!r}", "{colour:>99999999}", "{0}", "{}", "{prompt_template}",
    "{prompt}", "{nothing}", "{__class__.__init__.__globals__}",
])  # fmt: skip
def test_a_template_reaches_nothing_but_columns(template: str) -> None:
    assert "has no such column" in only_problem(prompt=None, prompt_template=template, colour="red")


def test_a_template_names_the_likely_column() -> None:
    assert only_problem(prompt=None, prompt_template="{color}", colour="red").endswith("did you mean 'colour'?")


@pytest.mark.parametrize("empty", [None, "", float("nan")])
def test_a_template_with_an_empty_column_is_a_problem(empty: object) -> None:
    assert "empty in this row" in only_problem(prompt=None, prompt_template="a {colour} boat", colour=empty)


@pytest.mark.parametrize("template", [5, ["a {colour}"], b"a", {"a": 1}])
def test_a_template_that_is_not_text_is_not_sold_as_a_prompt(template: object) -> None:
    assert "prompt_template must be text" in only_problem(prompt=None, prompt_template=template)


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_no_template_raises(template: str, row: dict[str, str]) -> None:
    read_row({**row, "prompt_template": template}, row_number=0, resolve_image=_resolve)


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name not in KNOWN_COLUMNS), scalars, max_size=4))
def test_other_columns_do_not_change_what_is_bought(others: dict[str, object]) -> None:
    assert read_row({**others, "prompt": "p"}, row_number=0, resolve_image=_resolve).requests == (
        GenerationRequest(prompt="p"),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("a7", "a7"), (7, "7"), (7.0, "7"), (Decimal(7), "7"), (Decimal("7.00"), "7"), (None, None), ("", None)],
)
def test_an_id_is_text(value: object, text: str | None) -> None:
    assert read(prompt="p", id=value).id == text


def test_a_persons_label_makes_it_a_new_purchase() -> None:
    again, first = read(prompt="p", regenerate="june").requests[0], read(prompt="p").requests[0]
    assert again.request_id != first.request_id


@pytest.mark.parametrize(("column", "likely"), [
    ("aspect ratio", "aspect_ratio"), ("AspectRatio", "aspect_ratio"), ("aspect_ration", "aspect_ratio"),
    ("Resolution", "resolution"), ("resoluton", "resolution"), ("output format", "output_format"),
    ("image_inputs", "image_input"), ("image_urls", "image_input"), ("input_urls", "image_input"),
    ("Samples", "samples"), ("Prompt", "prompt"), ("promt", "prompt"), ("PromptTemplate", "prompt_template"),
])  # fmt: skip
def test_a_misspelt_column_is_named_with_the_right_one(column: str, likely: str) -> None:
    others = [] if likely.startswith("prompt") else ["prompt"]
    assert misspelt_columns([*others, column, "colour"]) == {column: likely}


@pytest.mark.parametrize("column", ["sample", "format", "style", "colour", "image", "notes", "campaign", "prompt_id"])
def test_an_honest_column_of_ones_own_is_left_alone(column: str) -> None:
    assert misspelt_columns(["prompt", column]) == {}


def test_a_near_name_beside_the_right_one_is_left_alone() -> None:
    assert misspelt_columns(["prompt", "Prompt", "resolution", "Resolution"]) == {}
