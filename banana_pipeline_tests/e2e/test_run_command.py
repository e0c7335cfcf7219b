"""`banana run` from end to end: the installed command, real processes, files on disk, judged by the emulator's books.

Here: a whole table, broken rows, Ctrl-C, kill -9, two commands at once, and that the key is written nowhere.
Not here: wrong usage (test_run_usage), the driver by itself (drivers).
"""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from banana_pipeline.emulator import Faults
from banana_pipeline.store.own_columns import unpacked
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, contract_schema
from banana_pipeline_tests.e2e.command import KEY, Ended, Office, ended, kill_group, wait_until
from banana_pipeline_tests.e2e.conftest import NewOffice, open_office
from banana_pipeline_tests.e2e.prompts import every_kind_of_prompt

pytestmark = pytest.mark.slow

PIXELS = {"1:1": (1024, 1024), "16:9": (1376, 768), "9:16": (768, 1376), "4:5": (928, 1152)}
TABLE = "every kind"


def boats(count: int) -> dict[str, list[str]]:
    return {"prompt": [f"boat {number}" for number in range(count)]}


@dataclass(frozen=True, kw_only=True)
class WholeTable:
    """Sixty rows, run once and run again."""

    office: Office
    first: Ended
    books_after_first: dict[str, object]
    second: Ended


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeTable]:
    with ExitStack() as stack:
        office = open_office(stack, tmp_path_factory.mktemp("whole"))
        office.add_table(TABLE, every_kind_of_prompt())
        first = office.run("run", TABLE)
        books = office.books
        second = office.run("run", TABLE)
        yield WholeTable(office=office, first=first, books_after_first=books, second=second)


def test_a_whole_table_ends_well(whole: WholeTable) -> None:
    assert whole.first.code == 0, whole.first.said
    assert whole.office.statuses(TABLE) == {"succeeded": 60}


def test_the_outputs_have_one_row_per_request_in_the_tables_order(whole: WholeTable) -> None:
    given = every_kind_of_prompt()
    for asset in (GENERATIONS, IMAGES):
        assert whole.office.outputs(asset, TABLE)["id"].to_pylist() == given["id"]


@pytest.mark.parametrize("asset", [GENERATIONS, IMAGES])
def test_the_outputs_have_the_promised_columns(whole: WholeTable, asset: str) -> None:
    assert whole.office.outputs(asset, TABLE).schema.equals(contract_schema(asset))


def test_the_tables_own_columns_are_carried_through_unchanged(whole: WholeTable) -> None:
    given, found = every_kind_of_prompt(), unpacked(whole.office.outputs(IMAGES, TABLE))
    assert all(found[name].to_pylist() == given[name] for name in ("campaign", "budget_eur", "tags"))


def test_prompts_reach_kie_and_the_outputs_byte_for_byte(whole: WholeTable) -> None:
    given = every_kind_of_prompt()["prompt"]
    sold = {task["task_id"]: task["input"]["prompt"] for task in whole.office.tasks}
    found = whole.office.outputs(GENERATIONS, TABLE)
    assert found["prompt"].to_pylist() == given
    assert [sold[task_id] for task_id in found["task_id"].to_pylist()] == given


def test_every_row_has_an_archived_picture_of_the_size_it_asked_for(whole: WholeTable) -> None:
    for row in whole.office.outputs(IMAGES, TABLE).to_pylist():
        with Image.open(row["image_path"]) as image:
            assert image.size == (row["width_px"], row["height_px"]) == PIXELS[row["aspect_ratio"]]
            assert row["image_format"] == row["output_format"]


def test_the_credits_in_the_outputs_are_those_kie_took(whole: WholeTable) -> None:
    credits_told = sum(whole.office.outputs(GENERATIONS, TABLE)["credits"].to_pylist())
    assert credits_told == whole.office.books["credits"]["spent"] == 60 * 18


def test_running_again_buys_and_downloads_nothing(whole: WholeTable) -> None:
    books = whole.office.books
    assert whole.second.code == 0, whole.second.said
    assert [books[name] for name in ("tasks", "credits", "downloads")] == [
        whole.books_after_first[name] for name in ("tasks", "credits", "downloads")
    ]


def test_the_key_is_nowhere_after_a_good_run(whole: WholeTable) -> None:
    assert whole.office.files_with_the_key() == []
    assert KEY not in whole.first.said + whole.second.said


def test_good_rows_are_made_each_bad_one_is_told_and_the_key_is_nowhere(new_office: NewOffice) -> None:
    """Bad rows of every kind, answers that get lost, polls and downloads that fail: one run and the next."""
    office = new_office(faults=Faults(poll_html_502_share=0.1, download_html_502_share=0.1), max_prompt_chars=200)
    good = [f"boat {number}" for number in range(12)]
    bad = ["", "  ", None, "x" * 10_001]
    unlucky = ["[fail:policy] boat", "[fault:lost_answer] boat", "[fail:noresult] boat", "y" * 201]
    prompts = [*good, *bad, *unlucky, "of an unknown size"]
    office.add_table("mixed", {"prompt": prompts, "resolution": [*["1K"] * 20, "8K"]})
    for _ in range(2):
        run = office.run("run", "mixed")
        assert run.code == 1
        assert "Traceback" not in run.said
        assert KEY not in run.said
    assert all(f"row {number}" in run.out for number in range(12, 21))
    assert office.statuses("mixed") == {"succeeded": 12, "failed": 2, "unconfirmed": 1, "refused": 1}
    assert office.outputs("rejected_prompts", "mixed")["row_number"].to_pylist() == [12, 13, 14, 15, 20]
    assert office.books["tasks"] == 15
    assert office.books["paid_twice"]["extra_tasks"] == 0
    assert office.files_with_the_key() == []


def test_a_stopped_command_writes_its_outputs_and_the_last_one_finishes(new_office: NewOffice) -> None:
    """Stopped by Ctrl-C at a third, by SIGTERM at two thirds, and then run to the end."""
    office = new_office(latency_s=(1.0, 2.0))
    office.add_table("stopped", boats(60))
    for number, tasks in ((signal.SIGINT, 20), (signal.SIGTERM, 40)):
        process = office.start("run", "stopped")
        wait_until(lambda tasks=tasks: office.books["tasks"] >= tasks, process)
        process.send_signal(number)
        stopped = ended(process, timeout_s=20)
        assert stopped.code == 1, stopped.said
        assert stopped.seconds < 10
        assert "Traceback" not in stopped.said
        assert sum(office.statuses("stopped").values()) == 60
        assert office.books["tasks"] < 60
    assert office.run("run", "stopped").code == 0
    assert office.statuses("stopped") == {"succeeded": 60}
    assert office.books["tasks_by_input"] == {"inputs": 60, "max": 1}


def test_killed_three_times_and_nothing_is_paid_twice(new_office: NewOffice) -> None:
    office = new_office(latency_s=(0.5, 1.0), answer_delay_s=0.2)
    office.add_table("killed", boats(90))
    in_flight = 0
    for target in (10, 30, 50):
        process = office.start("run", "killed")
        wait_until(lambda target=target: office.books["tasks"] >= target, process)
        time.sleep(random.random() * 0.3)
        kill_group(process)
        time.sleep(0.3)  # the emulator's last answers leave
        in_flight += office.states().get("submitting", 0)
        office.let_claims_run_out()
    last = office.run("run", "killed")
    assert "Traceback" not in last.said
    statuses = office.statuses("killed")
    assert office.books["paid_twice"]["extra_tasks"] == 0
    assert statuses.get("unconfirmed", 0) <= in_flight
    assert statuses["succeeded"] == 90 - statuses.get("unconfirmed", 0)
    assert last.code == (1 if statuses.get("unconfirmed") else 0)


def test_two_commands_on_one_table_buy_each_request_once(new_office: NewOffice) -> None:
    office = new_office(latency_s=(0.5, 1.0))
    office.add_table("shared", boats(60))
    both = [ended(process) for process in [office.start("run", "shared") for _ in range(2)]]
    assert [one.code for one in both] == [0, 0], both
    assert office.statuses("shared") == {"succeeded": 60}
    assert office.books["tasks_by_input"] == {"inputs": 60, "max": 1}
    assert [Path(path).is_file() for path in office.outputs(IMAGES, "shared")["image_path"].to_pylist()] == [True] * 60
