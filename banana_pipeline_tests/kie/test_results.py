"""Pictures are found in every place and form of a record, and nothing else is taken for one."""

import json
from typing import Any

import pytest

from banana_pipeline.kie.results import result_addresses, result_text

A, B = "https://tempfile.example/h/a_1.png", "http://tempfile.example/h/b_2.jpeg?x=1,2&y=(3)"
URLS = {"resultUrls": [A, B]}


def packed(value: Any, times: int = 1) -> str:
    return value if times == 0 else packed(json.dumps(value), times - 1)


@pytest.mark.parametrize(
    "value",
    [
        packed(URLS), packed(URLS, 2), packed(URLS, 3), URLS, packed([A, B]), [A, B], f" {packed(URLS)}\n",
        {"resultUrls": packed([A, B])}, {"resultUrls": f"{A},{B}"}, {"resultUrls": f" {A} \n {B}\t"},
        {"resultUrls": [f" {A}", f"{B}\u200b"]}, {"resultUrls": [A, A, B, A]}, {"result_urls": [A, B]},
        {"ResultURLs": [A, B]}, {"urls": [A, B]}, {"images": [{"url": A}, {"url": B, "width": 4}]},
        {"resultUrls": [{"resultUrl": A}, {"resultUrl": B}]}, {"data": {"images": [A, B]}}, {"output": [A, B]},
        {"resultObject": {"urls": [A, B]}}, [{"image_url": A}, {"imageUrl": B}], {"resultUrls": [], "urls": [A, B]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["resultJson", "response", "resultInfoJson"])
def test_two_pictures_are_found_in_each_form(place: str, value: object) -> None:
    assert result_addresses({place: value}) == (A, B)


@pytest.mark.parametrize(
    "data",
    [
        {"resultJson": A}, {"resultJson": packed(A)}, {"resultJson": {"resultUrl": A}}, {"resultJson": {"url": A}},
        {"resultJson": "", "response": {"resultUrls": [A]}}, {"resultJson": None, "response": packed({"url": A})},
        {"resultJson": "[]", "response": "{", "resultUrls": [A]}, {"resultUrl": A}, {"result_urls": A}, {"url": A},
        {"urls": [A]}, {"images": [{"url": A}]}, {"output": A}, {"result": {"images": [A]}},
        {"resultJson": {"resultUrls": [None, 5, "", "a b", "half \ud800", A]}},
    ],
)  # fmt: skip
def test_one_picture_is_found_wherever_it_stands(data: dict[str, Any]) -> None:
    assert result_addresses(data) == (A,)


def test_the_usual_place_comes_before_all_others() -> None:
    assert result_addresses({"url": B, "response": {"resultUrls": [B]}, "resultJson": packed({"resultUrls": [A]})}) == (
        A,
    )


@pytest.mark.parametrize(
    "data",
    [
        {"param": packed({"input": {"image_input": [A]}})}, {"input": {"url": A}}, {"image_input": [A]},
        {"image_urls": [A]}, {"callBackUrl": A}, {"resultJson": {"input": {"image_urls": [A]}, "originUrls": [B]}},
        {"resultJson": {"thumbnail": A}},
    ],
)  # fmt: skip
def test_what_was_sent_is_no_picture_that_was_made(data: dict[str, Any]) -> None:
    assert result_addresses(data) == ()


@pytest.mark.parametrize(
    "text",
    ["ftp://h/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA", "javascript:x", "//h/a.png", "/h/a.png",
     "h/a.png", "https://", "https:///a.png", "http://h:99999/a", "http://h:x/a", "https://[::1/a", "https://h/\x00a",
     "https://h/\x1b[31m", "https://h/" + "a" * 5_000],
)  # fmt: skip
def test_only_whole_http_addresses_count(text: str) -> None:
    assert result_addresses({"resultJson": {"resultUrls": [text]}}) == ()


def test_a_blank_inside_an_address_does_not_lose_the_picture() -> None:
    assert result_addresses({"resultJson": {"url": "https://h/my picture.png"}}) == ("https://h/my%20picture.png",)


def test_a_record_of_a_million_addresses_is_bounded() -> None:
    assert len(result_addresses({"resultJson": [f"https://h/{number}" for number in range(5_000)]})) == 100


@pytest.mark.parametrize("value", ["[" * 100_000, '{"url":' * 5_000 + "1" + "}" * 5_000, [[[[[[[[A]]]]]]]]])
def test_deep_nesting_does_not_raise(value: object) -> None:
    assert result_addresses({"resultJson": value}) == ()
    assert result_text({"resultJson": value}) is not None


@pytest.mark.parametrize(
    "value",
    ["", " ", None, "null", "[]", "{}", [], {}, {"resultUrls": []}, packed({"resultUrls": [""]}), 5, True,
     {"resultUrls": None, "count": 0}],
)  # fmt: skip
def test_where_nothing_stands_nothing_is_told(value: object) -> None:
    assert result_text({"resultJson": value}) is None


def test_what_stands_instead_of_an_address_is_kept_plain_and_short() -> None:
    text = result_text({"resultJson": {"asset": "oss://bucket/\x1b[31ma.png\n", "more": "x" * 10_000}})
    assert text is not None
    assert text.startswith('{"asset": "oss://bucket/')
    assert text.isprintable()
    assert len(text) <= 500
