"""What each answer means for money: every row of the protocol reference's sections 2, 3 and 7, as wire literals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banana_pipeline.core.failures import (
    Ambiguous,
    Created,
    FetchMeaning,
    Refusal,
    Refused,
    TaskFailure,
    create_meaning,
    fetch_meaning,
    strange_create_meaning,
    task_failure,
)

_NOT_CREATED = [
    (401, "You do not have access permissions", Refusal.KEY),
    (401, "Unauthorized – Authentication failed. Please check your key", Refusal.KEY),
    (402, "The current credits are insufficient. Please top up.", Refusal.CREDITS),
    (402, "Credits insufficient", Refusal.CREDITS),
    (403, "error code: 1010", Refusal.KEY),
    (422, "The model name you specified is not supported. Please verify the model", Refusal.PARAMETERS),
    (404, "The model name you specified is not supported. Please verify the model", Refusal.PARAMETERS),
    (422, "seconds must be one of 5, 10", Refusal.PARAMETERS),
    (400, "malformed JSON", Refusal.PARAMETERS),
    (500, "This field is required", Refusal.PARAMETERS),
    (500, "prompt is required", Refusal.PARAMETERS),
    (500, "aspect_ratio is not within the range of allowed options", Refusal.PARAMETERS),
    (500, "The text length cannot exceed the maximum limit", Refusal.PARAMETERS),
    (500, "File type not supported", Refusal.PARAMETERS),
    (429, "Your call frequency is too high. Please try again later.", Refusal.RATE),
    (429, "Rate limit exceeded", Refusal.RATE),
    (433, "usage cap", Refusal.KEY_CAP),
    (455, "maintenance", Refusal.MAINTENANCE),
    (505, "feature disabled", Refusal.DISABLED),
]
_MAYBE_CREATED = [
    (500, "Server exception, please try again later"),
    (500, "The server is currently being maintained, please try again later~"),
    (500, "Internal Error, Please try again later."),
    (500, ""),
    (200, "success"),
    (408, "no result for over 10 minutes"),
    (501, "generation failed"),
    (531, ""),
    (451, "could not download"),
    (502, "<html>Bad Gateway</html>"),
    (504, "<html>Gateway Time-out</html>"),
    (302, "moved"),
    (None, ""),
]


@pytest.mark.parametrize(("code", "msg", "why"), _NOT_CREATED)
def test_a_refusal_of_the_reference_is_a_refusal(code: int, msg: str, why: Refusal) -> None:
    assert create_meaning(code=code, msg=msg, task_id=None) == Refused(why=why, code=code, msg=msg)


@pytest.mark.parametrize(("code", "msg"), _MAYBE_CREATED)
def test_what_may_have_been_created_is_ambiguous(code: int | None, msg: str) -> None:
    assert isinstance(create_meaning(code=code, msg=msg, task_id=None), Ambiguous)


@given(code=st.none() | st.integers(), msg=st.text(), retry=st.none() | st.floats())
def test_without_a_task_id_nothing_was_created(code: int | None, msg: str, retry: float | None) -> None:
    outcome = create_meaning(code=code, msg=msg, task_id=None, retry_after_s=retry)
    assert isinstance(outcome, Refused | Ambiguous)


@given(code=st.none() | st.integers(0, 999), msg=st.text() | st.sampled_from([row[1] for row in _NOT_CREATED]))
def test_an_answer_with_a_task_id_is_never_called_refused(code: int | None, msg: str) -> None:
    assert create_meaning(code=code, msg=msg, task_id="abc") == Created(task_id="abc")


@given(code=st.integers(500, 599).filter(lambda code: code != 505), msg=st.text())
def test_a_server_error_without_a_validation_text_is_never_refused(code: int, msg: str) -> None:
    words = ("is required", "allowed options", "exceed the maximum", "file type not supported")
    if code != 500 or not any(word in msg.lower() for word in words):
        assert isinstance(create_meaning(code=code, msg=msg, task_id=None), Ambiguous)


@pytest.mark.parametrize("code", [501, 502, 503, 504, 531, 599])
def test_a_validation_text_counts_only_with_code_500(code: int) -> None:
    assert isinstance(create_meaning(code=code, msg="This field is required", task_id=None), Ambiguous)


@pytest.mark.parametrize(
    ("code", "has_record", "meaning"),
    [
        (200, True, FetchMeaning.RECORD),
        (200, False, FetchMeaning.NOT_KNOWN),
        (422, False, FetchMeaning.NOT_KNOWN),
        (404, False, FetchMeaning.NOT_KNOWN),
        (401, False, FetchMeaning.KEY),
        (403, False, FetchMeaning.KEY),
        (408, False, FetchMeaning.TASK_OVER),
        (501, False, FetchMeaning.TASK_OVER),
        *((code, False, FetchMeaning.TRY_AGAIN) for code in (400, 429, 433, 455, 500, 502, 504, 505, 531, 302, None)),
    ],
)
def test_each_answer_to_a_query_has_its_meaning(code: int | None, has_record: bool, meaning: FetchMeaning) -> None:
    assert fetch_meaning(code=code, has_record=has_record) is meaning


_CODES = st.none() | st.integers() | st.sampled_from([200, 401, 404, 408, 422, 501])


@given(code=_CODES)
def test_a_task_is_over_only_by_the_two_codes_that_say_so(code: int | None) -> None:
    assert (fetch_meaning(code=code, has_record=False) is FetchMeaning.TASK_OVER) == (code in {408, 501})


@given(code=_CODES)
def test_a_record_counts_whatever_code_stands_beside_it(code: int | None) -> None:
    assert fetch_meaning(code=code, has_record=True) is FetchMeaning.RECORD


@given(code=_CODES)
def test_nobody_but_kie_says_that_a_task_is_over_or_not_known(code: int | None) -> None:
    meaning = fetch_meaning(code=code, has_record=False, is_kies_own=False)
    assert meaning in {FetchMeaning.TRY_AGAIN, FetchMeaning.KEY}


TURNED_AWAY = {400, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 422, 426, 431}
OTHERS = {401: Refusal.KEY, 402: Refusal.CREDITS, 429: Refusal.RATE, 433: Refusal.KEY_CAP, 455: Refusal.MAINTENANCE}


@pytest.mark.parametrize("status", range(100, 600))
@pytest.mark.parametrize("is_whole", [True, False])
def test_an_order_that_a_stranger_answered_is_refused_only_by_what_turns_it_away(status: int, is_whole: bool) -> None:
    outcome = strange_create_meaning(http_status=status, told=f"HTTP {status}", is_whole=is_whole)
    if status in TURNED_AWAY:
        assert outcome == Refused(why=Refusal.NOT_KIE, code=None, msg=f"HTTP {status}")
    elif status in OTHERS:
        assert outcome == Refused(why=OTHERS[status], code=status, msg=f"HTTP {status}")
    else:
        assert isinstance(outcome, Ambiguous)
        # The next order would meet the same page or redirect; a gateway's bad moment passes.
        assert outcome.is_not_kie == (status // 100 == 3 or (status < 300 and is_whole))


_UNDRAWABLE = "Gemini could not generate an image with the given prompt. Please try again with a different prompt."


@pytest.mark.parametrize(
    ("code", "msg", "why"),
    [
        ("500", "Internal Error, Please try again later.", TaskFailure.TRANSIENT),
        ("500", "the server is busy", TaskFailure.TRANSIENT),
        ("500", "Internal server error", TaskFailure.TRANSIENT),
        ("500", None, TaskFailure.TRANSIENT),
        ("500", _UNDRAWABLE, TaskFailure.PROMPT),
        ("400", "Image fetch failed. Check access settings or use our File Upload API instead.", TaskFailure.INPUT),
        ("400", "Your prompt could not be processed", TaskFailure.POLICY),
        ("400", "This may violate Google's content policies", TaskFailure.POLICY),
        ("400", "Request blocked: it was flagged by Google safety review", TaskFailure.POLICY),
        ("422", "Input flagged as sensitive. Please try again with different inputs.", TaskFailure.POLICY),
        ("422", "Invalid prompt: prompt contains prohibited content", TaskFailure.POLICY),
        ("400", "Content was flagged by the safety system. Change it.", TaskFailure.POLICY),
        ("422", "Content was flagged by the safety system. Change it.", TaskFailure.POLICY),
        ("500", "Content was flagged by the safety system. Change it.", TaskFailure.POLICY),
        ("500", "Your prompt was caught by our AI moderator. Please adjust it", TaskFailure.POLICY),
        ("408", "opaque", TaskFailure.OPAQUE),
        ("501", "", TaskFailure.OPAQUE),
        ("GENERATION_FAILED", "generation failed", TaskFailure.OPAQUE),
        (None, None, TaskFailure.OPAQUE),
    ],
)
def test_each_failure_of_a_task_has_its_class(code: str | None, msg: str | None, why: TaskFailure) -> None:
    assert task_failure(fail_code=code, fail_msg=msg) is why


@given(fail_code=st.none() | st.text(), fail_msg=st.none() | st.text())
def test_no_failure_is_too_strange_for_a_class(fail_code: str | None, fail_msg: str | None) -> None:
    assert task_failure(fail_code=fail_code, fail_msg=fail_msg) in TaskFailure


def test_only_what_a_person_must_fix_stops_the_whole_account() -> None:
    stops = {why for why in Refusal if why.is_account_wide}
    assert stops == {Refusal.KEY, Refusal.CREDITS, Refusal.KEY_CAP, Refusal.DISABLED, Refusal.NOT_KIE}
    assert not stops & {why for why in Refusal if why.is_passing}
    assert not Refusal.PARAMETERS.is_passing
