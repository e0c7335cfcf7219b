"""Pixel sizes of the pictures: the table of section 9 of the protocol reference. Nothing else."""

from collections.abc import Mapping

SIZES_1K: Mapping[str, tuple[int, int]] = {
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
SCALES: Mapping[str, int] = {"1K": 1, "2K": 2, "4K": 4}


def pixel_size(aspect_ratio: str, resolution: str, reference: tuple[int, int] | None = None) -> tuple[int, int]:
    """Width and height in pixels; `auto` is the ratio nearest to the first reference, 1:1 without one."""
    ratio = nearest_ratio(reference) if aspect_ratio == "auto" else aspect_ratio
    width, height = SIZES_1K[ratio]
    return width * SCALES[resolution], height * SCALES[resolution]


def nearest_ratio(reference: tuple[int, int] | None) -> str:
    """The name of the ratio whose shape is nearest to a picture of this width and height."""
    if reference is None:
        return "1:1"
    shape = reference[0] / reference[1]
    return min(SIZES_1K, key=lambda name: abs(SIZES_1K[name][0] / SIZES_1K[name][1] / shape - 1))
