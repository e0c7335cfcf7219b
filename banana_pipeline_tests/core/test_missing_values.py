"""What programs leave where nothing was: never bought, never sent, never an id."""

from typing import Any

import pandas as pd
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from banana_pipeline.core.requests import GenerationRequest, ReferenceImage
from banana_pipeline.core.rows import Row, read_row

TEXTS = sorted(
    {text for text in STR_NA_VALUES if text} | {str(pd.NaT), str(None), "\\N", "<nil>", "undefined", "#REF!"}
)


def read(**values: Any) -> Row:
    return read_row(values, row_number=0, resolve_image=lambda entry: ReferenceImage(source=str(entry)))


@pytest.mark.parametrize("text", [*TEXTS, " nan ", "None\n", "\ufeffNULL", "[]", "{}", '""'])
def test_a_prompt_that_is_the_text_of_a_missing_value_is_refused_by_name(text: str):
    (problem,) = read(prompt=text).problems
    assert problem.startswith(f"prompt is empty: {text.strip(chr(0xFEFF) + ' ' + chr(10))!r} is what a missing value")


@pytest.mark.parametrize("text", ["none", "Nan", "nil", "Null Island", "a nan", "nan bread", "None.", "NAN", "N", "0"])
def test_a_word_that_a_person_may_write_is_a_prompt(text: str):
    assert read(prompt=text).requests == (GenerationRequest(prompt=text),)


@pytest.mark.parametrize("text", [" ", "\t\n", "\u00a0", "\u200b", "\ufeff \u200d", "\u3164", "\u2800", "\x00\x1f"])
def test_a_prompt_of_which_nothing_can_be_seen_is_refused(text: str):
    assert "only blanks" in read(prompt=text).problems[0]


def test_a_prompt_may_begin_with_what_cannot_be_seen():
    assert read(prompt="\u200ba boat").requests


@pytest.mark.parametrize("text", [*TEXTS, " "])
@pytest.mark.parametrize("column", ["image_input", "aspect_ratio", "resolution", "output_format", "samples"])
def test_the_text_of_a_missing_value_in_an_optional_column_is_as_if_not_given(column: str, text: str):
    assert read(prompt="p", **{column: text}).requests == (GenerationRequest(prompt="p"),)


@pytest.mark.parametrize("text", ["nan", "None", "<NA>", "NULL", "null", "#N/A", " ", "NaT"])
def test_the_text_of_a_missing_value_is_no_id(text: str):
    assert read(prompt="p", id=text).id is None


def test_namibia_and_not_available_may_be_ids():
    assert [read(prompt="p", id=text).id for text in ("NA", "N/A")] == ["NA", "N/A"]


def test_a_template_counts_where_the_prompt_beside_it_is_the_text_of_a_missing_value():
    assert read(prompt="nan", prompt_template="a {n}", n=3).requests[0].prompt == "a 3"


def test_a_template_that_is_the_text_of_a_missing_value_is_no_template():
    assert "'nan'" in read(prompt=None, prompt_template="nan").problems[0]
    assert read(prompt="a boat", prompt_template="nan").requests[0].prompt == "a boat"


@pytest.mark.parametrize("text", ["nan", "None", "<NA>", "NULL", "#N/A", "NaT"])
def test_the_text_of_a_missing_value_is_not_written_into_a_prompt(text: str):
    (problem,) = read(prompt_template="{n} apples", n=text).problems
    assert f"uses {{n}}, which is {text!r} in this row" in problem


def test_a_market_called_na_is_written_into_a_prompt():
    assert read(prompt_template="a poster for {market}", market="NA").requests[0].prompt == "a poster for NA"


def test_a_template_filled_to_nothing_but_the_text_of_a_missing_value_is_refused():
    assert "'NA'" in read(prompt_template="{market}", market="NA").problems[0]
