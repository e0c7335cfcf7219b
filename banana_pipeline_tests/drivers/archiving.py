"""The archive of a small world's pictures, and a service that answers with links into the network.

Here: the real downloads from the emulator's result host into an archive on disk.
Not here: facts; the tests state those.
"""

import json
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import httpx
from upath import UPath

from banana_pipeline.archive import Archived, Archiver, Result
from banana_pipeline.kie.client import open_client
from banana_pipeline.kie.downloads import open_downloads
from banana_pipeline.progress import Progress
from banana_pipeline.store.images import ImageArchive
from banana_pipeline_tests.drivers.rows import KEY, Run, boats, shard
from banana_pipeline_tests.drivers.world import World

HOUR_S, DAY_S = 3600.0, 86_400.0


class Archive:
    """The archive of a world's pictures; remembers the requests that reached the result host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder
        self.requests: list[httpx.Request] = []

    def fetch(
        self, results: Sequence[Result], *, service_url: str = "", passed: timedelta = timedelta()
    ) -> list[Archived]:
        """``passed``: by how much the archive's clock is ahead."""

        async def remember(request: httpx.Request) -> None:
            self.requests.append(request)

        async def main() -> list[Archived]:
            async with AsyncExitStack() as stack:
                url = self.world.base_url
                opened = open_client(api_key=KEY, base_url=service_url or url, upload_base_url=url)
                client = await stack.enter_async_context(opened)
                http = await stack.enter_async_context(open_downloads(base_url=url))
                http.event_hooks = {"request": [remember]}
                archive = ImageArchive(UPath(self.folder))
                clients = {client.account: client}
                archiver = Archiver(
                    archive=archive,
                    http=http,
                    clients=clients,
                    progress=Progress(),
                    now=lambda: datetime.now(UTC) + passed,
                )
                return await archiver.fetch_all(results)

        return anyio.run(main)

    @property
    def downloads(self) -> int:
        return self.world.books["downloads"]


class HostileLinks:
    """A service on this machine that answers every request with one link."""

    def __init__(self, link: str) -> None:
        self.asked = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.asked += 1
                body = json.dumps({"code": 200, "msg": "success", "data": link}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HostileLinks":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def results_of(run: Run) -> list[Result]:
    return [
        Result(
            attempt_id=row["attempt_id"],
            index=0,
            url=row["result_urls"][0],
            account=row["account"],
            completed_at=row["completed_at"],
        )
        for row in run.rows
    ]


def bought(world: World, *, rows: int = 6) -> tuple[Archive, list[Result]]:
    return Archive(world), results_of(world.run(shard(*boats(rows))))


def errors(found: Sequence[Archived]) -> list[str | None]:
    return [one.error for one in found]


def images(found: Sequence[Archived]) -> list[Any]:
    assert errors(found) == [None] * len(found)
    return [one.image for one in found]
