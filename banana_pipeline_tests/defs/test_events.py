"""Errors of concurrent tasks, as a step of Dagster tells them."""

import asyncio

import dagster as dg
import pytest

from banana_pipeline.core.failures import LedgerError, SettingsError
from banana_pipeline.defs.events import told_in_words

MISTAKE, OTHER = SettingsError("Set A."), LedgerError("Mend B.")


def told(error: BaseException) -> BaseException:
    with pytest.raises(BaseException) as raised, told_in_words():  # noqa: PT011
        raise error
    return raised.value


@pytest.mark.parametrize(("group", "sentences"), [
    (ExceptionGroup("tasks", [MISTAKE, OTHER, MISTAKE]), "Set A. Mend B."),
    (BaseExceptionGroup("tasks", [ExceptionGroup("more", [OTHER]), asyncio.CancelledError()]), "Mend B."),
])  # fmt: skip
def test_a_group_of_mistakes_fails_the_step_with_each_sentence_and_no_retries(
    group: BaseException, sentences: str
) -> None:
    failure = told(group)
    assert isinstance(failure, dg.Failure)
    assert (failure.description, failure.allow_retries) == (sentences, False)


def test_a_fault_among_mistakes_is_named_and_may_be_tried_again() -> None:
    failure = told(ExceptionGroup("tasks", [MISTAKE, ValueError("odd")]))
    assert isinstance(failure, dg.Failure)
    assert (failure.description or "").startswith("Set A. ValueError: odd. This is a fault")
    assert failure.allow_retries


@pytest.mark.parametrize("stop", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
def test_a_stop_inside_a_group_stops_the_step_and_keeps_what_went_wrong(stop: type[BaseException]) -> None:
    stopped = told(BaseExceptionGroup("tasks", [OTHER, BaseExceptionGroup("more", [stop()])]))
    assert type(stopped) is stop
    assert str(stopped) == "Mend B."


def test_a_single_error_that_is_no_mistake_passes_through() -> None:
    error = ValueError("odd")
    assert told(error) is error
