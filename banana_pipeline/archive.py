"""The driver for downloads: brings every result home before KIE deletes it.

Lives here: which pictures are still missing, several downloads at once, the second way (download-url) when the first
fails. Does not live here: bytes and files (``store.images``), HTTP (``kie.client``).

Result URLs are strangers' input: fetched without the key, without redirects, with limits of size and time; the bytes
decide what they are. A picture that is already here is never fetched again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import httpx
import stamina

from banana_pipeline.core.failures import BananaError, KieError, ReadFailed
from banana_pipeline.kie.client import KieClient, download
from banana_pipeline.progress import Progress
from banana_pipeline.store.images import ArchivedImage, BadImage, ImageArchive

_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One picture to archive: the ``index``-th result of an attempt, and the account that paid for it."""

    attempt_id: str
    index: int
    url: str
    account: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Archived:
    """What became of one picture: either the image, or the error in words."""

    image: ArchivedImage | None
    error: str | None


@dataclass(kw_only=True)
class Archiver:
    """Downloads results into an `ImageArchive`. ``clients`` by account name are for the second way only."""

    archive: ImageArchive
    http: httpx.AsyncClient
    clients: Mapping[str, KieClient]
    progress: Progress

    async def fetch_all(self, results: Sequence[Result]) -> list[Archived]:
        """Archive all results; one entry for each, in order. One bad picture never hurts another."""
        found: list[Archived] = [Archived(image=None, error="not tried")] * len(results)
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def one(position: int, result: Result) -> None:
            async with limiter:
                found[position] = await self._fetch(result)

        async with anyio.create_task_group() as tasks:
            for position, result in enumerate(results):
                tasks.start_soon(one, position, result)
        return found

    async def _fetch(self, result: Result) -> Archived:
        try:
            known = await anyio.to_thread.run_sync(self.archive.find, result.attempt_id, result.index)
            if known is not None:
                return Archived(image=known, error=None)
            image = await self._bring(result)
        except BananaError as error:
            return Archived(image=None, error=str(error))
        self.progress.archived += 1
        return Archived(image=image, error=None)

    async def _bring(self, result: Result) -> ArchivedImage:
        # Bytes that are no whole picture are a download that failed: what a proxy cut off comes whole the next time.
        policy = stamina.AsyncRetryingCaller(attempts=3, timeout=90.0, wait_initial=0.5, wait_max=5.0)
        try:
            return await policy((ReadFailed, BadImage), self._keep, result, result.url)
        except (ReadFailed, BadImage) as first:
            client = self.clients.get(result.account)
            if client is None:
                raise
            try:
                return await self._keep(result, await client.download_url(result.url))
            except (KieError, BadImage):
                raise first from None

    async def _keep(self, result: Result, url: str) -> ArchivedImage:
        data = await download(self.http, url)
        at = datetime.now(UTC)
        return await anyio.to_thread.run_sync(self.archive.store, result.attempt_id, result.index, data, at)
