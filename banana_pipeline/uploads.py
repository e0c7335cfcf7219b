"""Reference images on their way to KIE: from what the table says to URLs that KIE can fetch.

Lives here: uploading a local file once per content and account, and reusing its URL while KIE surely keeps it. Does not
live here: checking the files when the table is read (``store.references``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread

from banana_pipeline.accounts import Account
from banana_pipeline.core.requests import GenerationRequest, ReferenceImage
from banana_pipeline.store import ledger
from banana_pipeline.store.group_commit import LedgerWriter

# KIE keeps uploads for 24 hours or 3 days, depending on the page (protocol reference, section 8); a task that waits in
# the queue still needs its image, hence some hours to spare.
REUSE_FOR = timedelta(hours=20)
_UPLOAD_PATH = "banana_pipeline"
_EXTENSIONS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp"}

ReadBytes = Callable[[str, ReferenceImage], bytes]
"""``(prompt_table, image) -> bytes`` of a local reference image; raises ReadFailed if it has changed or is gone."""


@dataclass(kw_only=True)
class Uploader:
    """Gives each request the URLs of its reference images; one upload at a time per content."""

    writer: LedgerWriter
    service: str
    read_bytes: ReadBytes
    _locks: dict[tuple[str, str], anyio.Lock] = field(default_factory=dict)

    async def image_urls(self, account: Account, prompt_table: str, request: GenerationRequest) -> list[str]:
        """URLs for ``image_input``, in order.

        Raises:
            ReadFailed: a file cannot be read or uploaded. KeyRefused: the key is not accepted.
        """
        return [await self._url(account, prompt_table, image) for image in request.images]

    async def _url(self, account: Account, prompt_table: str, image: ReferenceImage) -> str:
        if image.sha256 is None:
            return image.source
        lock = self._locks.setdefault((account.name, image.sha256), anyio.Lock())
        async with lock:
            since = datetime.now(UTC) - REUSE_FOR
            known = await self.writer.do(ledger.known_upload, self.service, account.name, image.sha256, since=since)
            return known or await self._upload(account, prompt_table, image, image.sha256)

    async def _upload(self, account: Account, prompt_table: str, image: ReferenceImage, sha256: str) -> str:
        data = await anyio.to_thread.run_sync(self.read_bytes, prompt_table, image)
        extension = next((name for magic, name in _EXTENSIONS.items() if data.startswith(magic)), "bin")
        # A name of its own for each content: KIE overwrites equal names, and its caches may then serve the old bytes.
        name = f"{sha256[:32]}.{extension}"
        at = datetime.now(UTC)
        url = await account.client.upload(data, path=_UPLOAD_PATH, file_name=name)
        await self.writer.do(ledger.remember_upload, self.service, account.name, sha256, url, at)
        return url
