"""A run whose output cannot be shown goes on to its end: everything is bought once, archived and written."""

import pytest

from banana_pipeline.store.schemas import IMAGES
from banana_pipeline_tests.e2e.command import BANANA, ended
from banana_pipeline_tests.e2e.conftest import NewOffice

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "shell",
    [
        "{} | head -1; exit ${{PIPESTATUS[0]}}",
        "{} >&- 2>&-",
        "{} >/dev/full 2>/dev/full",
        "{} 2>&1 | cat; exit ${{PIPESTATUS[0]}}",
    ],
    ids=["reader leaves", "closed", "full", "ascii pipe"],
)
def test_a_run_that_nobody_reads_goes_on_to_its_end(new_office: NewOffice, shell: str) -> None:
    office = new_office()
    office.add_table("été", {"prompt": [*(f"雨 boat {number}" for number in range(5)), "[fail:policy] 雨"]})
    command = shell.format(f"'{BANANA}' run été")
    run = ended(office.start_program(["/bin/bash", "-c", command], PYTHONIOENCODING="ascii"))
    assert run.code == 1, run.said
    assert "Traceback" not in run.said
    assert "Exception ignored" not in run.said
    assert office.statuses("été") == {"succeeded": 5, "failed": 1}
    assert office.outputs(IMAGES, "été").num_rows == 5
