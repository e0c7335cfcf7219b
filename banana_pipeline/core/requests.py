"""What can be asked of the model, and the identity and price of one request.

Lives here: the request value, its limits, its content hash, its price. Does not live here: reading a table's row
(``core.rows``), finding local files (``store.references``), the JSON sent to KIE (``kie.wire``).
Limits and prices: the protocol reference, sections 2 and 8.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass

MODEL = "nano-banana-pro"
MAX_PROMPT_CHARACTERS = 10_000
MAX_IMAGES = 8
MAX_IMAGE_BYTES = 30 * 1024 * 1024
MAX_SAMPLES = 100
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "auto")
RESOLUTIONS = ("1K", "2K", "4K")
OUTPUT_FORMATS = ("png", "jpg")
DEFAULT_ASPECT_RATIO, DEFAULT_RESOLUTION, DEFAULT_OUTPUT_FORMAT = "1:1", "1K", "png"

PRICE_CREDITS = {"1K": 18.0, "2K": 18.0, "4K": 24.0}
USD_PER_CREDIT = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceImage:
    """One entry of ``image_input``.

    Attributes:
        source: what the table says: an http(s) URL or a path.
        sha256: hex digest of the file's bytes for a local file; None for a remote URL, whose bytes are never fetched.
    """

    source: str
    sha256: str | None = None

    @property
    def is_local(self) -> bool:
        return self.sha256 is not None

    @property
    def identity(self) -> str:
        """What makes two references the same picture: the bytes of a file, the address of a remote image."""
        return f"sha256:{self.sha256}" if self.sha256 is not None else self.source


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """Everything that decides which picture is bought, and nothing else.

    Attributes:
        prompt: the text as the table has it, 1 to 10,000 characters (code points).
        images: up to 8 reference images, in order.
        aspect_ratio, resolution, output_format: one of `ASPECT_RATIOS`, `RESOLUTIONS`, `OUTPUT_FORMATS`.
        sample: which copy of the same request, from 0.
        regenerate: a label a person gave to buy the same picture again; empty for the first purchase.
    """

    prompt: str
    images: tuple[ReferenceImage, ...] = ()
    aspect_ratio: str = DEFAULT_ASPECT_RATIO
    resolution: str = DEFAULT_RESOLUTION
    output_format: str = DEFAULT_OUTPUT_FORMAT
    sample: int = 0
    model: str = MODEL
    regenerate: str = ""

    @property
    def request_id(self) -> str:
        """First 32 hex digits of SHA-256 over canonical JSON of what is asked.

        The prompt enters in Unicode NFC and is not trimmed, so the same text typed on two systems is one purchase.
        """
        parts: dict[str, object] = {
            "model": self.model,
            "prompt": unicodedata.normalize("NFC", self.prompt),
            "aspect_ratio": self.aspect_ratio,
            "resolution": self.resolution,
            "output_format": self.output_format,
            "images": [image.identity for image in self.images],
            "sample": self.sample,
        }
        if self.regenerate:
            parts["regenerate"] = self.regenerate
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]

    @property
    def price_credits(self) -> float:
        """Expected price. What was really paid is read from KIE's ``creditsConsumed``."""
        return PRICE_CREDITS[self.resolution]


def usd(credits_amount: float) -> float:
    """USD for an amount of credits; 1 credit is 0.005 USD (protocol reference, section 8)."""
    return round(credits_amount * USD_PER_CREDIT, 6)


def account_name(api_key: str) -> str:
    """Name of the account behind a key: ``sha256(key)[:12]``. The key itself is never written anywhere."""
    return hashlib.sha256(api_key.encode("utf-8")).hexdigest()[:12]
