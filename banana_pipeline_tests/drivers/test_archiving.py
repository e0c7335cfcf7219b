"""Bringing pictures home: once each, whole, by a second way where the first is closed, and never with the key.

Here: the real downloads from the emulator's result host into an archive on disk.
Not here: what counts as a picture (store), the `images` table (defs).
"""

import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from upath import UPath

from banana_pipeline.archive import Archived, Archiver, Result
from banana_pipeline.emulator import Faults
from banana_pipeline.kie.client import open_client, open_downloads
from banana_pipeline.progress import Progress
from banana_pipeline.store.images import ImageArchive
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import KEY, Run, boats, shard
from banana_pipeline_tests.drivers.world import World

HOUR_S, DAY_S = 3600.0, 86_400.0


class Archive:
    """The archive of a world's pictures; remembers the requests that reached the result host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder
        self.requests: list[httpx.Request] = []

    def fetch(self, results: Sequence[Result]) -> list[Archived]:
        async def remember(request: httpx.Request) -> None:
            self.requests.append(request)

        async def main() -> list[Archived]:
            async with AsyncExitStack() as stack:
                url = self.world.base_url
                opened = open_client(api_key=KEY, base_url=url, upload_base_url=url)
                client = await stack.enter_async_context(opened)
                http = await stack.enter_async_context(open_downloads())
                http.event_hooks = {"request": [remember]}
                archive = ImageArchive(UPath(self.folder))
                clients = {client.account: client}
                return await Archiver(archive=archive, http=http, clients=clients, progress=Progress()).fetch_all(
                    results
                )

        return anyio.run(main)

    @property
    def downloads(self) -> int:
        return self.world.books["downloads"]


def results_of(run: Run) -> list[Result]:
    return [
        Result(attempt_id=row["attempt_id"], index=0, url=row["result_urls"][0], account=row["account"])
        for row in run.rows
    ]


def bought(world: World, *, rows: int = 6) -> tuple[Archive, list[Result]]:
    return Archive(world), results_of(world.run(shard(*boats(rows))))


@pytest.fixture
def home(world: World) -> tuple[Archive, list[Result]]:
    """Six pictures, bought and not yet archived."""
    return bought(world)


def errors(found: Sequence[Archived]) -> list[str | None]:
    return [one.error for one in found]


def images(found: Sequence[Archived]) -> list[Any]:
    assert errors(found) == [None] * len(found)
    return [one.image for one in found]


def test_every_picture_is_archived(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    paths = {Path(image.image_path) for image in images(archive.fetch(results))}
    assert len([path for path in paths if path.is_file()]) == 6


def test_the_hash_and_the_size_are_those_of_the_bytes(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    image = images(archive.fetch(results))[0]
    data = Path(image.image_path).read_bytes()
    assert (image.image_sha256, image.image_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (image.width_px, image.height_px) == (1024, 1024)


def test_what_is_archived_is_not_downloaded_again(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    first = archive.fetch(results)
    assert [image.image_sha256 for image in images(archive.fetch(results))] == [
        image.image_sha256 for image in images(first)
    ]
    assert archive.downloads == 6


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"<html>"])
def test_a_damaged_file_is_downloaded_again(home: tuple[Archive, list[Result]], damage: Any) -> None:
    archive, results = home
    path = Path(images(archive.fetch(results))[0].image_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    archive.fetch(results)
    assert path.read_bytes() == whole
    assert archive.downloads == 7


def test_an_expired_address_is_replaced_by_a_fresh_link(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(25 * HOUR_S)
    assert errors(archive.fetch(results)) == [None] * 6


def test_a_picture_that_kie_has_deleted_is_told_in_words(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(15 * DAY_S)
    assert errors(archive.fetch(results)) == ["the picture's address answered 404"] * 6


def test_one_missing_picture_does_not_hurt_the_others(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    missing = Result(attempt_id="f" * 32, index=0, url=f"{archive.world.base_url}/h/none.png", account="nobody")
    found = archive.fetch([results[0], missing, *results[1:]])
    assert [position for position, one in enumerate(found) if one.error] == [1]


@pytest.mark.parametrize("fault", ["download_drop", "download_html_502", "download_cut"])
def test_downloads_that_fail_now_and_then_arrive(new_world: NewWorld, fault: str) -> None:
    archive, results = bought(new_world(faults=Faults(**{f"{fault}_share": 0.1})), rows=12)
    assert errors(archive.fetch(results)) == [None] * 12


def test_a_host_that_never_answers_is_told_in_words(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.admin("faults", download_drop_share=1.0)
    assert all("cannot be reached" in (error or "") for error in errors(archive.fetch(results)))


def test_a_cut_picture_is_never_kept(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.admin("faults", download_cut_share=1.0)
    assert all(errors(archive.fetch(results)))
    assert not (archive.folder / "images").exists()


def test_the_key_never_goes_to_the_host_of_the_pictures(home: tuple[Archive, list[Result]]) -> None:
    """Not at the first address, and not with the fresh link that was asked for with the key."""
    archive, results = home
    archive.world.emulator.advance(25 * HOUR_S)
    archive.fetch(results)
    assert {"signature" in str(request.url) for request in archive.requests} == {True, False}
    assert not any(KEY in str(request.url) + str(request.headers.raw) for request in archive.requests)
    assert not any("authorization" in request.headers for request in archive.requests)
