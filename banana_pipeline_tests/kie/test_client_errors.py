"""Every error class of httpx, raised by a transport: what it means for an order and for a free call."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from banana_pipeline.core.failures import (
    Ambiguous,
    FetchMeaning,
    KieError,
    ReadFailed,
    Refusal,
    Refused,
    Unreachable,
)
from banana_pipeline.kie.client import NEVER_SENT, KieClient
from banana_pipeline.kie.downloads import download
from banana_pipeline_tests.kie.conftest import BODY, KEY

pytestmark = pytest.mark.anyio
CLASSES = sorted(
    {
        member
        for _, member in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(member, Exception) and member.__module__.startswith("httpx")
    },
    key=lambda member: member.__name__,
)
# Pinned: an error that is not in this list leaves the fate of an order unknown, also one that httpx adds later.
CERTAINLY_NOT_SENT = {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError}


class _Raising(httpx.AsyncBaseTransport):
    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        raise self.error


@asynccontextmanager
async def _client(error: BaseException) -> AsyncIterator[tuple[KieClient, httpx.AsyncClient, _Raising]]:
    transport = _Raising(error)
    async with httpx.AsyncClient(transport=transport) as http:
        url = "https://api.kie.ai"
        yield KieClient(api_key=KEY, base_url=url, upload_base_url=url, http=http), http, transport


def _made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    error = kind.__new__(kind)
    Exception.__init__(error, "told by a test")
    if issubclass(kind, httpx.HTTPError):
        error._request = None  # pyright: ignore[reportAttributeAccessIssue]
    return error


def test_the_list_of_errors_is_not_empty_and_the_pinned_ones_are_in_it() -> None:
    assert len(CLASSES) > 25
    assert set(CLASSES) >= CERTAINLY_NOT_SENT == set(NEVER_SENT)


@pytest.mark.parametrize("kind", CLASSES)
async def test_an_order_is_in_doubt_unless_it_was_certainly_not_sent(kind: type[Exception]) -> None:
    async with _client(_made(kind)) as (client, _, transport):
        outcome = await client.create_task(BODY)
    if kind in CERTAINLY_NOT_SENT:
        assert isinstance(outcome, Refused)
        assert outcome.why is Refusal.NOT_SENT
    else:
        assert isinstance(outcome, Ambiguous)
    assert transport.calls == 1


class _NewHttpxError(httpx.TransportError):
    pass


@pytest.mark.parametrize("error", [
    _NewHttpxError("new"), OSError("broken pipe"), ValueError("odd"), TimeoutError(), KeyError("x"), RuntimeError(""),
])  # fmt: skip
async def test_an_error_nobody_thought_of_leaves_an_order_in_doubt(error: Exception) -> None:
    async with _client(error) as (client, _, transport):
        assert isinstance(await client.create_task(BODY), Ambiguous)
    assert transport.calls == 1


@pytest.mark.parametrize("kind", [*CLASSES, OSError, _NewHttpxError])
async def test_a_free_call_fails_with_our_own_error(kind: type[Exception]) -> None:
    async with _client(_made(kind)) as (client, http, transport):
        assert (await client.fetch_task("t")).meaning is FetchMeaning.TRY_AGAIN
        assert transport.calls == 1
        with pytest.raises(KieError) as credits_error:
            await client.credits()
        assert transport.calls == 5
        with pytest.raises(ReadFailed):
            await download(http, "https://cdn/x.png?token=secret")
    assert isinstance(credits_error.value, Unreachable) == (kind in CERTAINLY_NOT_SENT)
