"""What httpx can raise, told as our own errors.

Lives here: which error means "never sent", and one plain sentence for each. Does not live here: what an answer means
(``kie.wire``, ``core.failures``).
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping

import httpx

from banana_pipeline.core.failures import ReadFailed, Unreachable

# The request certainly never left this machine: no connection was made, or a proxy made no way for it. Every other
# error leaves the fate unknown, also InvalidURL and UnsupportedProtocol: httpx raises them for the address of a
# redirect too, after the order has arrived.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
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

_BEFORE_SENDING = frozenset(
    {
        "connection.connect_tcp",
        "connection.start_tls",
        "http11.response_closed",  # of the CONNECT: that of an order comes after its sending
        "proxy.start_tls",
        "socks.connect_tcp",
        "socks.setup_socks5_connection",
        "socks.start_tls",
    }
)


class Departure:
    """Watches one request on its way (httpx's ``trace`` extension): has it certainly not begun to leave?

    A proxy that hangs up instead of answering CONNECT raises the same error as a service that hangs up after an order:
    only what was done before tells them apart. Whatever is not known to come before sending counts as sending.
    """

    def __init__(self) -> None:
        self._was_on_its_way = False
        self._has_left = False

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        step, _, stage = event.rpartition(".")
        if stage != "started":
            return
        self._was_on_its_way = True
        is_connect = getattr(info.get("request"), "method", None) == b"CONNECT"
        self._has_left |= step not in _BEFORE_SENDING and not is_connect

    @property
    def is_certainly_not_sent(self) -> bool:
        return self._was_on_its_way and not self._has_left


@contextlib.contextmanager
def read_errors(url: str) -> Iterator[None]:
    """Every error httpx can raise becomes ReadFailed, naming the host but neither a password nor the query."""
    try:
        yield
    except READ_ERRORS as error:
        kind = Unreachable if isinstance(error, NEVER_SENT) else ReadFailed
        # Without the cause: its frames hold the bytes that were on their way, the key's header among them, and tools
        # that print tracebacks with local variables would show it.
        raise kind(cannot_reach(url, error)) from None


def cannot_reach(url: str, error: Exception) -> str:
    """One sentence without its full stop."""
    distrust = _distrust(error)
    if distrust is None:
        return f"{host_of(url)} cannot be reached ({why(error)})"
    return (
        f"{host_of(url)} cannot be reached: its certificate is not trusted ({distrust}); set SSL_CERT_FILE to the "
        "certificate of its authority, perhaps that of your proxy"
    )


def _distrust(error: BaseException | None) -> str | None:
    """Why the server's certificate was not accepted; None if the error has another cause."""
    for _ in range(10):
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__ if error is not None else None
    return None


def host_of(url: str) -> str:
    """Host and port of an address, also of one that is none; for sentences only."""
    authority = re.split(r"[/?#\\]", url.split("//", 1)[-1], maxsplit=1)[0]
    return authority.rpartition("@")[2][:_LONGEST_NAME]


def why(error: Exception) -> str:
    """An error in a few words."""
    text = str(error).strip()
    return f"{type(error).__name__}, {text}" if text else type(error).__name__
