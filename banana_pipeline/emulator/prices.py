"""The price list that KIE's own web page reads (section 8 of the protocol reference): rows, filter, pages.

Here: its JSON. Not here: what a task costs (config), the HTTP call (jobs).
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

_NAME = "Google nano banana pro"
_USD_PER_CREDIT = 0.005
_FAL_USD = {"1K": 0.15, "2K": 0.15, "4K": 0.3}
_MOST_ROWS = 100


def price_page(prices_credits: Mapping[str, float], asked: Mapping[str, Any]) -> dict[str, Any]:
    """`data` of one page. `asked`: the body, with `pageNum`, `pageSize`, `modelDescription` and `interfaceType`."""
    wanted = str(asked.get("modelDescription") or "").lower()
    kind = asked.get("interfaceType") or "image"
    found = [
        row
        for row in _rows(prices_credits)
        if row["interfaceType"] == kind and wanted in row["modelDescription"].lower()
    ]
    current = _number(asked.get("pageNum"), 1)
    size = min(_MOST_ROWS, _number(asked.get("pageSize"), 10))
    return {
        "records": found[(current - 1) * size : current * size],
        "total": len(found),
        "size": size,
        "current": current,
        "orders": [],
        "searchCount": True,
        "pages": -(-len(found) // size),
    }


def _rows(prices_credits: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row for each price: neighbouring sizes of one price share it, as in "1/2K"."""
    rows = []
    for credits, group in groupby(prices_credits, key=prices_credits.__getitem__):
        sizes = list(group)
        rows.append(_row("/".join(size.removesuffix("K") for size in sizes) + "K", credits, sizes[0]))
    return rows


def _row(sizes: str, credits: float, smallest: str) -> dict[str, Any]:
    usd, fal_usd = credits * _USD_PER_CREDIT, _FAL_USD.get(smallest, 0.15)
    return {
        "modelDescription": f"{_NAME}, {sizes}",
        "interfaceType": "image",
        "provider": "Google",
        "creditPrice": str(float(credits)),
        "creditUnit": "per image",
        "usdPrice": f"{usd:.4g}",
        "falPrice": f"{fal_usd:g}",
        "discountRate": round((1 - usd / fal_usd) * 100, 1),
        "anchor": "https://kie.ai/nano-banana-pro",
        "discountPrice": False,
    }


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
