"""Callback signatures: was this callback signed with our key, and lately?

Lives here: the formula and its comparison. Does not live here: which text of a body is the task's id
(``kie.callback_body``), and what an unsigned callback is worth (``callbacks``).

    base64( HMAC-SHA256( key, taskId + "." + timestamp ) ), key and message as UTF-8, timestamp in Unix seconds

The body is not signed: whoever has seen one callback can send the same signature with another body until it is too old.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

TOLERANCE_S = 300.0
"""How far a timestamp may be from our clock, either way; KIE names no figure."""

_MOST_DIGITS = 12


def signature(key: str, task_id: str, timestamp: str) -> str:
    """The signature that KIE puts on a callback about ``task_id``."""
    digest = hmac.new(_bytes(key), _bytes(f"{task_id}.{timestamp}"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def is_fresh(timestamp: str, *, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Is this a number of Unix seconds within the tolerance of ``now_s``?"""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MOST_DIGITS):
        return False
    return abs(now_s - int(timestamp)) <= tolerance_s


def is_genuine(
    key: str, *, task_id: str, timestamp: str, given: str, now_s: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Was ``given`` made with ``key`` for this task and a fresh timestamp? Any text may be asked about."""
    # Compared as bytes: compare_digest refuses text that is not ASCII. It takes the same time wherever they differ.
    is_ours = hmac.compare_digest(_bytes(signature(key, task_id, timestamp)), _bytes(given))
    return is_ours and is_fresh(timestamp, now_s=now_s, tolerance_s=tolerance_s)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
