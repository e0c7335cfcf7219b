"""Values in a prompt as a person writes them; each for itself, so that no other row can change what is bought."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.templates import Unwritable, as_written


@pytest.mark.parametrize(("value", "text"), [
    (3, "3"), (3.0, "3"), (-3.0, "-3"), (0.0, "0"), (-0.0, "0"), (2024.0, "2024"), (1e7, "10000000"), (0.1, "0.1"),
    (1e20, "100000000000000000000"), (0.00001, "0.00001"), (1.5e-7, "0.00000015"), (1e300, "1e+300"), (2.5, "2.5"),
    (10**30, "1" + "0" * 30), (Decimal("1.50"), "1.50"), (Decimal("1E+3"), "1000"), (Decimal("0E-3"), "0.000"),
    (True, "True"), ("3.0", "3.0"), (" rose ", " rose "),
    (date(2026, 12, 24), "2026-12-24"), (datetime(2026, 12, 24), "2026-12-24"),  # noqa: DTZ001
    (datetime(2026, 12, 24, tzinfo=timezone(timedelta(hours=1))), "2026-12-24"),
    (datetime(2026, 12, 24, 18, 30, tzinfo=UTC), "2026-12-24 18:30:00+00:00"), (time(18, 30), "18:30:00"),
    (timedelta(minutes=90), "1:30:00"), (timedelta(seconds=-5), "-0:00:05"),
    (["rose", "lily"], "rose, lily"), ([3.0, 0.5], "3, 0.5"), (["rose"], "rose"),
])  # fmt: skip
def test_a_value_is_written_as_a_person_would(value: Any, text: str):
    assert as_written(value) == text


@pytest.mark.parametrize(("value", "words"), [
    (None, "is empty"), ("", "is empty"), (" ", "is empty"), (float("nan"), "is empty"), ([], "is empty"),
    (float("inf"), "infinite"), (Decimal("NaN"), "infinite"), (b"rose", "raw bytes"), ({"a": 1}, "struct"),
    ([["a"]], "list of lists"), (["a", None], "one entry is empty"), (["nan"], "'nan'"), ("caf\ufffd", "broken"),
    (object(), "cannot be written"), (Unwritable(reason="is odd"), "is odd"),
])  # fmt: skip
def test_a_value_that_no_prompt_can_hold_has_a_reason(value: Any, words: str):
    written = as_written(value)
    assert isinstance(written, Unwritable)
    assert words in written.reason


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_written_with_all_its_digits(value: float):
    assert float(str(as_written(value))) == value


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_written_alike_as_integer_and_as_float(value: int):
    assert as_written(float(value)) == as_written(value)
