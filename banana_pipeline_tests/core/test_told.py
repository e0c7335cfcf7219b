"""Errors and names as a person reads them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.failures import LedgerError, ReadFailed, TableError
from banana_pipeline.core.told import fault, one_line, printable, sentences_of

FAULT = "This is a fault of banana_pipeline; please report it with what you did."


def test_a_group_is_told_as_its_sentences_each_once() -> None:
    lost = LedgerError("The ledger is gone; put it back.")
    group = ExceptionGroup("tasks", [lost, ExceptionGroup("more", [TableError("No table; add one."), lost])])
    assert sentences_of(group) == ["The ledger is gone; put it back.", "No table; add one."]


def test_tasks_that_were_only_cancelled_say_nothing() -> None:
    group = BaseExceptionGroup("tasks", [asyncio.CancelledError(), KeyboardInterrupt(), ReadFailed("no answer")])
    assert sentences_of(group) == ["no answer"]


@pytest.mark.parametrize(("error", "told"), [
    (ValueError("a\nb"), f"ValueError: a b. {FAULT}"), (KeyError(), f"KeyError. {FAULT}"),
    (OSError(28, "No space left on device", "/data/\udcff"), "No space left on device (/data/\\udcff)."),
])  # fmt: skip
def test_what_is_no_error_of_ours_keeps_its_kind(error: Exception, told: str) -> None:
    assert sentences_of(error) == [told]


def test_a_class_that_is_named_already_is_not_named_twice() -> None:
    assert fault("ArrowInvalid", "ArrowInvalid: bad bytes") == f"ArrowInvalid: bad bytes. {FAULT}"


def test_letters_of_every_language_and_emoji_stay() -> None:
    assert printable("été 雨\u3000👩‍🎨 أهلا") == "été 雨\u3000👩‍🎨 أهلا"


def test_what_a_terminal_obeys_becomes_visible() -> None:
    assert printable("a\x1b[2J\r\n\u202eb") == "a\\x1b[2J\\r\\n\\u202eb"


@given(st.text(st.characters(codec=None)))
def test_every_text_becomes_one_line_that_can_be_stored(text: str) -> None:
    assert one_line(text).encode().decode() == one_line(text)
    assert len(one_line(text).splitlines()) <= 1
