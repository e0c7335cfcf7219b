"""Callback signatures: the formula, and what counts as genuine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.emulator import courier
from banana_pipeline.kie.signature import is_fresh, is_genuine, signature

KEY, TASK, TIMESTAMP = "whsec_demo_key", "f23dc0faa81bda75e5a7a20e572a507b", "1769670760"
SIGNED = "3AglcVsUUDg6vLaJXanH0rc2KjmlpUb+tzzp8b349nU="
NOW_S = 1_769_670_760.0


def genuine(**changes: object) -> bool:
    given = {"task_id": TASK, "timestamp": TIMESTAMP, "given": SIGNED, "now_s": NOW_S, **changes}
    return is_genuine(KEY, **given)  # type: ignore[arg-type]


def test_the_signature_agrees_with_the_reference_vector() -> None:
    assert signature(KEY, TASK, TIMESTAMP) == SIGNED


@given(key=st.text(), task_id=st.text(), timestamp=st.text())
def test_the_signature_agrees_with_the_service_on_every_text(key: str, task_id: str, timestamp: str) -> None:
    assert signature(key, task_id, timestamp) == courier.signature(key, task_id, timestamp)


def test_a_signature_made_with_the_key_just_now_is_genuine() -> None:
    assert genuine()


@pytest.mark.parametrize(
    "change",
    [{"task_id": TASK[:-1] + "c"}, {"timestamp": "1769670761"}, {"given": SIGNED.lower()}, {"given": ""}],
    ids=["another task", "another time", "other letters", "nothing"],
)
def test_a_signature_of_anything_else_is_not_genuine(change: dict[str, str]) -> None:
    assert not genuine(**change)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_signature_may_be_five_minutes_old_or_early(seconds: float) -> None:
    assert genuine(now_s=NOW_S + seconds)


@pytest.mark.parametrize("seconds", [-300.5, 300.5])
def test_a_signature_beyond_five_minutes_is_not_genuine(seconds: float) -> None:
    assert not genuine(now_s=NOW_S + seconds)


def test_the_tolerance_is_an_argument() -> None:
    assert not genuine(now_s=NOW_S + 11, tolerance_s=10.0)


@pytest.mark.parametrize("text", ["", " 1769670760", "1769670760.0", "-1", "١٧٦٩٦٧٠٧٦٠", "9" * 5_000, "soon"])
def test_only_plain_digits_are_a_time(text: str) -> None:
    assert not is_fresh(text, now_s=NOW_S, tolerance_s=float("inf"))


_ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(key=_ANY_TEXT, task_id=_ANY_TEXT, timestamp=_ANY_TEXT | st.just(TIMESTAMP), given=_ANY_TEXT)
def test_no_text_whatsoever_makes_the_question_fail(key: str, task_id: str, timestamp: str, given: str) -> None:
    assert not is_genuine(key, task_id=task_id, timestamp=timestamp, given=given, now_s=NOW_S)
