"""What the receiver answers: 200 for every callback it understands, and a short no for everything else.

Here: reading a request within limits, judging it, and the order of the checks: nothing touches the ledger before the
signature is right. Not here: writing (keeper), sockets (server), bodies and signatures (``kie``).

Unknown attempts and tasks are answered 200 like known ones: KIE would only send them again, and a stranger learns
nothing. Repeats are harmless, because the ledger keeps each pair of attempt and task once. Answers never hold anything
of the request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from banana_pipeline.callbacks.counts import Counts, say_aloud, tell
from banana_pipeline.callbacks.keeper import Keeper, NotKept
from banana_pipeline.kie.callback_address import attempt_of_address
from banana_pipeline.kie.callback_body import read_object, task_of
from banana_pipeline.kie.signature import TOLERANCE_S, is_fresh, is_genuine
from banana_pipeline.store.group_commit import LedgerWriter

MOST_BODY_BYTES = 256 * 1024
_BODY_WITHIN_S = 5.0
_DRAIN_S = 0.5


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def callbacks_app(
    writer: LedgerWriter,
    *,
    hmac_key: str | None,
    clock: Callable[[], float],
    tolerance_s: float = TOLERANCE_S,
    body_within_s: float = _BODY_WITHIN_S,
    say: Callable[[str], None] = say_aloud,
) -> Starlette:
    """The receiver as an ASGI application.

    Args:
        hmac_key: None takes unsigned callbacks too: a hint is believed only after recordInfo shows our attempt.
        clock: epoch seconds.
        say: is given one line at most per second about refused requests.
    """
    counts = Counts()
    keeper = Keeper(writer, counts, clock)
    receiver = _Receiver(keeper, counts, hmac_key, clock, tolerance_s, body_within_s)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        telling = asyncio.create_task(tell(counts, say))
        yield {"counts": counts}
        telling.cancel()
        await keeper.drain(_DRAIN_S)
        if (line := counts.take_line()) is not None:
            say(line)

    # The public address may have any prefix before this server, so every path is good for a callback.
    route = Route("/{path:path}", receiver.answer, methods=["GET", "POST"])
    app = Starlette(routes=[route], exception_handlers={HTTPException: receiver.no_such_door}, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


class _Receiver:
    def __init__(
        self,
        keeper: Keeper,
        counts: Counts,
        hmac_key: str | None,
        clock: Callable[[], float],
        tolerance_s: float,
        body_within_s: float,
    ) -> None:
        self._keeper = keeper
        self._counts = counts
        self._hmac_key = hmac_key
        self._clock = clock
        self._tolerance_s = tolerance_s
        self._body_within_s = body_within_s

    async def answer(self, request: Request) -> Response:
        is_health, is_post = request.scope["path"] == "/healthz", request.method == "POST"
        if is_health and not is_post:
            return await self._health()
        try:
            if is_health or not is_post:
                raise _Refused(405, "wrong method")
            await self._receive(request)
        except _Refused as no:
            return self._no(no.status, no.reason)
        except NotKept as error:
            return self._no(503, str(error))
        except Exception as error:
            # A fault of this program: the kind of it is said, never the request's text, and the sender may try again.
            return self._no(503, f"fault of the receiver: {type(error).__name__}")
        return _reply(200, "success")

    async def no_such_door(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return self._no(status, "wrong method" if status == 405 else "wrong address")

    async def _health(self) -> Response:
        is_well = await self._keeper.is_well()
        status = "ok" if is_well else "the ledger does not answer"
        content = {"status": status, **self._counts.as_dict(), "waiting": self._keeper.waiting}
        return JSONResponse(content, status_code=200 if is_well else 503)

    async def _receive(self, request: Request) -> None:
        timestamp = request.headers.get("x-webhook-timestamp", "")
        # Before the body: what cannot be right is not even read.
        if self._hmac_key and not is_fresh(timestamp, now_s=self._clock(), tolerance_s=self._tolerance_s):
            raise _Refused(401, "no good signature")
        content = read_object(await self._body(request))
        if content is None:
            raise _Refused(400, "not a JSON object")
        task_id = task_of(content)
        if self._hmac_key and not self._is_signed(request, task_id or "", timestamp):
            raise _Refused(401, "no good signature")
        if task_id is None:
            raise _Refused(400, "no task id")
        self._counts.received += 1
        query = request.scope["query_string"].decode("latin-1")
        await self._keeper.keep(attempt_id=attempt_of_address(f"?{query}"), task_id=task_id)

    def _is_signed(self, request: Request, task_id: str, timestamp: str) -> bool:
        return is_genuine(
            self._hmac_key or "",
            task_id=task_id,
            timestamp=timestamp,
            given=request.headers.get("x-webhook-signature", ""),
            now_s=self._clock(),
            tolerance_s=self._tolerance_s,
        )

    async def _body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > MOST_BODY_BYTES):
            raise _Refused(413, "too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_within_s):
                async for piece in request.stream():
                    body += piece
                    if len(body) > MOST_BODY_BYTES:
                        raise _Refused(413, "too large")
        except TimeoutError:
            raise _Refused(408, "too slow") from None
        except ClientDisconnect:
            raise _Refused(400, "cut off") from None
        return bytes(body)

    def _no(self, status: int, reason: str) -> Response:
        self._counts.refuse(reason)
        return _reply(status, f"Refused: {reason}." if status < 500 else "Not now; send it again.")


def _reply(code: int, msg: str) -> Response:
    return JSONResponse({"code": code, "msg": msg}, status_code=code)
