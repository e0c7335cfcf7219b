"""What a createTask body asks for, and what is wrong with it: pure functions of JSON values.

Here: the fields, limits and refusal texts of section 2 of the protocol reference, in the order of section 11.
Not here: keys, credits and rate (the jobs module asks the books), the answer's form (answers), picture sizes.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from banana_pipeline.emulator.config import MODEL

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "auto")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "aspect_ratio": RATIOS,
    "resolution": ("1K", "2K", "4K"),
    "output_format": ("png", "jpg"),
}
DEFAULTS = {"aspect_ratio": "1:1", "resolution": "1K", "output_format": "png"}
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")

REQUIRED = "This field is required"
UNSUPPORTED_MODEL = "The model name you specified is not supported. Please verify the model name."
TOO_LONG = "The text length cannot exceed the maximum limit"
WRONG_FILE_TYPE = "File type not supported"


class RefusedError(Exception):
    """createTask says no and makes nothing: a body `code` and its text (section 2)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What KIE reads of an accepted body: known fields with their defaults filled in, the rest ignored."""

    prompt: str
    image_input: tuple[str, ...] = ()
    aspect_ratio: str = DEFAULTS["aspect_ratio"]
    resolution: str = DEFAULTS["resolution"]
    output_format: str = DEFAULTS["output_format"]

    def digest(self, image_names: tuple[str, ...]) -> str:
        """Hex name of the same purchase: model and input, with `image_names` in place of the image URLs."""
        parts = [MODEL, self.prompt, image_names, self.aspect_ratio, self.resolution, self.output_format]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def read_order(body: Any, *, max_prompt_chars: int, max_images: int) -> Order:
    """The order inside a decoded body.

    Raises RefusedError with the first problem: model, required, type, length, enum, image count, image kind.
    """
    if not isinstance(body, dict):
        raise RefusedError(422, "The request body must be a JSON object")
    _check_model(body.get("model"))
    given = _input_of(body)
    if len(given["prompt"]) > max_prompt_chars:
        raise RefusedError(500, TOO_LONG)
    chosen = {name: _option(name, given.get(name)) for name in OPTIONS}
    images = given.get("image_input") or []
    if len(images) > max_images:
        raise RefusedError(422, f"image_input: at most {max_images} images are allowed")
    for url in images:
        check_image_url(url)
    return Order(prompt=given["prompt"], image_input=tuple(images), **chosen)


def param_text(body: Mapping[str, Any]) -> str:
    """The `param` string of recordInfo: the request with `input` encoded a second time (section 3)."""
    known = {name: body[name] for name in ("model", "callBackUrl") if body.get(name)}
    inner = json.dumps(body["input"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return json.dumps({**known, "input": inner}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def check_image_url(url: str) -> None:
    """Raises RefusedError unless `url` is an http(s) URL whose ending may be a jpeg, png or webp."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RefusedError(500, WRONG_FILE_TYPE) from None
    if parts.scheme not in ("http", "https") or not parts.netloc or not may_be_image(parts.path):
        raise RefusedError(500, WRONG_FILE_TYPE)


def may_be_image(path: str) -> bool:
    """False when the path's ending names a media type that the model does not take."""
    kind = mimetypes.guess_type(path)[0] or ""
    return kind in IMAGE_TYPES or not kind.startswith(("image/", "video/", "audio/", "application/pdf"))


def _check_model(model: Any) -> None:
    if model in (None, ""):
        raise RefusedError(500, REQUIRED)
    if model != MODEL:
        raise RefusedError(422, UNSUPPORTED_MODEL)


def _input_of(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("input")
    if given is None:
        raise RefusedError(500, REQUIRED)
    if not isinstance(given, dict):
        raise RefusedError(422, "input must be an object")
    if given.get("prompt") in (None, ""):
        raise RefusedError(500, REQUIRED)
    _check_type(given, "prompt", str, "a string")
    _check_type(body, "callBackUrl", str, "a string")
    _check_type(given, "image_input", list, "an array of URLs")
    if not all(isinstance(url, str) for url in given.get("image_input") or []):
        raise RefusedError(422, "image_input must be an array of URLs")
    for name in OPTIONS:
        _check_type(given, name, str, "a string")
    return given


def _check_type(values: Mapping[str, Any], name: str, kind: type, words: str) -> None:
    if values.get(name) is not None and not isinstance(values[name], kind):
        raise RefusedError(422, f"{name} must be {words}")


def _option(name: str, value: str | None) -> str:
    if value is None:
        return DEFAULTS[name]
    if value not in OPTIONS[name]:
        raise RefusedError(500, f"{name} is not within the range of allowed options")
    return value
