"""The driver for downloads: brings every result home before KIE deletes it.

Lives here: which picture comes first, several downloads at once, the second way (download-url) when the first fails,
and when a picture is given up. Does not live here: bytes and files (``store.images``), HTTP (``kie.client``), which
addresses may be asked (``kie.downloads``: result URLs are strangers' input).

The bytes decide what a picture is. A picture that is already here is never fetched again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import httpx
import stamina

from banana_pipeline.core.decisions import LOST_WORDS, is_lost
from banana_pipeline.core.failures import BananaError, Gone, KieError, ReadFailed
from banana_pipeline.core.told import sentence_of
from banana_pipeline.kie.addresses import ForbiddenAddress
from banana_pipeline.kie.client import KieClient
from banana_pipeline.kie.downloads import download
from banana_pipeline.progress import Progress
from banana_pipeline.store.images import ArchivedImage, ImageArchive
from banana_pipeline.store.picture_bytes import BadImage
from banana_pipeline.store.turns import Turns

RETENTION = timedelta(hours=24)
"""How long KIE keeps a result at the least (protocol reference, section 8)."""

DELETED_AFTER = timedelta(days=14)
"""Age at which KIE deletes a result, whatever else it says (protocol reference, section 8)."""

_AT_ONCE = 16
_JUDGED_AT_ONCE = max(2, min(4, os.cpu_count() or 1))  # a 4K picture takes 70 MB while it is looked at
_HELD_BYTES = 64 * 1024 * 1024
"""Of pictures in memory at once: sixteen small ones, three of 4K. Each takes its size again while it arrives."""

_TURN_PAUSE_S = 0.05
_TICK_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One picture to archive: the ``index``-th result of an attempt, and the account that paid for it.

    Attributes:
        output_format: ``png`` or ``jpg`` as asked; None: any.
        completed_at: when KIE made it; None: not known.
        known, known_error: what the last look at it wrote down.
    """

    attempt_id: str
    index: int
    url: str
    account: str
    output_format: str | None = None
    completed_at: datetime | None = None
    known: ArchivedImage | None = None
    known_error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Archived:
    """What became of one picture: the image, or the error in words; both where it is here but not what was asked."""

    image: ArchivedImage | None
    error: str | None

    def record(self) -> dict[str, object]:
        """Column name to value, for the ``images`` table."""
        return {**(self.image.record() if self.image is not None else {}), "archive_error": self.error}


class PictureLost(ReadFailed):
    """KIE has deleted the picture and says so in both ways. Nothing can bring it back."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Archiver:
    """Downloads results into an `ImageArchive`.

    Args:
        http: from `kie.downloads.open_downloads`, which checks the addresses of both ways.
        clients: by account name, for the second way only.
    """

    archive: ImageArchive
    http: httpx.AsyncClient
    clients: Mapping[str, KieClient]
    progress: Progress
    now: Callable[[], datetime] = _utc_now
    _turns: Turns = field(init=False)
    _judging: anyio.CapacityLimiter = field(init=False)
    _holding: anyio.CapacityLimiter = field(init=False)
    _largest_bytes: int = field(init=False, default=0)

    async def fetch_all(self, results: Sequence[Result]) -> list[Archived]:
        """Archive all results; one entry for each, in order. One bad picture never hurts another.

        The oldest is fetched first, because KIE deletes it first. A picture that is wanted twice is fetched once.
        """
        found: list[Archived] = [Archived(image=None, error="not tried")] * len(results)
        wanted: dict[tuple[str, int], list[int]] = {}
        for position in sorted(range(len(results)), key=lambda it: _age_key(results[it])):
            wanted.setdefault((results[position].attempt_id, results[position].index), []).append(position)
        queue = iter(wanted.values())
        self._judging = anyio.CapacityLimiter(_JUDGED_AT_ONCE)
        self._holding = anyio.CapacityLimiter(4)  # until the first picture has shown how large they are
        with Turns(self.archive.root) as self._turns:
            async with anyio.create_task_group() as ticking:
                ticking.start_soon(self._tick)
                async with anyio.create_task_group() as tasks:
                    for _ in range(min(_AT_ONCE, len(wanted))):
                        tasks.start_soon(self._work, queue, results, found)
                ticking.cancel_scope.cancel()
        return found

    async def _work(self, queue: Iterator[list[int]], results: Sequence[Result], found: list[Archived]) -> None:
        for positions in queue:
            archived = await self._fetch(results[positions[0]])
            for position in positions:
                found[position] = archived

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(_TICK_S)
            self.progress.show()

    async def _fetch(self, result: Result) -> Archived:
        try:
            async with self._turn(f"{result.attempt_id}-{result.index}"):
                image = await self._found(result)
                if image is None:
                    if is_lost(result.known_error):
                        return Archived(image=None, error=result.known_error)
                    async with self._holding:
                        image = await self._bring(result)
                    self.progress.archived += 1
        except BananaError as error:
            return Archived(image=None, error=str(error))
        except Exception as error:  # a fault of ours about one picture must not cost the others their chance
            return Archived(image=None, error=sentence_of(error))
        return Archived(image=image, error=_other_format(result, image))

    @contextlib.asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """Wait while another process fetches the same picture; afterwards it is found here."""
        while not self._turns.take(name):  # noqa: ASYNC110  no event reaches us from another process
            await anyio.sleep(_TURN_PAUSE_S)
        try:
            yield
        finally:
            self._turns.give(name)

    async def _found(self, result: Result) -> ArchivedImage | None:
        return await anyio.to_thread.run_sync(self.archive.find, result.attempt_id, result.index, result.known)

    async def _bring(self, result: Result) -> ArchivedImage:
        # Bytes that are no whole picture are a download that failed: what a proxy cut off comes whole the next time.
        policy = stamina.AsyncRetryingCaller(attempts=3, timeout=90.0, wait_initial=0.5, wait_max=5.0)
        try:
            return await policy(_may_pass, self._keep, result, result.url)
        except ForbiddenAddress:  # a fresh link to it would not make it allowed
            raise
        except (ReadFailed, BadImage) as first:
            client = self.clients.get(result.account)
            if client is None:
                raise
            try:
                return await self._keep(result, await client.download_url(result.url))
            except (KieError, BadImage) as second:
                raise self._verdict(result, first, second) from None

    async def _keep(self, result: Result, url: str) -> ArchivedImage:
        try:
            data = await download(self.http, url)
            self._largest_bytes = max(self._largest_bytes, len(data))
        finally:  # a dead host must not be waited for four at a time
            self._holding.total_tokens = max(2, min(_AT_ONCE, _HELD_BYTES // (self._largest_bytes + 1)))
        return await anyio.to_thread.run_sync(
            self.archive.store, result.attempt_id, result.index, data, self.now(), limiter=self._judging
        )

    def _verdict(self, result: Result, first: BananaError, second: BananaError) -> BananaError:
        """Lost only where both ways say so after the time for which KIE promises to keep a picture.

        KIE hands out links for what it has. Where it has just done so, a 404 behind the link may be a gateway's, and
        it is believed only after the day on which KIE deletes everything.
        """
        now = self.now()
        if not (isinstance(first, Gone) and isinstance(second, Gone)) or result.completed_at is None:
            return first
        if now - result.completed_at < (RETENTION if second.is_kies_own else DELETED_AFTER):
            return first
        return PictureLost(f"KIE no longer has it ({first.code} on {now:%Y-%m-%d %H:%M} UTC); {LOST_WORDS}")


def _age_key(result: Result) -> float:
    return result.completed_at.timestamp() if result.completed_at is not None else 0.0


def _other_format(result: Result, image: ArchivedImage) -> str | None:
    asked = {"jpeg": "jpg"}.get(result.output_format or "", result.output_format)
    if not asked or image.image_format == asked:
        return None
    return f"KIE made a {image.image_format} file where {asked} was asked; it is kept as it came"


def _may_pass(error: Exception) -> bool:
    """Whether trying the same address again can help."""
    return isinstance(error, ReadFailed | BadImage) and not isinstance(error, ForbiddenAddress | Gone)
