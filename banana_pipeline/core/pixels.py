"""How large the pictures are that KIE sells.

Lives here: the table of expected pixel sizes (protocol reference, section 9). Does not live here: measuring a picture
(``store.images``), and judging a deviation: KIE's own output was never documented, so it is a hint, not an error.
"""

_SIZE_1K_PX = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
_SCALE = {"1K": 1, "2K": 2, "4K": 4}


def expected_size(aspect_ratio: str, resolution: str) -> tuple[int, int] | None:
    """Width and height in pixels; None where they cannot be known before (``auto``, or a value not sold)."""
    size_px, scale = _SIZE_1K_PX.get(aspect_ratio), _SCALE.get(resolution)
    return None if size_px is None or scale is None else (size_px[0] * scale, size_px[1] * scale)
