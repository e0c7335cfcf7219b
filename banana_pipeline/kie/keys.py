"""The key that pays: what it must look like, and how it stays out of sight.

Lives here: checking it, putting it into a request, taking it out of a text. Does not live here: which hosts it is sent
to (``kie.client``).
"""

from __future__ import annotations

from collections.abc import Generator

import httpx

from banana_pipeline.core.failures import SettingsError

_SHORTEST_REAL_KEY = 12


class Bearer(httpx.Auth):
    """Puts the key into a request at the last moment: as an argument it would be a local variable of every function on
    the way, and tools that print tracebacks with local variables would show it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.key}"
        yield request

    def hidden_in(self, text: str) -> str:
        """A service that quotes the key in a complaint must not bring it into a log or a table."""
        return text if len(self.key) < _SHORTEST_REAL_KEY else text.replace(self.key, "[key]")


def check_key(api_key: str) -> str:
    """The key, if it can stand in a header.

    Raises:
        SettingsError: it cannot; the text does not repeat it.
    """
    if not api_key or not api_key.isascii() or any(c.isspace() or not c.isprintable() for c in api_key):
        raise SettingsError("KIE_API_KEY has blanks or unusual characters; copy the key again from kie.ai")
    return api_key
