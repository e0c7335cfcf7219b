"""What makes two requests the same purchase."""

import hashlib
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.pixels import expected_size
from banana_pipeline.core.requests import (
    ASPECT_RATIOS,
    OUTPUT_FORMATS,
    RESOLUTIONS,
    GenerationRequest,
    ReferenceImage,
    account_name,
    usd,
)

pictures = st.builds(ReferenceImage, source=st.text(max_size=20), sha256=st.none() | st.just("ab" * 32))
requests = st.builds(
    GenerationRequest,
    prompt=st.text(max_size=50),
    images=st.lists(pictures, max_size=8).map(tuple),
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    resolution=st.sampled_from(RESOLUTIONS),
    output_format=st.sampled_from(OUTPUT_FORMATS),
    sample=st.integers(0, 99),
)


def test_the_identity_of_a_request_never_changes_between_versions() -> None:
    """A changed value would buy every picture of every ledger again."""
    assert GenerationRequest(prompt="a red boat").request_id == "5758b4085e1d31315126d91ab9fc3a49"
    full = GenerationRequest(
        prompt="Crème brûlée {x}\n",
        images=(ReferenceImage(source="https://host/a.png"), ReferenceImage(source="b.png", sha256="cd" * 32)),
        aspect_ratio="16:9",
        resolution="4K",
        output_format="jpg",
        sample=3,
        regenerate="again",
    )
    assert full.request_id == "173250ffb5e44251280f4f08f21d7228"


def test_the_identity_is_the_documented_hash() -> None:
    parts = {
        "model": "nano-banana-pro", "prompt": "a red boat", "aspect_ratio": "1:1", "resolution": "1K",
        "output_format": "png", "images": [], "sample": 0,
    }  # fmt: skip
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert GenerationRequest(prompt="a red boat").request_id == hashlib.sha256(text.encode()).hexdigest()[:32]


@given(requests, requests)
def test_requests_share_an_identity_exactly_when_they_ask_the_same(
    one: GenerationRequest, other: GenerationRequest
) -> None:
    def asked(request: GenerationRequest) -> tuple[object, ...]:
        prompt = unicodedata.normalize("NFC", request.prompt)
        images = [image.identity for image in request.images]
        return prompt, images, request.aspect_ratio, request.resolution, request.output_format, request.sample

    assert (one.request_id == other.request_id) == (asked(one) == asked(other))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a red boat "},
        {"aspect_ratio": "16:9"},
        {"resolution": "2K"},
        {"output_format": "jpg"},
        {"sample": 1},
        {"model": "nano-banana-2"},
        {"regenerate": "again"},
        {"images": (ReferenceImage(source="a.png"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_parameter_is_part_of_the_identity(change: dict[str, object]) -> None:
    plain = {"prompt": "a red boat"}
    changed = GenerationRequest(**{**plain, **change})  # pyright: ignore[reportArgumentType]
    assert changed.request_id != GenerationRequest(prompt="a red boat").request_id


@given(st.text(max_size=60))
def test_a_prompt_typed_composed_or_decomposed_is_one_purchase(prompt: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, prompt) for form in ("NFC", "NFD"))
    assert GenerationRequest(prompt=composed).request_id == GenerationRequest(prompt=decomposed).request_id


def test_the_order_of_reference_images_matters() -> None:
    one, two = ReferenceImage(source="a"), ReferenceImage(source="b")
    first, second = (GenerationRequest(prompt="p", images=images) for images in ((one, two), (two, one)))
    assert first.request_id != second.request_id


def test_a_local_picture_is_known_by_its_bytes_wherever_it_lies() -> None:
    here, there = (ReferenceImage(source=source, sha256="ab" * 32) for source in ("x/a.png", "y/b.png"))
    assert here.identity == there.identity


@pytest.mark.parametrize(("resolution", "credits_amount"), [("1K", 18.0), ("2K", 18.0), ("4K", 24.0)])
def test_prices_are_those_of_the_reference(resolution: str, credits_amount: float) -> None:
    assert GenerationRequest(prompt="p", resolution=resolution).price_credits == credits_amount


def test_a_credit_is_half_a_cent() -> None:
    assert (usd(18.0), usd(24.0)) == (0.09, 0.12)


def test_an_account_is_named_without_its_key() -> None:
    assert account_name("secret-key") == hashlib.sha256(b"secret-key").hexdigest()[:12]


@pytest.mark.parametrize(("ratio", "resolution", "size"), [
    ("1:1", "1K", (1024, 1024)), ("16:9", "2K", (2752, 1536)), ("21:9", "4K", (6336, 2688)),
    ("4:5", "4K", (3712, 4608)),
    ("auto", "1K", None), ("7:5", "1K", None), ("1:1", "8K", None),
])  # fmt: skip
def test_expected_sizes_are_those_of_the_reference(ratio: str, resolution: str, size: tuple[int, int] | None) -> None:
    assert expected_size(ratio, resolution) == size
