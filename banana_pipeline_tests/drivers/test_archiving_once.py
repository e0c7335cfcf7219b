"""Each picture once, the oldest first, none given up too early, and what is not as asked is told."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from banana_pipeline.archive import Result
from banana_pipeline.core.decisions import is_lost
from banana_pipeline_tests.drivers.archiving import DAY_S, HOUR_S, Archive, bought, errors, images
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.world import World


@pytest.fixture
def home(world: World) -> tuple[Archive, list[Result]]:
    """Six pictures, bought and not yet archived."""
    return bought(world)


# Once each


def test_a_picture_that_two_rows_share_is_downloaded_once(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    assert len(images(archive.fetch([*results, *results]))) == 12
    assert archive.downloads == 6


_TWIN = """
import sys, anyio
from datetime import datetime
from upath import UPath
from banana_pipeline.archive import Archiver, Result
from banana_pipeline.kie.downloads import open_downloads
from banana_pipeline.progress import Progress
from banana_pipeline.store.images import ImageArchive

async def main(base_url, folder, *urls):
    results = [Result(attempt_id=f"{n:032}", index=0, url=url, account="a") for n, url in enumerate(urls)]
    async with open_downloads(base_url=base_url) as http:
        archiver = Archiver(archive=ImageArchive(UPath(folder)), http=http, clients={}, progress=Progress())
        print("ready", flush=True)
        sys.stdin.readline()
        found = await archiver.fetch_all(results)
    print([one.error for one in found])

anyio.run(main, *sys.argv[1:])
"""


def test_two_processes_that_archive_the_same_pictures_download_each_once(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    command = [sys.executable, "-c", _TWIN, archive.world.base_url, str(archive.folder), *(it.url for it in results)]
    twins = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in "ab"
    ]
    assert [str(twin.stdout and twin.stdout.readline()) for twin in twins] == ["ready\n"] * 2
    for twin in twins:
        assert twin.stdin is not None
        twin.stdin.write("go\n")
        twin.stdin.flush()
    assert [twin.communicate(timeout=60)[0] for twin in twins] == [f"{[None] * 6}\n"] * 2
    assert archive.downloads == 6


def test_a_picture_on_record_is_neither_read_nor_downloaded(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    first = images(archive.fetch(results))
    again = archive.fetch([replace(it, known=image) for it, image in zip(results, first, strict=True)])
    assert images(again) == first
    assert archive.downloads == 6


def test_a_picture_that_changed_after_it_was_recorded_is_looked_at_again(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    image = images(archive.fetch(results))[0]
    path = Path(image.image_path)
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))
    archive.fetch([replace(results[0], known=image)])
    assert path.read_bytes() == whole


# The oldest first, and what comes too late


def test_the_oldest_pictures_are_asked_for_first(home: tuple[Archive, list[Result]]) -> None:
    archive, _ = home
    base = datetime(2026, 1, 1, tzinfo=UTC)
    many = [
        Result(
            attempt_id=f"{age:032}",
            index=0,
            url=f"{archive.world.base_url}/h/age{age:02}.png",
            account="nobody",
            completed_at=base - timedelta(hours=age),
        )
        for age in range(60)
    ]
    archive.fetch(many)
    asked = [int(found[1]) for it in archive.requests if (found := re.search(r"age(\d+)", it.url.path))]
    assert len(asked) == 60
    assert max(asked.index(age) for age in range(50, 60)) < min(asked.index(age) for age in range(10))


LOST = r"KIE no longer has it \(404 on 20\d\d-\d\d-\d\d \d\d:\d\d UTC\); the picture is lost"


def test_a_picture_that_both_ways_refuse_after_a_day_is_lost(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(15 * DAY_S)
    found = errors(archive.fetch(results, passed=timedelta(days=15)))
    assert all(re.fullmatch(LOST, str(error)) for error in found)
    assert all(map(is_lost, found))


def test_a_gateway_behind_a_fresh_link_makes_no_picture_lost(new_world: NewWorld) -> None:
    """KIE hands out links for what it has: before it deletes everything, a 410 behind one proves nothing."""
    archive, results = bought(new_world(download_link_kept_s=-1.0))
    archive.world.emulator.advance(2 * DAY_S)
    assert not any(map(is_lost, errors(archive.fetch(results, passed=timedelta(days=2)))))
    assert all(map(is_lost, errors(archive.fetch(results, passed=timedelta(days=15)))))


def test_a_picture_younger_than_a_day_is_never_given_up(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(15 * DAY_S)
    assert not any(map(is_lost, errors(archive.fetch(results, passed=timedelta(hours=23)))))


def test_a_picture_is_not_given_up_while_kie_cannot_be_asked(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(15 * DAY_S)
    found = archive.fetch(results[:1], passed=timedelta(days=15), service_url="http://127.0.0.1:9")
    assert errors(found) == ["the picture's address answered 404"]


def test_a_lost_picture_is_not_asked_for_again(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(15 * DAY_S)
    lost = errors(archive.fetch(results, passed=timedelta(days=15)))
    archive.requests.clear()
    again = archive.fetch([replace(it, known_error=error) for it, error in zip(results, lost, strict=True)])
    assert errors(again) == lost
    assert archive.requests == []


def test_an_address_that_is_gone_is_asked_once_before_the_second_way(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    archive.world.emulator.advance(25 * HOUR_S)
    archive.fetch(results[:1])
    assert len(archive.requests) == 2


# What was asked


def test_a_file_of_another_format_is_kept_and_told(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    found = archive.fetch([replace(results[0], output_format="jpg")])[0]
    assert found.error == "KIE made a png file where jpg was asked; it is kept as it came"
    assert found.image is not None
    assert Path(found.image.image_path).is_file()


def test_a_file_of_the_format_that_was_asked_is_no_error(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    assert errors(archive.fetch([replace(results[0], output_format="png")])) == [None]
