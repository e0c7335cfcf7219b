"""Writes the sample tables in ``data/prompts``: run it again after changing a row.

Two tables: ``postcards`` (text to image, with columns of its own and some rows that are bad on purpose) and
``product_scenes`` (image to image, with reference pictures drawn here).
"""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

HERE = Path(__file__).parent / "prompts"

# prompt, aspect_ratio, resolution, output_format, samples; None takes the default
POSTCARDS = [
    ("A lighthouse on a basalt cliff at dusk, gulls in the wind, gouache on rough paper", "3:2", "1K", "png", None),
    ("Night market in Taipei after rain, neon reflected in puddles, 35 mm film", "16:9", "2K", "jpg", None),
    ("A single paper boat on a still lake, fog, muted greens", "1:1", None, None, 2),
    ("Overhead view of a harbour full of red fishing boats", "4:3", "1K", "jpg", None),
    ("The old tram of Lisbon climbing a steep street, watercolour", "3:4", "1K", "png", None),
    ("Snow on the roofs of a mountain village, windows lit, linocut in two colours", "2:3", "1K", "png", None),
    ('A greengrocer\'s stall with hand-lettered signs: "Kirschen {500 g} 4,90"', "4:5", "1K", "jpg", None),
    ("Desert road under the Milky Way, long exposure", "21:9", "2K", "jpg", None),
    ("Eine Bäckerei am frühen Morgen, warmes Licht, Ölgemälde", "1:1", "1K", "png", None),
    ("雨の日の京都、石畳と赤い傘、浮世絵風", "9:16", "1K", "png", None),
    ("سوق قديم عند الغروب، مصابيح نحاسية", "16:9", "1K", "png", None),
    ("Фонари на набережной, зимний вечер, пастель", "3:2", "1K", "jpg", None),
    ("A balcony full of geraniums 🌺 above a blue door, midday sun", "4:5", "1K", "png", None),
    ("Terraced rice fields from above, morning mist, minimal palette", "16:9", "4K", "jpg", None),
    ("A cat asleep in a bookshop window", "1:1", "1K", "png", 2),
    ("Vintage travel poster of a fjord with a small steamer", "2:3", "1K", "png", None),
    ("Interior of a train compartment, two cups of tea, landscape rushing past", "3:2", "1K", "jpg", None),
    ("A bridge of stone over a turquoise river, late spring", "auto", "1K", "png", None),
    ("Kites over a grey beach, three children running, loose ink drawing", "5:4", "1K", "png", None),
    ("Close-up of frost on a leaf, macro photograph", "1:1", "2K", "png", None),
    ("The reading room of a great library, green lamps, symmetrical view", "16:9", "1K", "jpg", None),
    ("Vineyard in October, rows of gold, farmhouse far away", "21:9", "1K", "jpg", None),
    ("A street musician with an accordion in the metro, motion blur around her", "3:4", "1K", "png", None),
    ("Hot-air balloons over fairy chimneys at sunrise", "9:16", "1K", "jpg", None),
    ("Tin toys on a wooden shelf, soft window light", "4:3", "1K", "png", None),
    ("A ferry leaving the pier, people waving, seen from the quay", "3:2", "1K", "png", None),
    ("Letters of a shop sign being painted by hand, close view of the brush", "1:1", "1K", "png", None),
    ("An orchard in blossom with beehives", "16:9", "1K", "png", None),
    ("Saltworks in the evening, pink water, white heaps", "2:3", "1K", "jpg", None),
    ("A courtyard in Fez with a mosaic fountain, view from the gallery", "4:5", "1K", "png", None),
    ("Thunderstorm over wheat fields, one tree", "21:9", "1K", "jpg", None),
    ("Swimmers in a lido from the ten-metre board, flat colours", "9:16", "1K", "png", None),
    ("A poster with the word NSFW painted over by a careful hand", "1:1", "1K", "png", None),
    ("The last bus at the terminus, rain, sodium light", "3:2", "1K", "png", None),
    # Bad on purpose: each shows how a row that cannot be sent is told.
    ("", "1:1", "1K", "png", None),
    ("A windmill in a storm", "16x9", "1k", "jpeg", None),
    ("A pier with too many copies of itself", "1:1", "1K", "png", 500),
    (None, "2:3", None, None, None),
]
CAMPAIGNS = ["spring", "night-trains", "coast", "markets"]
MARKETS = ["DE", "FR", "JP", "PT", "US"]

SCENES = [
    ("mug-desk", "The mug on an architect's desk, morning light from the left", ["mug.png"], "4:3"),
    ("mug-forest", "The mug on a mossy log in a forest, shallow depth of field", ["mug.png"], "3:2"),
    ("lamp-loft", "The lamp beside a leather chair in a loft at night", ["lamp.jpg"], "2:3"),
    ("lamp-mug", "The lamp and the mug together on a small table, still life", ["lamp.jpg", "mug.png"], "1:1"),
    ("plant-sill", "The plant on a rainy window sill, film photograph", ["plant.webp"], "4:5"),
    (
        "all-shelf",
        "All three things on one oak shelf, catalogue picture",
        ["mug.png", "lamp.jpg", "plant.webp"],
        "16:9",
    ),
    ("vase-missing", "The vase on a piano", ["vase.png"], "1:1"),  # bad on purpose: there is no such file
    ("secret", "The mug in front of the cellar door", ["../../../../etc/hostname"], "1:1"),  # bad on purpose
]


def postcards() -> pa.Table:
    """The text-to-image table, with columns that mean something to its authors only."""
    rows = [
        {
            "id": f"pc-{number:03d}",
            "prompt": prompt,
            "aspect_ratio": ratio,
            "resolution": resolution,
            "output_format": output_format,
            "samples": samples,
            "campaign": CAMPAIGNS[number % len(CAMPAIGNS)],
            "market": MARKETS[number % len(MARKETS)],
            "print_run": 250 * (1 + number % 7),
            "due_on": date(2027, 3, 1) + timedelta(days=number),
        }
        for number, (prompt, ratio, resolution, output_format, samples) in enumerate(POSTCARDS)
    ]
    return pa.Table.from_pylist(rows)


def product_scenes() -> pa.Table:
    """The image-to-image table."""
    return pa.Table.from_pylist(
        [
            {
                "id": name,
                "prompt": prompt,
                "image_input": [f"reference/{image}" for image in images],
                "aspect_ratio": ratio,
                "product_line": name.split("-")[0],
            }
            for name, prompt, images, ratio in SCENES
        ]
    )


def draw_references() -> None:
    """Three plain product pictures, 512 x 512."""
    folder = HERE / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    mug = Image.new("RGB", (512, 512), "#f2efe9")
    pen = ImageDraw.Draw(mug)
    pen.ellipse((330, 190, 450, 340), outline="#c8553d", width=28)
    pen.rounded_rectangle((130, 150, 370, 400), 30, fill="#c8553d")
    mug.save(folder / "mug.png", optimize=True)
    lamp = Image.new("RGB", (512, 512), "#e8edf2")
    pen = ImageDraw.Draw(lamp)
    pen.polygon([(170, 220), (342, 220), (300, 90), (212, 90)], fill="#2f5d62")
    pen.rectangle((248, 220, 264, 420), fill="#5e5e5e")
    pen.ellipse((176, 405, 336, 445), fill="#5e5e5e")
    lamp.save(folder / "lamp.jpg", quality=90)
    plant = Image.new("RGB", (512, 512), "#faf7f0")
    pen = ImageDraw.Draw(plant)
    for left, top in ((150, 120), (220, 70), (290, 130), (200, 170)):
        pen.ellipse((left, top, left + 90, top + 190), fill="#4f772d")
    pen.polygon([(170, 330), (350, 330), (325, 450), (195, 450)], fill="#bc6c25")
    plant.save(folder / "plant.webp", quality=90)


if __name__ == "__main__":
    draw_references()
    pq.write_table(postcards(), HERE / "postcards.parquet", compression="zstd")
    pq.write_table(product_scenes(), HERE / "product_scenes.parquet", compression="zstd")
