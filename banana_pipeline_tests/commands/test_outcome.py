"""Which failures of a run make its command fail, and in which words each is told."""

from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from banana_pipeline.commands.outcome import RunSummary, TableSummary, Told, not_written, writers
from banana_pipeline.core.failures import TableError
from banana_pipeline.core.shards import Shard
from banana_pipeline.defs.events import told_in_words
from banana_pipeline.store.outputs import Warehouse
from banana_pipeline.store.schemas import contract_schema

DECIDING = ["read_prompts", "buy_generations", "archive_images"]
SHOWN = ["gallery", "generation_report", "generations_every_row_is_terminal"]
FAULT = "This is a fault of banana_pipeline; please report it with what you did."


def told_of(errors: dict[str, BaseException]) -> Told:
    """A run whose steps fail like this."""

    def step(name: str, error: BaseException) -> dg.OpDefinition:
        @dg.op(name=name)
        def fail() -> None:
            with told_in_words():
                raise error

        return fail

    ops = [step(name, error) for name, error in errors.items()]

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        for op in ops:
            op()

    told = Told()
    told.listen(job.execute_in_process(raise_on_error=False))
    return told


def is_well(told: Told) -> bool:
    table = TableSummary(name="boats", rows_by_status={"succeeded": 1}, rows_rejected=0, credits=18.0, images=1)
    return RunSummary(tables=[table], errors=told.errors, notices=told.notices, is_stopped=told.is_stopped).is_well


@pytest.mark.parametrize("name", DECIDING)
def test_a_step_that_makes_rows_decides(name: str) -> None:
    told = told_of({name: TableError("Mend it.")})
    assert told.errors == ["Mend it."]
    assert not is_well(told)


def test_what_is_merely_shown_is_told_once_for_each_cause_and_changes_nothing() -> None:
    told = told_of(dict.fromkeys(SHOWN, TableError("A file of another table is damaged.")))
    assert told.errors == []
    (notice,) = told.notices
    assert notice.startswith("A file of another table is damaged. Not made anew because of it: ")
    assert all(name in notice for name in SHOWN)
    assert is_well(told)


def test_a_group_of_errors_is_told_as_its_sentences() -> None:
    group = ExceptionGroup("tasks", [TableError("Mend it."), ExceptionGroup("more", [ValueError("odd")])])
    assert told_of({"buy_generations": group}).errors == [f"Mend it. ValueError: odd. {FAULT}"]


@pytest.mark.parametrize(("error", "text"), [
    (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero."), (KeyError(), "KeyError."),
    (dg.DagsterInvariantViolationError("odd"), "DagsterInvariantViolationError: odd."),
])  # fmt: skip
def test_a_fault_keeps_the_name_of_its_kind(error: Exception, text: str) -> None:
    assert told_of({"archive_images": error}).errors == [f"{text} {FAULT}"]


def test_a_stop_is_a_stop_and_keeps_what_went_wrong_meanwhile() -> None:
    stop = BaseExceptionGroup("tasks", [dg.DagsterExecutionInterruptedError(), TableError("Mend it.")])
    told = told_of({"buy_generations": stop})
    assert told.is_stopped
    assert told.errors == ["Mend it."]


def test_rows_that_a_run_could_not_write_are_told_although_older_ones_stand_there(tmp_path: Path) -> None:
    warehouse = Warehouse(UPath(tmp_path))
    rows = contract_schema("generations").empty_table()
    ours, older, missing, others = (Shard(table="boats", index=index) for index in range(4))
    warehouse.write("generations", older, rows, {"run_id": "earlier"})
    before = writers(warehouse, [ours, older, missing, others])
    warehouse.write("generations", ours, rows, {"run_id": "this"})
    warehouse.write("generations", others, rows, {"run_id": "a command beside it"})
    after = writers(warehouse, [ours, older, missing, others])
    (sentence,) = not_written(before, after, ["this"])
    assert sentence.startswith("The rows of boats.0001, boats.0002 could not be written by this run.")
    assert not_written({}, {ours: "this"}, ["this"]) == []
