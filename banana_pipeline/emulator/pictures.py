"""The pictures the emulator sells: a landscape whose colours follow from the prompt, and the prompt on it.

Here: drawing and encoding, pure and cheap. Pictures are palette images, one byte a pixel, so that 4K costs
little. Not here: pixel sizes (sizes), who may download them (media).
"""

import colorsys
import io
import math
import random
import textwrap
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

MAX_DRAWN_CHARS = 700
_THUMBNAIL_PX = 360
_FRAME_PX = 4

# Where each part's colours begin in the palette of 256.
_SKY_COLOURS = 128
_SUN = 128
_HILLS = 129
_CARD = 136
_REFERENCES = 168


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One picture to draw: `key` varies it, `references` are the bytes of the uploaded input images."""

    prompt: str
    key: str
    size: tuple[int, int]
    output_format: str
    references: tuple[bytes, ...] = ()
    is_plain: bool = False


@lru_cache(maxsize=64)
def draw(drawing: Drawing) -> bytes:
    """PNG or JPEG bytes of exactly `drawing.size` pixels. The 64 latest pictures are remembered."""
    dice = random.Random(f"{drawing.prompt[:2000]!r} {drawing.key}")
    image = Image.new("L", drawing.size, _HILLS) if drawing.is_plain else _landscape(drawing, dice)
    thumbnails = [thumbnail for thumbnail in map(_thumbnail, drawing.references) if thumbnail]
    image.putpalette(_palette(dice) + (_paste_references(image, thumbnails) if thumbnails else []))
    return _encoded(image, drawing.output_format)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of an encoded image, None when the bytes are not one."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _landscape(drawing: Drawing, dice: random.Random) -> Image.Image:
    width, height = drawing.size
    sky = Image.linear_gradient("L").point([value * (_SKY_COLOURS - 1) // 255 for value in range(256)])
    image = sky.resize(drawing.size, Image.Resampling.NEAREST)
    canvas = ImageDraw.Draw(image)
    unit = min(width, height)
    x, y = width * dice.uniform(0.2, 0.8), height * dice.uniform(0.14, 0.34)
    radius = unit * dice.uniform(0.07, 0.13)
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_SUN)
    for layer in range(4):
        canvas.polygon(_hill(width, height, layer, dice), fill=_HILLS + layer)
    _write(image, drawing.prompt)
    return image


def _hill(width: int, height: int, layer: int, dice: random.Random) -> list[tuple[float, float]]:
    base, lift = height * (0.42 + 0.14 * layer), height * 0.07
    waves = [(dice.uniform(0.7, 2.6) * step, dice.uniform(0, 7), lift / step) for step in range(1, 4)]
    points = [(0.0, float(height))]
    for step in range(161):
        turn = step / 160 * math.tau
        rise = sum(size * math.sin(turn * speed / 2 + phase) for speed, phase, size in waves)
        points.append((step / 160 * width, base - rise))
    return [*points, (float(width), float(height))]


def _write(image: Image.Image, prompt: str) -> None:
    """The prompt on a dark card at the bottom, wrapped, cut where it would fill four tenths of the height."""
    width, height = image.size
    unit = min(width, height)
    font_px = unit // (24 if len(prompt) < 180 else 34)
    font = _font(font_px)
    margin, line_px = unit // 24, round(font_px * 1.35)
    text = "".join(char if char.isprintable() else " " for char in prompt[:MAX_DRAWN_CHARS])
    mean_px = max(font.getlength(text) / max(len(text), 1), 1)
    lines = textwrap.wrap(text, int((width - 4 * margin) / mean_px * 0.97)) or [" "]
    most = max(int(height * 0.4 / line_px), 1)
    if len(lines) > most or len(prompt) > MAX_DRAWN_CHARS:
        lines = [*lines[: most - 1], lines[most - 1][:-2] + " ..."] if len(lines) >= most else [*lines, "..."]
    card = Image.new("L", (width - 2 * margin, len(lines) * line_px + margin), 0)
    pen = ImageDraw.Draw(card)
    for number, line in enumerate(lines):
        pen.text((margin, margin // 2 + number * line_px), line, font=font, fill=255)
    shaded = card.point([_CARD + value * (_REFERENCES - 1 - _CARD) // 255 for value in range(256)])
    image.paste(shaded, (margin, height - margin - card.height))


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _palette(dice: random.Random) -> list[int]:
    hue = dice.random()
    top, bottom = _rgb(hue, 0.42, 0.62), _rgb(hue + dice.uniform(0.08, 0.2), 0.80, 0.85)
    sky = [_mixed(top, bottom, min(step / (_SKY_COLOURS * 0.7), 1)) for step in range(_SKY_COLOURS)]
    hills = [_rgb(hue + 0.02 * layer, 0.46 - 0.1 * layer, 0.4) for layer in range(_CARD - _HILLS)]
    dark, white = _rgb(hue, 0.1, 0.35), (255, 255, 255)
    shades = _REFERENCES - _CARD
    card = [_mixed(dark, white, step / (shades - 1)) for step in range(shades)]
    colours = [*sky, _rgb(hue + 0.15, 0.93, 0.9), *hills, *card]
    return [channel for colour in colours for channel in colour]


def _rgb(hue: float, lightness: float, saturation: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, max(lightness, 0.04), saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mixed(first: tuple[int, int, int], second: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _paste_references(image: Image.Image, thumbnails: list[Image.Image]) -> list[int]:
    """Paste the thumbnails along the top in colours of their own; returns those colours for the palette.

    They are quantized small and enlarged by whole pixels, which keeps even a 4K picture a palette image.
    """
    width, height = image.size
    gap = min(width, height) // 40
    side = min((width - gap) // len(thumbnails) - gap, int(height * 0.42))
    strip = Image.new("RGB", (_THUMBNAIL_PX * len(thumbnails), _THUMBNAIL_PX))
    for number, thumbnail in enumerate(thumbnails):
        strip.paste(thumbnail, (number * _THUMBNAIL_PX, 0))
    colours = strip.quantize(256 - _REFERENCES)
    shifted = [(_REFERENCES + index) % 256 for index in range(256)]
    indexes = Image.frombytes("L", strip.size, colours.tobytes()).point(shifted)
    for number in range(len(thumbnails)):
        box = (number * _THUMBNAIL_PX, 0, (number + 1) * _THUMBNAIL_PX, _THUMBNAIL_PX)
        enlarged = indexes.resize((side, side), Image.Resampling.NEAREST, box)
        image.paste(enlarged, (gap + number * (side + gap), gap))
    return colours.getpalette() or []


def _thumbnail(content: bytes) -> Image.Image | None:
    """A framed square of the image, None when the bytes cannot be read as one."""
    side = _THUMBNAIL_PX - 2 * _FRAME_PX
    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft("RGB", (side, side))
            fitted = ImageOps.fit(opened.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return ImageOps.expand(fitted, _FRAME_PX, "white")


def _encoded(image: Image.Image, output_format: str) -> bytes:
    buffer = io.BytesIO()
    if output_format == "jpg":
        image.convert("RGB").save(buffer, "JPEG", quality=85)
    else:
        image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
