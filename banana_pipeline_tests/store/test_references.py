"""Reference images: which entries may be used, and what is said about the others."""

import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from banana_pipeline.core.failures import ReadFailed
from banana_pipeline.core.requests import MAX_IMAGE_BYTES, ReferenceImage
from banana_pipeline.store import references
from banana_pipeline.store.references import (
    ReferenceResolver,
    reference_bytes,
    reference_folders,
    reference_path,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff\xe0" + b"pixels"
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "prompts"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def resolve(tmp_path: Path, prompts: Path) -> ReferenceResolver:
    (tmp_path / "data" / "reference").mkdir()
    return ReferenceResolver(reference_folders(UPath(prompts / "cards.parquet"), UPath(tmp_path / "data")))


def problem(found: ReferenceImage | str) -> str:
    assert isinstance(found, str), found
    return found


def checked(found: ReferenceImage | str) -> ReferenceImage:
    assert isinstance(found, ReferenceImage), found
    return found


@pytest.mark.parametrize(
    "link",
    ["https://x.org/a.png", "http://x.org:8080/a?b=c#d", "HTTPS://x.org/ü.png", "https://[::1]/a", "https://x.org"],
)
def test_a_link_is_used_as_it_is(resolve: ReferenceResolver, link: str):
    assert resolve(link) == ReferenceImage(source=link)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("https://", "names no host"),
        ("https:/x.org/a.png", "names no host"),
        ("https://x.org/a b.png", "contains blanks"),
        (" https://x.org/a.png", "contains blanks"),
        ("https://x.org/a.png\n", "contains blanks"),
        ("https://[x.org/a.png", "not a valid address"),
        ("https://x.org:port/a.png", "not a valid address"),
        ("https://x.org/" + "a" * 2_000, "at most 2,000"),
        ("https://me:secret@x.org/a.png", "user name or password"),
    ],
)
def test_a_link_that_cannot_be_used_is_explained(resolve: ReferenceResolver, link: str, words: str):
    assert words in problem(resolve(link))


def test_a_password_in_a_link_is_not_repeated(resolve: ReferenceResolver):
    assert "secret" not in problem(resolve("https://me:secret@x.org/a.png"))


@pytest.mark.parametrize(
    "entry",
    ["file:///etc/passwd", "data:image/png;base64,AAAA", "ftp://x.org/a.png", "s3://b/a.png", "FILE:a.png", "gs://b/a"],
)
def test_other_kinds_of_address_are_explained(resolve: ReferenceResolver, entry: str):
    assert "use an https link or a path" in problem(resolve(entry))


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP])
def test_a_picture_beside_the_table_is_found_and_hashed(resolve: ReferenceResolver, prompts: Path, data: bytes):
    (prompts / "cat").write_bytes(data)
    assert resolve("cat") == ReferenceImage(source="cat", sha256=hashlib.sha256(data).hexdigest())


def test_a_picture_in_the_reference_folder_is_found(resolve: ReferenceResolver, tmp_path: Path):
    (tmp_path / "data" / "reference" / "sub dir").mkdir()
    (tmp_path / "data" / "reference" / "sub dir" / "ü.png").write_bytes(PNG)
    assert checked(resolve("sub dir/ü.png")).is_local


def test_the_tables_folder_comes_first(resolve: ReferenceResolver, tmp_path: Path, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    (tmp_path / "data" / "reference" / "a.png").write_bytes(JPEG)
    assert checked(resolve("a.png")).sha256 == hashlib.sha256(PNG).hexdigest()


def test_a_folder_table_looks_beside_itself(tmp_path: Path, prompts: Path):
    (prompts / "cards").mkdir()
    (prompts / "a.png").write_bytes(PNG)
    folders = reference_folders(UPath(prompts / "cards"), UPath(tmp_path / "data"))
    assert checked(ReferenceResolver(folders)("a.png")).is_local


def test_an_absolute_path_inside_is_allowed(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    assert checked(resolve(str(prompts / "a.png"))).source == str(prompts / "a.png")


def test_an_absolute_path_into_the_second_folder_is_allowed(resolve: ReferenceResolver, tmp_path: Path):
    (tmp_path / "data" / "reference" / "a.png").write_bytes(PNG)
    assert checked(resolve(str(tmp_path / "data" / "reference" / "a.png"))).is_local


@pytest.mark.parametrize("entry", ["../../secret.png", "/etc/passwd", "../reference/../../secret.png", ".."])
def test_a_path_outside_is_refused(resolve: ReferenceResolver, tmp_path: Path, entry: str):
    (tmp_path / "secret.png").write_bytes(PNG)
    assert "lies outside" in problem(resolve(entry))


def test_a_link_on_disk_that_leads_outside_is_refused(resolve: ReferenceResolver, tmp_path: Path, prompts: Path):
    (tmp_path / "secret.png").write_bytes(PNG)
    (prompts / "a.png").symlink_to(tmp_path / "secret.png")
    assert "lies outside" in problem(resolve("a.png"))


def test_a_folder_link_that_leads_outside_is_refused(resolve: ReferenceResolver, tmp_path: Path, prompts: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(PNG)
    (prompts / "link").symlink_to(tmp_path / "other")
    assert "lies outside" in problem(resolve("link/a.png"))


def test_a_link_on_disk_that_stays_inside_is_allowed(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    (prompts / "b.png").symlink_to("a.png")
    assert checked(resolve("b.png")).is_local


def test_links_in_a_circle_are_explained(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").symlink_to("b.png")
    (prompts / "b.png").symlink_to("a.png")
    assert "image_input 'a.png'" in problem(resolve("a.png"))


def test_a_missing_file_is_explained_with_both_folders(resolve: ReferenceResolver):
    assert problem(resolve("x.png")) == "image_input 'x.png' does not exist in data/prompts or data/reference"


def test_backslashes_get_a_hint(resolve: ReferenceResolver):
    assert "write paths with /" in problem(resolve("pictures\\a.png"))


@pytest.mark.parametrize("entry", ["a\0b.png", "a" * 5_000])
def test_what_cannot_be_a_path_is_explained(resolve: ReferenceResolver, entry: str):
    assert "image_input 'a" in problem(resolve(entry))


def test_a_folder_is_no_picture(resolve: ReferenceResolver, prompts: Path):
    (prompts / "cats").mkdir()
    assert "is a folder" in problem(resolve("cats"))


def test_a_pipe_is_no_picture(resolve: ReferenceResolver, prompts: Path):
    os.mkfifo(prompts / "pipe.png")
    assert "not a regular file" in problem(resolve("pipe.png"))


@pytest.mark.parametrize("data", [b"GIF89a...", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"\x89PNG"])
def test_another_kind_of_file_is_explained(resolve: ReferenceResolver, prompts: Path, data: bytes):
    (prompts / "a.png").write_bytes(data)
    assert "not a JPEG, PNG or WebP" in problem(resolve("a.png"))


def test_an_empty_file_is_explained(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").touch()
    assert "empty file" in problem(resolve("a.png"))


@pytest.mark.parametrize(("size_bytes", "is_accepted"), [(MAX_IMAGE_BYTES, True), (MAX_IMAGE_BYTES + 1, False)])
def test_a_file_may_have_30_mb(resolve: ReferenceResolver, prompts: Path, size_bytes: int, is_accepted: bool):
    (prompts / "a.png").write_bytes(PNG)
    os.truncate(prompts / "a.png", size_bytes)
    found = resolve("a.png")
    assert isinstance(found, ReferenceImage) if is_accepted else "at most 30 MB" in problem(found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_explained(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    (prompts / "a.png").chmod(0)
    assert "cannot be read" in problem(resolve("a.png"))


def test_a_file_is_hashed_once(resolve: ReferenceResolver, prompts: Path, monkeypatch: pytest.MonkeyPatch):
    (prompts / "a.png").write_bytes(PNG)
    count = 0
    real = references._sha256

    def counted(file: BufferedReader) -> str:
        nonlocal count
        count += 1
        return real(file)

    monkeypatch.setattr(references, "_sha256", counted)
    for _ in range(3):
        resolve("a.png")
    assert count == 1


def test_a_changed_file_is_hashed_again(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    before = checked(resolve("a.png"))
    (prompts / "a.png").write_bytes(PNG + b"more")
    assert checked(resolve("a.png")).sha256 != before.sha256


def test_tables_in_an_object_store_have_no_folders_here():
    folders = reference_folders(UPath("memory://bucket/prompts/t.parquet"), UPath("memory://bucket"))
    assert "use an https link" in problem(ReferenceResolver(folders)("a.png"))


def test_the_bytes_are_those_that_were_checked(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").write_bytes(PNG)
    image = checked(resolve("a.png"))
    assert reference_bytes(image, resolve.folders) == PNG
    assert reference_path(image, resolve.folders) == (prompts / "a.png").resolve()


@pytest.mark.parametrize("find", [reference_path, reference_bytes])
def test_a_file_swapped_after_the_check_is_not_sent(resolve: ReferenceResolver, prompts: Path, find):
    (prompts / "a.png").write_bytes(PNG)
    image = checked(resolve("a.png"))
    (prompts / "a.png").write_bytes(JPEG)
    with pytest.raises(ReadFailed, match="has changed since it was checked"):
        find(image, resolve.folders)


@pytest.mark.parametrize("find", [reference_path, reference_bytes])
def test_a_file_removed_after_the_check_is_explained(resolve: ReferenceResolver, prompts: Path, find):
    (prompts / "a.png").write_bytes(PNG)
    image = checked(resolve("a.png"))
    (prompts / "a.png").unlink()
    with pytest.raises(ReadFailed, match="does not exist"):
        find(image, resolve.folders)


@pytest.mark.parametrize("entry", ["~", "~/secret.png", "~root/secret.png", "$HOME/secret.png", "%2e%2e/secret.png"])
def test_nothing_in_a_path_is_expanded(
    resolve: ReferenceResolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret.png").write_bytes(PNG)
    assert "does not exist" in problem(resolve(entry))


@pytest.mark.parametrize("entry", ["/dev/zero", "/dev/stdin", "/proc/self/environ", "../../../../../../dev/zero"])
def test_a_device_is_refused(resolve: ReferenceResolver, entry: str):
    assert "lies outside" in problem(resolve(entry))


def test_a_link_to_a_device_is_refused(resolve: ReferenceResolver, prompts: Path):
    (prompts / "a.png").symlink_to("/dev/zero")
    assert "lies outside" in problem(resolve("a.png"))


def test_a_socket_is_no_picture(resolve: ReferenceResolver, prompts: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(prompts)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.png")
        assert "cannot be read" in problem(resolve("a.png"))


def test_a_folder_whose_name_begins_alike_is_outside(resolve: ReferenceResolver, tmp_path: Path):
    (tmp_path / "data" / "prompts-secret").mkdir()
    (tmp_path / "data" / "prompts-secret" / "a.png").write_bytes(PNG)
    assert "lies outside" in problem(resolve("../prompts-secret/a.png"))


def test_a_refusal_does_not_tell_whether_a_file_outside_exists(resolve: ReferenceResolver, tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(PNG)
    there, not_there = problem(resolve("../../secret.png")), problem(resolve("../../nobody.png"))
    assert there.replace("secret", "nobody") == not_there


@pytest.mark.parametrize("entry", ["file:///etc/passwd", "FILE:/etc/passwd", "file:a.png", " file:///a.png"])
def test_a_file_address_is_refused(resolve: ReferenceResolver, prompts: Path, entry: str):
    (prompts / "a.png").write_bytes(PNG)
    assert "file: address" in problem(resolve(entry))


def between_check_and_opening(monkeypatch: pytest.MonkeyPatch, swap: Callable[[], object]) -> None:
    """Something happens on disk right after a path was found good: the worst moment there is."""
    find = references.find_file

    def found(entry: str, folders: Sequence[Path]) -> Path | str:
        path = find(entry, folders)
        swap()
        return path

    monkeypatch.setattr(references, "find_file", found)


def replaced_by_link(path: Path, target: Path) -> None:
    path.rename(path.with_name("moved away"))
    path.symlink_to(target)


def replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_a_link_put_in_the_place_of_a_checked_file_is_not_followed(
    resolve: ReferenceResolver, tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
):
    (prompts / "a.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(JPEG)
    between_check_and_opening(monkeypatch, lambda: replaced_by_link(prompts / "a.png", tmp_path / "secret.png"))
    assert "cannot be read" in problem(resolve("a.png"))


def test_a_folder_link_put_in_the_place_of_a_checked_folder_is_not_followed(
    resolve: ReferenceResolver, tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
):
    for folder in (prompts / "cats", tmp_path / "secret"):
        folder.mkdir()
        (folder / "a.png").write_bytes(PNG)
    between_check_and_opening(monkeypatch, lambda: replaced_by_link(prompts / "cats", tmp_path / "secret"))
    assert "cannot be read" in problem(resolve("cats/a.png"))


@pytest.mark.parametrize("find", [reference_path, reference_bytes])
def test_a_link_put_there_before_the_upload_is_not_followed_even_to_equal_bytes(
    resolve: ReferenceResolver, tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch, find
):
    (prompts / "a.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    image = checked(resolve("a.png"))
    between_check_and_opening(monkeypatch, lambda: replaced_by_link(prompts / "a.png", tmp_path / "secret.png"))
    with pytest.raises(ReadFailed, match="cannot be read"):
        find(image, resolve.folders)


def test_a_pipe_put_in_the_place_of_a_checked_file_keeps_nobody_waiting(
    resolve: ReferenceResolver, prompts: Path, monkeypatch: pytest.MonkeyPatch
):
    (prompts / "a.png").write_bytes(PNG)
    between_check_and_opening(monkeypatch, lambda: replaced_by_pipe(prompts / "a.png"))
    assert "not a regular file" in problem(resolve("a.png"))


@pytest.mark.parametrize("find", [reference_path, reference_bytes])
def test_a_pipe_put_there_before_the_upload_keeps_nobody_waiting(resolve: ReferenceResolver, prompts: Path, find):
    (prompts / "a.png").write_bytes(PNG)
    image = checked(resolve("a.png"))
    replaced_by_pipe(prompts / "a.png")
    with pytest.raises(ReadFailed, match="has changed"):
        find(image, resolve.folders)


def test_folders_that_are_reached_by_links_are_fine(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(PNG)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    resolve = ReferenceResolver([tmp_path / "link"])
    assert reference_bytes(checked(resolve("a.png")), resolve.folders) == PNG


@given(st.text(min_size=1))
def test_no_entry_raises(tmp_path_factory, entry: str):
    found = ReferenceResolver([tmp_path_factory.getbasetemp() / "nowhere"])(entry)
    assert isinstance(found, ReferenceImage | str)
