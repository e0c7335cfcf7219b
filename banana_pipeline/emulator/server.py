"""The emulator as a server: the application, a server in a thread for tests and demos, a blocking one.

Here: routes, the gateway's refusal of unnamed clients, start and stop. Not here: what any route answers.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from banana_pipeline.emulator import answers
from banana_pipeline.emulator.admin import Admin
from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.config import EmulatorConfig
from banana_pipeline.emulator.courier import Courier
from banana_pipeline.emulator.faults import FaultSwitch
from banana_pipeline.emulator.jobs import Jobs
from banana_pipeline.emulator.media import Media
from banana_pipeline.emulator.packing import Packing
from banana_pipeline.emulator.uploads import Uploads


def create_app(config: EmulatorConfig, books: Books | None = None, clock: Callable[[], float] = time.time) -> Starlette:
    """The KIE service as an ASGI application. `clock` returns epoch seconds; `books` wins over `clock`."""
    own = Books(config, clock) if books is None else books
    faults = FaultSwitch(config.faults, config.seed)
    courier = Courier(own, faults)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        round_trip = asyncio.create_task(courier.run())
        yield
        round_trip.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await round_trip

    return Starlette(
        routes=_routes(own, faults, courier),
        middleware=[Middleware(_Gateway), Middleware(Packing)],
        exception_handlers={HTTPException: _plain_error},
        lifespan=lifespan,
    )


def _routes(books: Books, faults: FaultSwitch, courier: Courier) -> list[Route]:
    jobs, uploads = Jobs(books, faults, courier), Uploads(books)
    media, admin = Media(books, faults), Admin(books, faults)
    gets: dict[str, Any] = {
        "/api/v1/jobs/recordInfo": jobs.record_info,
        "/api/v1/playground/recordInfo": jobs.record_info,
        "/api/v1/chat/credit": jobs.credit,
        "/h/{name}": media.picture,
        "/kieai/{path:path}": media.upload,
        "/admin": admin.page,
        "/admin/books.json": admin.books_json,
        "/admin/tasks.json": admin.tasks_json,
    }
    posts: dict[str, Any] = {
        "/api/v1/jobs/createTask": jobs.create_task,
        "/api/v1/playground/createTask": jobs.create_task,
        "/api/v1/common/download-url": jobs.download_url,
        "/client/v1/model-pricing/page": jobs.prices,
        "/api/file-stream-upload": uploads.stream,
        "/api/file-url-upload": uploads.by_url,
        "/api/file-base64-upload": uploads.base64,
        "/admin/clock": admin.clock,
        "/admin/faults": admin.faults,
        "/admin/accounts": admin.accounts,
    }
    return [Route(path, handler, methods=["GET"]) for path, handler in gets.items()] + [
        Route(path, handler, methods=["POST"]) for path, handler in posts.items()
    ]


async def _plain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/api/file-"):
        return answers.upload_refused(error.status_code, error.detail)
    return answers.bare(error.status_code, error.detail)


class _Gateway:
    """Refuses the default User-Agent of Python's urllib before anything looks (section 1); bears callers that die."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = dict(scope.get("headers", ())).get(b"user-agent", b"")
        if scope["type"] == "http" and agent.startswith(b"Python-urllib"):
            await answers.forbidden_1010()(scope, receive, send)
            return
        # A caller that was killed in the middle of its request made no order, and nobody waits for an answer.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)


class _AbortableProtocol(AutoHTTPProtocol):
    """uvicorn's own protocol, which also tells each request how to drop its connection (`answers.drop`)."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort = cast("asyncio.Transport", transport).abort
        self.app_state = {**self.app_state, "abort_connection": abort}
        super().connection_made(transport)


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_AbortableProtocol,
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=1,
            lifespan="on",
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RunningEmulator:
    """A context manager: the emulator on 127.0.0.1 in a thread of its own. `port` 0 takes a free one.

    `base_url` is good for KIE_BASE_URL and KIE_UPLOAD_BASE_URL alike; `books` may be read while it runs.
    `with` raises OSError when the port is taken and RuntimeError when the server does not start.
    """

    def __init__(
        self, config: EmulatorConfig | None = None, *, port: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = EmulatorConfig() if config is None else config
        self.base_url = ""
        self._port = port
        self._clock = clock

    def __enter__(self) -> "RunningEmulator":
        self._listener = _listen("127.0.0.1", self._port)
        self.base_url = _address(self._listener)
        self.books = Books(self.config, self._clock)
        self._server = _server(create_app(self.config, self.books))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="kie-emulator", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the emulator did not start; its log says why")
            time.sleep(0.002)
        return self

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock forward."""
        self.books.advance(seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        self.books.close()


def serve(config: EmulatorConfig, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until Ctrl-C, after one line that says how to use it. Raises OSError when the port is taken."""
    listener = _listen(host, port)
    url = _address(listener)
    books = Books(config)
    print(
        f"KIE emulator at {url} (books: {url}/admin). Use it with:"
        f" KIE_BASE_URL={url} KIE_UPLOAD_BASE_URL={url} KIE_API_KEY=any",
        flush=True,
    )
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _server(create_app(config, books)).run([listener])
    finally:
        listener.close()
        books.close()
