"""Numbers of 16 and 32 bits, as a person would write them: 0.1 and not 0.10000000149011612.

Lives here: the shortest decimal number that is the same in its own width. Does not live here: where it is written.
"""

import struct

WIDTHS = {16: ("e", 5), 32: ("f", 9)}
"""By bits: how `struct` calls the width, and the digits that tell any two of its numbers apart."""


def shortest(value: float, bits: int) -> float:
    """The shortest number that becomes ``value`` when it is narrowed to ``bits`` bits."""
    code, most_digits = WIDTHS[bits]
    for digits in range(1, most_digits + 1):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.unpack(code, struct.pack(code, short))[0] == value:
                return short
        except (OverflowError, struct.error):
            continue
    return float(value)
