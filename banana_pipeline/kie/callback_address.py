"""The address that KIE calls back: the only thing of ours that it hands on (protocol reference, section 2).

Lives here: putting an attempt into an address and finding it there again. Does not live here: what is called back
(``kie.callback_body``).
"""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from banana_pipeline.kie.json_values import is_plain

_ATTEMPT = "attempt"
_ATTEMPT_CHARACTERS = 32


def callback_address(base: str | None, attempt_id: str) -> str | None:
    """``base`` with our attempt in its query."""
    if base is None:
        return None
    parts = urlsplit(base)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), (_ATTEMPT, attempt_id)])
    return urlunsplit(parts._replace(query=query))


def attempt_of_address(url: str) -> str | None:
    """The attempt that a callback address names, if it names one."""
    try:
        values = parse_qs(urlsplit(url).query, max_num_fields=100).get(_ATTEMPT, [])
    except ValueError:
        return None
    return values[-1] if values and is_plain(values[-1]) and len(values[-1]) <= _ATTEMPT_CHARACTERS else None
