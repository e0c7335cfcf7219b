"""KieClient: one method per endpoint.

Lives here: sockets, headers, time limits. Does not live here: JSON (``kie.wire``), what httpx raises
(``kie.errors_of_http``), fetching results (``kie.downloads``), pace (``kie.pace``), what to do next (``generate``).

createTask is sent once, whatever happens: it is not idempotent and each accepted POST is a new paid task. Everything
else is free and is retried by the one named policy below. The key goes to KIE's two hosts and to no other.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Generator, Mapping
from importlib.metadata import version

import anyio
import httpx
import stamina

from banana_pipeline.core.failures import (
    Ambiguous,
    CreateOutcome,
    FetchMeaning,
    Gone,
    KeyRefused,
    ReadFailed,
    Refusal,
    Refused,
    SettingsError,
)
from banana_pipeline.core.requests import account_name
from banana_pipeline.core.timing import POST_TIMEOUT_S
from banana_pipeline.kie.errors_of_http import NEVER_SENT, read_errors, why
from banana_pipeline.kie.transport import SpreadTransport
from banana_pipeline.kie.wire import (
    Answer,
    Fetched,
    read_answer,
    read_created,
    read_credits,
    read_fetched,
    read_upload,
)

USER_AGENT = f"banana-pipeline/{version('banana-pipeline')}"
_SHORTEST_REAL_KEY = 12

_JSON = {"Content-Type": "application/json"}
_READ_TIMEOUT_S = 20.0
_UPLOAD_TIMEOUT_S = 60.0

# Its log lines would repeat, in other words, what the caller tells in the end.
stamina.instrumentation.set_on_retry_hooks([])


def free_call_policy() -> stamina.AsyncRetryingCaller:
    """Policy for free calls: at most 4 tries within 60 s, waits of 0.5, 1, 2 s plus up to 1 s of jitter."""
    return stamina.AsyncRetryingCaller(attempts=4, timeout=60.0, wait_initial=0.5, wait_max=8.0, wait_jitter=1.0)


@contextlib.asynccontextmanager
async def open_client(*, api_key: str, base_url: str, upload_base_url: str) -> AsyncIterator[KieClient]:
    """A client with its connections, closed at the end."""
    transport = SpreadTransport(verify=httpx.create_ssl_context())
    async with httpx.AsyncClient(transport=transport, headers={"User-Agent": USER_AGENT}) as http:
        yield KieClient(api_key=api_key, base_url=base_url, upload_base_url=upload_base_url, http=http)


class _Bearer(httpx.Auth):
    """Puts the key into a request at the last moment: as an argument it would be a local variable of every function on
    the way, and tools that print tracebacks with local variables would show it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.key}"
        yield request


class KieClient:
    """One account at one KIE service.

    Args:
        api_key: sent as a Bearer token to ``base_url`` and ``upload_base_url`` only, never along a redirect.
        http: an httpx client; its transport is the seam for tests.
    """

    def __init__(self, *, api_key: str, base_url: str, upload_base_url: str, http: httpx.AsyncClient) -> None:
        self.base_url = _base(base_url, "KIE_BASE_URL")
        self.upload_base_url = _base(upload_base_url, "KIE_UPLOAD_BASE_URL")
        self._auth = _Bearer(check_key(api_key))
        self.account = account_name(api_key)
        self._http = http

    def __repr__(self) -> str:
        return f"KieClient(account={self.account!r}, base_url={self.base_url!r})"

    async def create_task(self, body: Mapping[str, object]) -> CreateOutcome:
        """POST createTask, once. Never raises for anything the network or KIE does: the outcome is the answer."""
        content = json.dumps(body, ensure_ascii=False).encode("utf-8")
        timeout = _timeout(POST_TIMEOUT_S)
        url = f"{self.base_url}/api/v1/jobs/createTask"
        try:
            # httpx counts each read anew; a claim runs out, so the whole exchange must end before it.
            with anyio.fail_after(POST_TIMEOUT_S):
                response = await self._http.post(url, content=content, headers=_JSON, auth=self._auth, timeout=timeout)
            return read_created(self._answer(response))
        except NEVER_SENT as error:
            return Refused(why=Refusal.NOT_SENT, code=None, msg=f"{self.base_url} cannot be reached ({why(error)})")
        except Exception as error:  # also what nobody has thought of: the order may have arrived
            return Ambiguous(reason=f"no answer to the order: {why(error)}")

    async def fetch_task(self, task_id: str, *, timeout_s: float = _READ_TIMEOUT_S) -> Fetched:
        """GET recordInfo, once: polling again is the caller's rhythm. Nothing raises: errors are meanings too.

        Args:
            timeout_s: limit on each read and on the whole exchange.
        """
        try:
            with anyio.fail_after(timeout_s):
                answer = await self._get("/api/v1/jobs/recordInfo", {"taskId": task_id}, timeout_s)
        except KeyRefused as error:
            return Fetched(meaning=FetchMeaning.KEY, msg=str(error))
        except ReadFailed as error:
            return Fetched(meaning=FetchMeaning.TRY_AGAIN, msg=str(error))
        except TimeoutError:
            return Fetched(meaning=FetchMeaning.TRY_AGAIN, msg=f"no answer within {timeout_s:g} s")
        return read_fetched(answer, task_id)

    async def credits(self) -> float:
        """The account's balance in credits.

        Raises:
            KeyRefused: the key is not accepted.
            ReadFailed: no usable answer after all tries.
        """
        return await free_call_policy()(ReadFailed, self._credits)

    async def upload(self, data: bytes, *, path: str, file_name: str) -> str:
        """Stream-upload a file; the URL to use as an ``image_input`` entry. Same name overwrites: use unique names.

        Raises:
            KeyRefused, ReadFailed: as `credits`.
        """

        async def once() -> str:
            form = {"uploadPath": path, "fileName": file_name}
            return await self._upload("/api/file-stream-upload", data=form, files={"file": (file_name, data)})

        return await free_call_policy()(ReadFailed, once)

    async def upload_base64(self, data: bytes, *, path: str, file_name: str) -> str:
        """As `upload`, as JSON; for files up to about 10 MB."""
        text = base64.b64encode(data).decode("ascii")

        async def once() -> str:
            body = {"base64Data": text, "uploadPath": path, "fileName": file_name}
            return await self._upload("/api/file-base64-upload", json=body)

        return await free_call_policy()(ReadFailed, once)

    async def upload_from_url(self, url: str, *, path: str, file_name: str) -> str:
        """Let KIE fetch a public URL and keep it; the URL to use as an ``image_input`` entry."""

        async def once() -> str:
            body = {"fileUrl": url, "uploadPath": path, "fileName": file_name}
            return await self._upload("/api/file-url-upload", json=body)

        return await free_call_policy()(ReadFailed, once)

    async def download_url(self, result_url: str) -> str:
        """A fresh link (20 minutes) for a result URL. Raises KeyRefused, Gone, ReadFailed."""

        async def once() -> str:
            answer = await self._send("POST", f"{self.base_url}/api/v1/common/download-url", json={"url": result_url})
            if answer.code == 200 and isinstance(answer.data, str) and answer.data:
                return answer.data
            told = f"no download link: {_said(answer)}"
            if answer.is_kies_own and answer.code in {404, 410, 422}:  # a gateway's own 404 says nothing of a picture
                raise Gone(told, code=answer.code, is_kies_own=True)
            raise ReadFailed(told)

        return await free_call_policy()(ReadFailed, once)

    async def _credits(self) -> float:
        answer = await self._get("/api/v1/chat/credit", {})
        balance = read_credits(answer)
        if balance is None:
            raise ReadFailed(f"KIE did not tell the balance: {_said(answer)}")
        return balance

    async def _upload(self, path: str, **content: object) -> str:
        answer = await self._send(
            "POST", f"{self.upload_base_url}{path}", timeout=_timeout(_UPLOAD_TIMEOUT_S), **content
        )
        url = read_upload(answer)
        if url is None:
            raise ReadFailed(f"the upload was not accepted: {_said(answer)}")
        return url

    async def _get(self, path: str, params: Mapping[str, str], timeout_s: float = _READ_TIMEOUT_S) -> Answer:
        return await self._send("GET", f"{self.base_url}{path}", params=params, timeout=_timeout(timeout_s))

    async def _send(self, method: str, url: str, **content: object) -> Answer:
        content.setdefault("timeout", _timeout(_READ_TIMEOUT_S))
        with read_errors(url):
            response = await self._http.request(method, url, auth=self._auth, **content)  # pyright: ignore[reportArgumentType]
        answer = self._answer(response)
        if answer.code in {401, 403}:
            raise KeyRefused(f"KIE does not accept the key of account {self.account}: {_said(answer)}")
        return answer

    def _answer(self, response: httpx.Response) -> Answer:
        answer = read_answer(response.status_code, response.content, response.headers.get("Retry-After"))
        key = self._auth.key
        if len(key) < _SHORTEST_REAL_KEY or key not in answer.msg:
            return answer
        # A service that quotes the key in a complaint must not bring it into a log or a table.
        return dataclasses.replace(answer, msg=answer.msg.replace(key, "[key]"))


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, 10.0))


def _said(answer: Answer) -> str:
    code = answer.code if answer.code is not None else f"HTTP {answer.http_status}"
    return f"{code} {answer.msg}".strip()


def _base(url: str, setting: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or not 0 < (parsed.port or 443) < 65536:
        raise SettingsError(f"{setting} is {url!r}; set it to an address such as https://api.kie.ai")
    return url.rstrip("/")


def check_key(api_key: str) -> str:
    """The key, if it can stand in a header.

    Raises:
        SettingsError: it cannot; the text does not repeat it.
    """
    if not api_key or not api_key.isascii() or any(c.isspace() or not c.isprintable() for c in api_key):
        raise SettingsError("KIE_API_KEY has blanks or unusual characters; copy the key again from kie.ai")
    return api_key
