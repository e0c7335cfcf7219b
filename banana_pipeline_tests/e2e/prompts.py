"""Prompts as real tables hold them: nine languages, quotes, braces, newlines, emoji, both directions of writing."""

from typing import Any

_TEXTS = [
    "A red fishing boat at dawn, mist over the harbour",
    "Ein Leuchtturm aus Löschpapier; Größe: 3 m, „groß“ gedruckt",
    "Une péniche décorée de guirlandes, à l’aube — façon Art nouveau",
    "Una barca de remos bajo los cerezos, ¡con niños!",
    "Красная лодка на замёрзшем озере, вид сверху",
    "夜明けの港に浮かぶ小さな赤い船、浮世絵風",
    "清晨的港口，一艘红色的小船，水墨画风格",
    "새벽 항구의 빨간 배, 수채화",
    "قارب أحمر عند الفجر، بأسلوب المنمنمات",
    "सुबह के समय बंदरगाह में लाल नाव",
    "She said \"sail\", and wrote 'home' on the \\bow\\ of `{boat}`",
    '{"scene": {"subject": "boat", "colours": ["red", "blue"]}, "n": {count}}',
    "Line one: a boat\nline two:\ta sail\r\n\r\nline five: nothing but water",
    "A boat of emoji 🚤👨‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿 under a flag 🇨🇭",
    "עברית מימין לשמאל: סירה אדומה, then English, ثم العربية",
    "Composed é, n\u0303 apart, Z͑ͫ̓ͪ̂ͫ̽a̴̵̜̰͔ͫ͗͢l̠ͨͧͩ͘g̴͑o",
    "  blanks around it are part of it  ",
    "100 % <b>bold</b> & [fold] $HOME %s {0} {{double}} #!/bin/sh; -- DROP TABLE boats",
    "Ω≈ç√∫ µ ± – — … ‰ № ½ ² ₃ \u00a0 \u200b zero width",
    "A boat. " * 725,
]
_RATIOS = ["1:1", "16:9", "9:16", "4:5"]


def every_kind_of_prompt() -> dict[str, list[Any]]:
    """Sixty rows: each text in three versions, with parameters, and business columns of several types."""
    prompts = [text if version == 0 else f"{text} ({version})" for version in range(3) for text in _TEXTS]
    count = len(prompts)
    return {
        "campaign": [f"spring/{number % 7}" for number in range(count)],
        "id": [f"row-{number:03}" for number in range(count)],
        "prompt": prompts,
        "aspect_ratio": [_RATIOS[number % 4] for number in range(count)],
        "output_format": ["png" if number % 2 else "jpg" for number in range(count)],
        "budget_eur": [number * 1.5 if number % 5 else None for number in range(count)],
        "tags": [["boat", f"n{number}"] for number in range(count)],
    }
