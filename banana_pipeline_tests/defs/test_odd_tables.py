"""One odd thing in the prompts folder is told once and stops no other table, in the sensor and in the source."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster._core.definitions.observe import observe

from banana_pipeline.defs.prompts import prompt_tables
from banana_pipeline.defs.sensor_tables import prompt_tables_sensor
from banana_pipeline_tests.defs.watch import Watch
from banana_pipeline_tests.defs.world import World

GOOD = ["boats", "cars", "été 雨", "a#b", "50%", "two\nlines", "red \x1b[31m"]


def named(name: bytes) -> Callable[[Path], None]:
    return lambda folder: shutil.copy(folder / "boats.parquet", os.path.join(os.fsencode(folder), name))  # noqa: PTH118


def inside(name: bytes, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A folder with a good part and an odd one."""

    def make_folder(folder: Path) -> None:
        own = folder / os.fsdecode(name)
        own.mkdir()
        shutil.copy(folder / "boats.parquet", own / "boats.parquet")
        make(own)

    return make_folder


def a_socket(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as own:
        own.bind("odd.parquet")
    os.chdir(before)


ODD: dict[str, Callable[[Path], object]] = {
    "not UTF-8": named(b"caf\xe9.parquet"),
    "a folder that is not UTF-8": inside(b"dir\xfe", lambda own: None),
    "a part that is not UTF-8": inside(b"odd", named(b"p\xff.parquet")),
    "too long": named("雨".encode() * 80 + b".parquet"),
    "a link to nothing": lambda folder: (folder / "odd.parquet").symlink_to("nowhere"),
    "a link to itself": lambda folder: (folder / "odd.parquet").symlink_to("odd.parquet"),
    "a pipe": lambda folder: os.mkfifo(folder / "odd.parquet"),
    "a pipe among parts": inside(b"odd", lambda own: os.mkfifo(own / "p.parquet")),
    "a socket": a_socket,
    "nothing inside": lambda folder: (folder / "odd.parquet").touch(),
    "something else inside": lambda folder: (folder / "odd.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1"),
    "an empty folder": lambda folder: (folder / "odd.parquet").mkdir(),
    "a link to nothing among parts": inside(b"odd", lambda own: (own / "p.parquet").symlink_to("nowhere")),
}


@pytest.fixture
def watch(world: World) -> Watch:
    for name in GOOD:
        world.add_table(name, [f"one of {name}"])
    return Watch(sensor=prompt_tables_sensor, world=world)


def registered(watch: Watch) -> int:
    return len(watch.world.instance.get_dynamic_partitions("prompt_shards"))


@pytest.mark.parametrize("odd", ODD)
def test_the_sensor_registers_all_other_tables(watch: Watch, odd: str) -> None:
    ODD[odd](watch.world.prompts)
    assert len(watch.requests()) == 1
    assert registered(watch) == len(GOOD)


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_is_told_once_in_one_sentence(
    watch: Watch, odd: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    ODD[odd](watch.world.prompts)
    watch.look()
    told = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    assert len(told) == 1
    assert "This is a fault" not in told[0]
    assert watch.reason() == "no new or changed prompt tables"
    assert "WARNING" not in capfd.readouterr().err


def test_all_of_it_at_once_leaves_texts_that_every_database_takes(watch: Watch) -> None:
    for number, make in enumerate(ODD.values()):
        make(watch.world.prompts)
        for name in ("odd", "odd.parquet"):
            if (watch.world.prompts / name).is_symlink() or (watch.world.prompts / name).exists():
                (watch.world.prompts / name).rename(watch.world.prompts / name.replace("odd", f"odd{number}"))
    found = watch.look()
    assert registered(watch) == len(GOOD)
    texts = [
        found.cursor or "",
        *(text for one in found.run_requests or [] for text in [one.run_key or "", *one.tags.values()]),
    ]
    assert all(text.encode().decode() == text and text.isprintable() for text in texts)
    assert json.loads(found.cursor or "")


@pytest.mark.parametrize("odd", ODD)
def test_observing_the_tables_registers_all_others(watch: Watch, odd: str) -> None:
    ODD[odd](watch.world.prompts)
    assert observe([prompt_tables], instance=watch.world.instance, resources={"files": watch.world.files}).success
    assert registered(watch) == len(GOOD)


def test_tables_with_odd_names_are_made_like_all_others(watch: Watch) -> None:
    ((first, last),) = watch.ranges()
    assert watch.world.run(first, last).success
    assert len(watch.world.events("images")) == len(GOOD)
