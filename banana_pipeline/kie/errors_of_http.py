"""What httpx can raise, told as our own errors.

Lives here: which error means "never sent", and one plain sentence for each. Does not live here: what an answer means
(``kie.wire``, ``core.failures``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx

from banana_pipeline.core.failures import ReadFailed, Unreachable

# The request certainly never left this machine: nothing was bought. Every other error leaves the fate unknown, also
# InvalidURL and UnsupportedProtocol: httpx raises them for the address of a redirect too, after the order has arrived.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The last three: an address whose host or port no resolver takes, in a group where several ways are tried at once.
READ_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    OSError,
    ValueError,
    OverflowError,
    ExceptionGroup,
)
_LONGEST_NAME = 100


@contextlib.contextmanager
def read_errors(url: str) -> Iterator[None]:
    """Every error httpx can raise becomes ReadFailed, naming the host but neither a password nor the query."""
    try:
        yield
    except READ_ERRORS as error:
        kind = Unreachable if isinstance(error, NEVER_SENT) else ReadFailed
        # Without the cause: its frames hold the bytes that were on their way, the key's header among them, and tools
        # that print tracebacks with local variables would show it.
        raise kind(f"{host_of(url)} cannot be reached ({why(error)})") from None


def host_of(url: str) -> str:
    """Host and port of an address, also of one that is none; for sentences only."""
    authority = re.split(r"[/?#\\]", url.split("//", 1)[-1], maxsplit=1)[0]
    return authority.rpartition("@")[2][:_LONGEST_NAME]


def why(error: Exception) -> str:
    """An error in a few words."""
    text = str(error).strip()
    return f"{type(error).__name__}, {text}" if text else type(error).__name__
