"""The receiver as a server: its socket, its limits against floods, its start and its end.

Here: uvicorn. Not here: what is answered (app), what is written (keeper).

Every connection carries one request and lives ten seconds at most, so that whoever dawdles holds nothing for long.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
import time
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from banana_pipeline.callbacks.app import callbacks_app
from banana_pipeline.callbacks.counts import say_aloud
from banana_pipeline.core.failures import SettingsError
from banana_pipeline.settings import Settings, require_data_dir
from banana_pipeline.store.group_commit import LedgerWriter

_MOST_AT_WORK = 256  # times the largest body: 64 MiB
_MOST_CONNECTIONS = 512  # with those that are being accepted still below the usual 1,024 open files
_BACKLOG = 256
_MOST_HEADER_BYTES = 16 * 1024
_CONNECTION_S = 10.0
_CLOSE_WITHIN_S = 0.4


class _ShortLived(H11Protocol):
    """uvicorn's own protocol, for connections that end by themselves."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # type: ignore[override]
        plain = cast("asyncio.Transport", transport)
        super().connection_made(plain)
        # uvicorn limits requests; a connection that never sends one is nobody's concern there.
        self._end = self.loop.call_later(_CONNECTION_S, plain.abort)
        if len(self.connections) > _MOST_CONNECTIONS:
            self.app_state["counts"].refuse("too many connections")
            plain.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self.app_state["counts"].refuse("not HTTP")
        # After the beginning of an answer h11 refuses a second one, which would end in a traceback.
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)


def make_server(app: Starlette) -> uvicorn.Server:
    """A server with all its limits, not started."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_ShortLived,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",  # the receiver counts what it refuses; uvicorn would write a line for each
            access_log=False,
            server_header=False,
            proxy_headers=False,
            headers=[("connection", "close")],
            backlog=_BACKLOG,
            limit_concurrency=_MOST_AT_WORK,
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
            timeout_keep_alive=2,
            timeout_graceful_shutdown=1,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingsError: the address cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        cause = os.strerror(number) if number > 0 else "no such address"  # below 0: the name is not known
        raise SettingsError(
            f"Port {port} on {host!r} cannot be listened on ({cause}); choose others with --port and --host."
        ) from error


def serve_callbacks(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> None:
    """Receive callbacks until SIGINT or SIGTERM; ends within two seconds, with pending hints written.

    Raises:
        SettingsError: the address cannot be listened on.
        LedgerError: the ledger cannot be opened.
    """
    require_data_dir(settings)
    with listen(host, port) as listener:
        writer = LedgerWriter(settings.ledger_url)
        server = make_server(callbacks_app(writer, hmac_key=settings.webhook_hmac_key, clock=time.time))
        _end_on_signals(server)
        for line in _greeting(settings, listener):
            print(line, flush=True)
        if not settings.webhook_hmac_key and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            say_aloud(
                "Warning: other machines reach this address, and anyone may send callbacks; set KIE_WEBHOOK_HMAC_KEY."
            )
        try:
            server.run([listener])
        finally:
            _close(writer)


def _end_on_signals(server: uvicorn.Server) -> None:
    """For the moment before uvicorn listens to signals itself, and the one after it.

    uvicorn hands a signal on after its own end, which by default would kill the process before the ledger is shut.
    """

    def end(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _close(writer: LedgerWriter) -> None:
    # A ledger that does not answer may keep its writer waiting for minutes; nobody waits that long for an end.
    closing = threading.Thread(target=writer.close, name="closing", daemon=True)
    closing.start()
    closing.join(_CLOSE_WITHIN_S)
    if closing.is_alive():
        say_aloud("The ledger does not answer: the last callbacks may be lost; the next run polls their tasks.")


def _greeting(settings: Settings, listener: socket.socket) -> list[str]:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    lines = [f"Receiving callbacks at {address}/ (how it is: {address}/healthz)."]
    if settings.callback_url:
        lines.append(f"BANANA_CALLBACK_URL is {settings.callback_url}: see that it leads here.")
    else:
        lines.append(
            "Set BANANA_CALLBACK_URL, where runs are started, to the address at which KIE reaches this one: "
            f"{address}/ itself if that is public, else your proxy's, such as https://your.host/kie."
        )
    if settings.webhook_hmac_key:
        lines.append("Signatures are checked with KIE_WEBHOOK_HMAC_KEY.")
    else:
        lines.append(
            "Signatures are not checked, as KIE_WEBHOOK_HMAC_KEY is not set; a callback is believed only after KIE's "
            "own record of the task shows our order."
        )
    return lines
