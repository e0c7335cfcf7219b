"""KieClient: one method per endpoint.

Lives here: headers, time limits. Does not live here: JSON (``kie.wire``), bytes (``kie.bodies``), the way there
(``kie.transport``), what httpx raises (``kie.errors_of_http``), fetching results (``kie.downloads``), pace
(``kie.pace``), what to do next (``generate``).

createTask is sent once, whatever happens: it is not idempotent and each accepted POST is a new paid task. Everything
else is free and is retried by the one named policy below. The key goes to KIE's two hosts and to no other.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
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
    LockedOut,
    NotKie,
    ReadFailed,
    Refusal,
    Refused,
)
from banana_pipeline.core.requests import account_name
from banana_pipeline.core.timing import POST_TIMEOUT_S
from banana_pipeline.kie.addresses import AddressRules
from banana_pipeline.kie.bodies import ACCEPTED_ENCODINGS, BadBody, read_body, tame_redirect, wait_asked_s
from banana_pipeline.kie.certificates import ssl_context
from banana_pipeline.kie.errors_of_http import NEVER_SENT, Departure, cannot_reach, host_of, read_errors, why
from banana_pipeline.kie.keys import Bearer, check_key
from banana_pipeline.kie.proxies import environment_proxies
from banana_pipeline.kie.service_address import service_address
from banana_pipeline.kie.transport import RoutedTransport, SpreadTransport
from banana_pipeline.kie.wire import Answer, Fetched, read_answer, read_created, read_credits, read_fetched, read_upload

USER_AGENT = f"banana-pipeline/{version('banana-pipeline')}"

_RECORD = "/api/v1/jobs/recordInfo"
_JSON = {"Content-Type": "application/json"}
_READ_TIMEOUT_S = 20.0
_UPLOAD_TIMEOUT_S = 60.0  # for each piece; 30 MB over a slow line take longer
_WHOLE_UPLOAD_S = 600.0

# Its log lines would repeat, in other words, what the caller tells in the end.
stamina.instrumentation.set_on_retry_hooks([])


def free_call_policy() -> stamina.AsyncRetryingCaller:
    """Policy for free calls: at most 4 tries within 60 s, waits of 0.5, 1, 2 s plus up to 1 s of jitter."""
    return stamina.AsyncRetryingCaller(attempts=4, timeout=60.0, wait_initial=0.5, wait_max=8.0, wait_jitter=1.0)


@contextlib.asynccontextmanager
async def open_client(*, api_key: str, base_url: str, upload_base_url: str) -> AsyncIterator[KieClient]:
    """A client with its connections, through the proxies of the environment, closed at the end.

    Raises:
        SettingsError: the key, an address, a proxy or the file of certificates cannot be used.
    """
    verify = ssl_context()
    transport = RoutedTransport(environment_proxies(verify), lambda proxy: SpreadTransport(verify=verify, proxy=proxy))
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPTED_ENCODINGS}
    hooks = {"response": [tame_redirect]}
    async with httpx.AsyncClient(transport=transport, headers=headers, event_hooks=hooks) as http:
        yield KieClient(api_key=api_key, base_url=base_url, upload_base_url=upload_base_url, http=http)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, 10.0))


_SHORT = _timeout(_READ_TIMEOUT_S)


class KieClient:
    """One account at one KIE service.

    Args:
        api_key: sent as a Bearer token to ``base_url`` and ``upload_base_url`` only, never along a redirect.
        http: an httpx client; its transport is the seam for tests.
    """

    def __init__(self, *, api_key: str, base_url: str, upload_base_url: str, http: httpx.AsyncClient) -> None:
        self.base_url = service_address(base_url, "KIE_BASE_URL")
        self.upload_base_url = service_address(upload_base_url, "KIE_UPLOAD_BASE_URL")
        self._rules = AddressRules.of(self.base_url)
        self._auth = Bearer(check_key(api_key))
        self.account = account_name(api_key)
        self._http = http

    def __repr__(self) -> str:
        return f"KieClient(account={self.account!r}, base_url={self.base_url!r})"

    async def create_task(self, body: Mapping[str, object]) -> CreateOutcome:
        """POST createTask, once. Never raises for anything the network or KIE does: the outcome is the answer."""
        content = json.dumps(body, ensure_ascii=False).encode("utf-8")
        url = f"{self.base_url}/api/v1/jobs/createTask"
        departure = Departure()
        try:
            # httpx counts each read anew; a claim runs out, so the whole exchange must end before it.
            with anyio.fail_after(POST_TIMEOUT_S):
                answer = await self._asked(
                    "POST", url, content=content, headers=_JSON, timeout=_timeout(POST_TIMEOUT_S),
                    extensions={"trace": departure},
                )  # fmt: skip
            return read_created(answer)
        except Exception as error:  # also what nobody has thought of: the order may have arrived
            if isinstance(error, NEVER_SENT) or departure.is_certainly_not_sent:
                return Refused(why=Refusal.NOT_SENT, code=None, msg=cannot_reach(url, error))
            return Ambiguous(reason=f"no answer to the order: {why(error)}", is_not_kie=isinstance(error, BadBody))

    async def fetch_task(self, task_id: str, *, timeout_s: float = _READ_TIMEOUT_S) -> Fetched:
        """GET recordInfo, once: polling again is the caller's rhythm. Nothing raises: errors are meanings too.

        Args:
            timeout_s: limit on each read and on the whole exchange.
        """
        try:
            with anyio.fail_after(timeout_s):
                answer = await self._get(_RECORD, {"taskId": task_id}, _timeout(timeout_s), is_any_form=True)
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
        form = {"uploadPath": path, "fileName": file_name}
        return await self._upload("/api/file-stream-upload", data=form, files={"file": (file_name, data)})

    async def upload_base64(self, data: bytes, *, path: str, file_name: str) -> str:
        """As `upload`, as JSON; for files up to about 10 MB."""
        text = base64.b64encode(data).decode("ascii")
        body = {"base64Data": text, "uploadPath": path, "fileName": file_name}
        return await self._upload("/api/file-base64-upload", json=body)

    async def upload_from_url(self, url: str, *, path: str, file_name: str) -> str:
        """Let KIE fetch a public URL and keep it; the URL to use as an ``image_input`` entry."""
        body = {"fileUrl": url, "uploadPath": path, "fileName": file_name}
        return await self._upload("/api/file-url-upload", json=body)

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

        link = await free_call_policy()(ReadFailed, once)
        self._rules.check_text(link)
        return link

    async def answers_as_kie(self) -> bool:
        """Is there KIE's API at all? Asks for a task that nobody has; False where no answer is in KIE's form."""
        try:
            await free_call_policy()(ReadFailed, self._get, _RECORD, {"taskId": "0" * 32})
        except (LockedOut, ReadFailed):
            return False
        except KeyRefused:
            pass
        return True

    async def _credits(self) -> float:
        answer = await self._get("/api/v1/chat/credit", {})
        balance = read_credits(answer)
        if balance is None:
            raise ReadFailed(f"KIE did not tell the balance: {_said(answer)}")
        return balance

    async def _upload(self, path: str, **content: object) -> str:
        address, timeout = f"{self.upload_base_url}{path}", _timeout(_UPLOAD_TIMEOUT_S)

        async def once() -> str:
            how = {"timeout": timeout, **content}
            answer = await self._send("POST", address, within_s=_WHOLE_UPLOAD_S, is_any_form=False, **how)
            if (url := read_upload(answer)) is None:
                raise ReadFailed(f"the upload was not accepted: {_said(answer)}")
            return url

        url = await free_call_policy()(ReadFailed, once)
        self._rules.check_text(url, "the address of the upload")
        return url

    async def _get(
        self, path: str, params: Mapping[str, str], timeout: httpx.Timeout = _SHORT, *, is_any_form: bool = False
    ) -> Answer:
        url = f"{self.base_url}{path}"
        return await self._send("GET", url, params=params, timeout=timeout, is_any_form=is_any_form)

    async def _send(
        self, method: str, url: str, *, within_s: float = _READ_TIMEOUT_S, is_any_form: bool = False, **content: object
    ) -> Answer:
        """``is_any_form``: also an answer without KIE's code, which may still hold what is looked for."""
        content.setdefault("timeout", _SHORT)
        with read_errors(url), anyio.fail_after(within_s):
            answer = await self._asked(method, url, **content)
        if answer.http_status == 403 and not answer.is_kies_own:
            raise LockedOut(f"{host_of(url)} lets nobody in ({answer.told})")
        if answer.code in {401, 403}:
            raise KeyRefused(f"KIE does not accept the key of account {self.account}: {_said(answer)}")
        if not answer.is_kies_own and not is_any_form:
            raise NotKie(f"{host_of(url)} does not answer as KIE does ({answer.told})")
        return answer

    async def _asked(self, method: str, url: str, **content: object) -> Answer:
        async with self._http.stream(method, url, auth=self._auth, **content) as response:  # pyright: ignore[reportArgumentType]
            body = await read_body(response)
        answer = read_answer(response.status_code, body)
        if response.has_redirect_location and not answer.is_kies_own:
            answer = dataclasses.replace(answer, msg=f"leads to {response.headers['Location']}")
        waits_s = wait_asked_s(response.headers, datetime.now(UTC))
        return dataclasses.replace(answer, msg=self._auth.hidden_in(answer.msg), retry_after_s=waits_s)


def _said(answer: Answer) -> str:
    return f"{answer.code or ''} {answer.msg}".strip()
