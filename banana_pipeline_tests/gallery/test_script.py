"""Data files hold strangers' text: whatever it is, it arrives unchanged and ends nothing."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from banana_pipeline.gallery.script import call
from banana_pipeline_tests.gallery.scene import parsed

TEXTS = st.text(st.characters(), max_size=200)  # of all characters, also lone surrogates
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
@example("</script><script>alert(1)</script>")
@example("<!-- <script> ]]> --!>")
@example("\u2028\u2029\x00\x7f\ufeff\ud800")
@example('");alert(1);("')
def test_any_value_arrives_unchanged(value: Any) -> None:
    assert parsed(call({"value": value})) == {"value": value}


@given(VALUES)
@example("</script>")
def test_nothing_in_a_file_can_end_a_script_or_begin_a_tag(value: Any) -> None:
    script = call(value)
    assert not set(b"<>&") & set(script)
    assert script.isascii()
    assert script.count(b"\n") == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_lacks_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        call([number])


def test_a_file_is_one_call() -> None:
    assert call({"kind": "rows"}) == b'bananaGallery({"kind":"rows"});\n'
    assert json.loads(call("\u00e9")[14:-3]) == "\u00e9"
