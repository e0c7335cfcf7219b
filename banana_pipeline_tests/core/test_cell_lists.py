"""Several links or paths in one cell: understood as a list or refused, never sent as one link."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.core.row_values import EmbeddedImage
from banana_pipeline.core.rows import Row, read_row

FILES = {"a.png", "b.png", "a, b.png", "my photo.png", "[1].png"}
A, B = "https://example.org/a.png", "https://example.org/b.png"


def resolve(entry: str | EmbeddedImage) -> ReferenceImage | str:
    assert isinstance(entry, str)
    if entry.lower().startswith(("http://", "https://")):
        return "image_input has blanks" if any(map(str.isspace, entry)) else ReferenceImage(source=entry)
    return ReferenceImage(source=entry, sha256="0" * 64) if entry in FILES else f"image_input {entry!r} does not exist"


def read(cell: Any) -> Row:
    return read_row({"prompt": "p", "image_input": cell}, row_number=0, resolve_image=resolve)


def images(cell: Any) -> list[str]:
    row = read(cell)
    assert row.problems == ()
    return [image.source for image in row.requests[0].images]


@pytest.mark.parametrize("separator", [",", ", ", ";", " ; ", "\n", "\r\n", " ", "\t", "|", ",\n", ",,"])
def test_links_with_a_separator_between_them_are_a_list(separator: str):
    assert images(f"{A}{separator}{B}") == images(f"{A}{separator}{B}{separator}") == [A, B]


@pytest.mark.parametrize("cell", [
    json.dumps([A, B]), json.dumps([A, B]).replace("/", "\\/"), json.dumps(json.dumps([A, B])),
    json.dumps([A, B], indent=1),
    repr([A, B]), repr((A, B)), repr(json.dumps([A, B])), str(np.array([A, B])), repr(np.array([A, B], object)),
    f"{{{A},{B}}}", f'{{"{A}","{B}"}}', f"[{A}, {B}]", f"'{A}','{B}'", f'"{A}" "{B}"', [f"{A},{B}"], [repr([A, B])],
    (A, B), f"['{A}',\n '{B}',]",
])  # fmt: skip
def test_a_list_is_understood_however_a_program_wrote_it(cell: Any):
    assert images(cell) == [A, B]


@pytest.mark.parametrize(("cell", "expected"), [
    (f'"{A}"', [A]), (f"['{A}']", [A]), (f"{A},", [A]), (f" {A}\n", [A]), ("[]", []), ("[ ]", []), ("set()", []),
    ("a, b.png", ["a, b.png"]), ("a.png,b.png", ["a.png", "b.png"]), ("a.png b.png", ["a.png", "b.png"]),
    ("my photo.png", ["my photo.png"]), ("my photo.png; a.png", ["my photo.png", "a.png"]), ("[1].png", ["[1].png"]),
    (["a, b.png"], ["a, b.png"]), (f"a.png, {A}", ["a.png", A]), (f"{{'a.png', '{A}'}}", ["a.png", A]),
    (["['a.png']", B], ["a.png", B]),
])  # fmt: skip
def test_files_and_links_may_stand_together(cell: Any, expected: list[str]):
    assert images(cell) == expected


@pytest.mark.parametrize("link", [
    "https://cdn.example.org/w_200,h_100/a.png", "https://example.org/a;v=1/b.png", "https://example.org/a(1).png",
    "https://web.archive.org/web/2020/https://example.org/a.png", "https://proxy.example.org/?url=https://example.org/a",
    "https://example.org/?q=[1]", "https://example.org/it's.png",
])  # fmt: skip
def test_one_link_with_odd_characters_stays_one(link: str):
    assert images(link) == images([link]) == [link]


@pytest.mark.parametrize("cell", [
    f"{A}{B}", f'{A}","{B}', f"{A}、{B}", f"{A}%2C{B}", f"https://proxy.example.org/?urls={A},{B}", f"{A},b.png",
    f"{A},example.org/b.png", f"{A} and {B}", f"{A}, b.png", f"{A},www.example.org/b.png", f"{{'url': '{A}'}}",
    f'{{"url": "{A}"}}', f"[['{A}']]", f"['{A}', None]", f"['{A}', nan]", f"['{A}'", f"['{A}' ...]", [A, "nan"],
    [A, ""],
    [A, None], [A, " "], "[" * 5_000, "['" * 5_000, "a.png,zz.png", '[{"bytes": null}]', "[1, 2]",
])  # fmt: skip
def test_what_cannot_be_told_apart_is_refused(cell: Any):
    row = read(cell)
    assert row.requests == ()
    assert all("image_input" in problem or "does not exist" in problem for problem in row.problems)


def test_nine_links_in_one_cell_are_too_many():
    assert "9 images; at most 8" in read(",".join([A] * 9)).problems[0]


def test_a_path_that_is_nowhere_is_named_as_it_stands():
    assert read("a new, photo.png").problems == ("image_input 'a new, photo.png' does not exist",)


pieces = st.sampled_from(
    [A, B, "a.png", "x", ",", ";", " ", "\n", "[", "]", "{", "}", "'", '"', "\\", "nan", "://", "\0"]
)


@given(st.lists(pieces, max_size=9).map("".join))
def test_no_cell_raises_and_no_link_holds_two(cell: str):
    row = read(cell)
    assert bool(row.requests) != bool(row.problems)
    for request in row.requests:
        assert all(image.source.count("https://") <= 1 for image in request.images)
