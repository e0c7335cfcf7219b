"""A run of one table beside damaged files and odd tables: it ends as its own rows end.

Here: exit codes and what is said. Not here: the checks and pages that look at all tables.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from banana_pipeline_tests.e2e.command import Office
from banana_pipeline_tests.e2e.conftest import NewOffice

pytestmark = pytest.mark.slow

GARBAGE = b"PAR1 this was a table once"


def outputs(office: Office, table: str) -> list[Path]:
    return [path for path in (office.data / "warehouse").rglob("*.parquet") if table in str(path)]


def damage_all(office: Office, table: str) -> None:
    for path in outputs(office, table):
        path.write_bytes(GARBAGE)


def make_odd_tables(office: Office, _table: str) -> None:
    folder = os.fsencode(office.data / "prompts")
    shutil.copy(office.data / "prompts" / "good.parquet", os.path.join(folder, b"caf\xe9.parquet"))  # noqa: PTH118
    (office.data / "prompts" / "half.parquet").write_bytes(GARBAGE)
    (office.data / "prompts" / "loop.parquet").symlink_to("loop.parquet")


@pytest.fixture
def office(new_office: NewOffice) -> Office:
    office = new_office()
    for name in ("good", "other"):
        office.add_table(name, {"prompt": [f"{name} {number}" for number in range(3)]})
    assert office.run("run", "other").code == 0
    return office


@pytest.mark.parametrize("hurt", [damage_all, make_odd_tables])
def test_a_good_run_is_a_good_run_whatever_has_become_of_others(
    office: Office, hurt: Callable[[Office, str], None]
) -> None:
    hurt(office, "other")
    run = office.run("run", "good")
    assert run.code == 0, run.said
    assert "Traceback" not in run.said
    assert "This is a fault" not in run.said
    assert office.statuses("good") == {"succeeded": 3}


def test_outputs_of_its_own_that_are_damaged_are_written_anew(office: Office) -> None:
    damage_all(office, "other")
    run = office.run("run", "other")
    assert run.code == 0, run.said
    assert "Bought nothing: everything that could be bought is already paid for." in run.out
    assert office.statuses("other") == {"succeeded": 3}


def test_status_tells_of_damaged_outputs_beside_what_it_knows(office: Office) -> None:
    damage_all(office, "other")
    status = office.run("status")
    assert status.code == 0
    assert "Outputs that cannot be read" in status.out
    assert "is damaged; materialize" in status.out
    assert "54" in status.out
