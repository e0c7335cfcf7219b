"""Local reference images on their way to KIE: uploaded once per content and account, and never in vain.

Here: the driver with real files and the emulator's upload host.
Not here: which files a table may name (store).
"""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from upath import UPath

from banana_pipeline.core.requests import GenerationRequest, ReferenceImage, account_name
from banana_pipeline.core.row_values import EmbeddedImage
from banana_pipeline.store import ledger
from banana_pipeline.store.references import ReferenceResolver, reference_bytes
from banana_pipeline.store.shard_rows import read_shard
from banana_pipeline.store.tables import open_table
from banana_pipeline_tests.drivers.conftest import NewWorld
from banana_pipeline_tests.drivers.rows import KEY, OTHER_KEY, boats, shard
from banana_pipeline_tests.drivers.world import World


def picture(colour: str) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def references(tmp_path: Path) -> Path:
    folder = tmp_path / "reference"
    folder.mkdir()
    for name in ("red", "blue"):
        (folder / f"{name}.png").write_bytes(picture(name))
    (folder / "copy of red.png").write_bytes(picture("red"))
    return folder


@pytest.fixture
def studio(new_world: NewWorld, references: Path) -> World:
    return new_world(world={"read_bytes": lambda _, image: reference_bytes(image, [references])})


def with_images(references: Path, prompt: str, *names: str) -> GenerationRequest:
    resolve = ReferenceResolver([references])
    images = [resolve(name) for name in names]
    assert all(isinstance(image, ReferenceImage) for image in images)
    return GenerationRequest(prompt=prompt, images=tuple(images))  # type: ignore[arg-type]


def test_a_file_is_uploaded_once_for_many_rows(studio: World, references: Path) -> None:
    run = studio.run(shard(*(with_images(references, prompt, "red.png") for prompt in boats(12))))
    assert run.statuses == {"succeeded": 12}
    assert studio.books["uploads"] == 1


def test_equal_bytes_under_two_names_are_one_upload(studio: World, references: Path) -> None:
    work = shard(with_images(references, "one", "red.png"), with_images(references, "two", "copy of red.png"))
    studio.run(work)
    assert studio.books["uploads"] == 1


def test_kie_gets_the_bytes_of_the_file_in_the_order_of_the_row(studio: World, references: Path) -> None:
    studio.run(shard(with_images(references, "both", "blue.png", "red.png")))
    uploads = [studio.emulator.books.upload_at(url) for url in studio.tasks[0]["input"]["image_input"]]
    assert [upload.content for upload in uploads if upload] == [picture("blue"), picture("red")]


def test_a_link_is_passed_on_as_it_is(studio: World) -> None:
    image = ReferenceImage(source="https://host.example/a%20b.png")
    studio.run(shard(GenerationRequest(prompt="linked", images=(image,))))
    assert studio.tasks[0]["input"]["image_input"] == ("https://host.example/a%20b.png",)
    assert studio.books["uploads"] == 0


def test_a_second_run_uses_the_upload_again(studio: World, references: Path) -> None:
    studio.run(shard(with_images(references, "one", "red.png")))
    studio.run(shard(with_images(references, "two", "red.png")))
    assert studio.books["uploads"] == 1


@pytest.mark.parametrize(("hours", "uploads"), [(19.9, 0), (20.1, 1)])
def test_an_upload_older_than_twenty_hours_is_made_again(
    studio: World, references: Path, hours: float, uploads: int
) -> None:
    request = with_images(references, "one", "red.png")
    at = datetime.now(UTC) - timedelta(hours=hours)
    earlier = (studio.service, account_name(KEY), request.images[0].sha256, "https://host.example/red.png", at)
    studio.in_ledger(ledger.remember_upload, *earlier)
    studio.run(shard(request))
    assert studio.books["uploads"] == uploads


def test_each_account_uploads_for_itself(new_world: NewWorld, references: Path) -> None:
    read = {"read_bytes": lambda _, image: reference_bytes(image, [references])}
    studio = new_world(world={"keys": (KEY, OTHER_KEY), **read})
    studio.run(shard(*(with_images(references, prompt, "red.png") for prompt in boats(16))), rate="40/1s")
    assert studio.books["uploads"] == len({task["account"] for task in studio.tasks}) == 2


def test_a_file_that_changed_since_it_was_checked_is_not_sent(studio: World, references: Path) -> None:
    request = with_images(references, "one", "red.png")
    (references / "red.png").write_bytes(picture("green"))
    row = studio.run(shard(request)).rows[0]
    assert row["status"] == "not_submitted"
    assert "has changed since it was checked" in row["status_reason"]
    assert studio.books["tasks"] == studio.books["uploads"] == 0


def test_a_file_that_is_gone_does_not_hurt_other_rows(studio: World, references: Path) -> None:
    gone = with_images(references, "gone", "red.png")
    (references / "red.png").unlink()
    run = studio.run(shard(*boats(3), gone, with_images(references, "there", "blue.png")))
    assert run.statuses == {"succeeded": 4, "not_submitted": 1}
    assert "could not be uploaded" in run.by_prompt["gone"]["status_reason"]


def test_an_upload_host_that_is_away_leaves_the_row_unsent(studio: World, references: Path) -> None:
    studio.upload_base_url = "http://127.0.0.1:1"
    run = studio.run(shard(with_images(references, "one", "red.png"), *boats(2)))
    assert run.statuses == {"succeeded": 2, "not_submitted": 1}
    assert "127.0.0.1:1 cannot be reached" in run.by_prompt["one"]["status_reason"]


def test_what_could_not_be_uploaded_is_bought_by_the_next_run(studio: World, references: Path) -> None:
    work = shard(with_images(references, "one", "red.png"))
    studio.upload_base_url = "http://127.0.0.1:1"
    studio.run(work)
    studio.upload_base_url = ""
    assert studio.run(work).statuses == {"succeeded": 1}
    assert studio.books["tasks"] == 1


def test_nothing_is_uploaded_for_what_is_already_paid(studio: World, references: Path) -> None:
    work = shard(with_images(references, "one", "red.png"))
    studio.run(work)
    (references / "red.png").unlink()
    assert studio.run(work).statuses == {"succeeded": 1}


def test_a_picture_that_stands_in_the_table_is_uploaded_once_like_a_file(new_world: NewWorld, tmp_path: Path) -> None:
    pictures = [{"bytes": picture("red"), "path": "a.png"}, {"bytes": picture("red"), "path": None}]
    column = pa.array([*pictures, {"bytes": picture("blue"), "path": None}])
    pq.write_table(pa.table({"prompt": ["one", "two", "three"], "image_input": column}), tmp_path / "t.parquet")
    kept_in = UPath(tmp_path / "data" / "reference")
    table = open_table(tmp_path / "t.parquet")
    rows = read_shard(table, range(3), resolve_image=ReferenceResolver([], keep_in=kept_in)).rows
    (tmp_path / "t.parquet").unlink()  # the upload may be another day's and another machine's
    studio = new_world(world={"read_bytes": lambda _, image: reference_bytes(image, [], kept_in)})
    run = studio.run(shard(*(row.requests[0] for row in rows)))
    assert run.statuses == {"succeeded": 3}
    assert studio.books["uploads"] == 2
    sent = {task["input"]["prompt"]: task["input"]["image_input"][0] for task in studio.tasks}
    uploads = {prompt: studio.emulator.books.upload_at(url) for prompt, url in sent.items()}
    assert {prompt: upload.content for prompt, upload in uploads.items() if upload} == {
        "one": picture("red"), "two": picture("red"), "three": picture("blue"),
    }  # fmt: skip


def test_the_same_picture_in_a_table_and_in_a_file_is_one_request(references: Path) -> None:
    resolve = ReferenceResolver([references])
    file, embedded = resolve("red.png"), resolve(EmbeddedImage(data=picture("red")))
    assert isinstance(file, ReferenceImage)
    assert isinstance(embedded, ReferenceImage)
    assert file.identity == embedded.identity
