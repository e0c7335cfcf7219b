"""Bringing pictures home: once each, whole, by a second way where the first is closed, and never with the key.

Here: the real downloads from the emulator's result host into an archive on disk.
Not here: what counts as a picture (store), the `images` table (defs).
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from banana_pipeline.archive import Result
from banana_pipeline.emulator import Faults
from banana_pipeline_tests.drivers.archiving import DAY_S, HOUR_S, Archive, HostileLinks, bought, errors, images
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import KEY
from banana_pipeline_tests.drivers.world import World


@pytest.fixture
def home(world: World) -> tuple[Archive, list[Result]]:
    """Six pictures, bought and not yet archived."""
    return bought(world)


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


@pytest.mark.parametrize("url", [
    "https://169.254.169.254/latest/meta-data", "http://10.0.0.1/a.png", "file:///etc/passwd",
])  # fmt: skip
def test_a_forbidden_address_is_told_in_words_and_not_tried_again(home: tuple[Archive, list[Result]], url: str) -> None:
    archive, results = home
    hostile = Result(attempt_id="e" * 32, index=0, url=url, account=results[0].account)
    found = archive.fetch([hostile, results[0]])
    assert [one.error is None for one in found] == [False, True]
    assert "not on the public internet" in str(found[0].error) or "not an https address" in str(found[0].error)
    assert len([request for request in archive.requests if request.url.path == httpx.URL(url).path]) == 1


def test_the_service_is_never_asked_for_a_link_to_a_forbidden_address(home: tuple[Archive, list[Result]]) -> None:
    archive, results = home
    with HostileLinks(results[0].url) as service:
        found = archive.fetch([replace(results[0], url="https://10.0.0.1/a.png")], service_url=service.url)
    assert service.asked == 0
    assert "not on the public internet" in str(found[0].error)


def test_the_second_way_goes_through_the_same_checks(home: tuple[Archive, list[Result]]) -> None:
    """A service that answers the request for a fresh link with an address inside the network."""
    archive, results = home
    archive.world.emulator.advance(25 * HOUR_S)
    with HostileLinks("https://169.254.169.254/latest/meta-data") as service:
        found = archive.fetch(results[:1], service_url=service.url)
    assert service.asked == 1
    assert errors(found) == ["the picture's address answered 410"]
    assert [request.url.host for request in archive.requests][-1] == "169.254.169.254"


@pytest.mark.parametrize("attempt_id", ["../../escaped", "/tmp/escaped", "a/b", "", "a\0b"])
def test_an_id_that_is_none_of_ours_names_no_file(home: tuple[Archive, list[Result]], attempt_id: str) -> None:
    archive, results = home
    bad = Result(attempt_id=attempt_id, index=0, url=results[0].url, account=results[0].account)
    assert "cannot name a picture" in str(errors(archive.fetch([bad]))[0])
    assert not list(archive.folder.rglob("*escaped*"))
