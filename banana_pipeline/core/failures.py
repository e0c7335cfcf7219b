"""The error tree, and what each answer of KIE means for money.

Lives here: the exceptions this package raises, and pure functions that turn an answer (numbers and texts) into a
meaning. Does not live here: HTTP, JSON (``kie.wire`` reads those), and what to do next (``generate`` decides that).

    BananaError
    ├── UserError               a person can fix it; the text says how; shown without a traceback
    │   ├── SettingsError
    │   ├── TableError
    │   └── LedgerError
    ├── KieError                a read (query, upload, download, credit) that did not work
    │   ├── KeyRefused          401/403: nothing can be sent with this key
    │   │   └── LockedOut       nor with another: it was not KIE that said so
    │   └── ReadFailed          anything else; retrying is harmless, reads are free
    │       ├── Unreachable     no connection could be made
    │       ├── NotKie          something answered, and it was not KIE's API
    │       ├── Gone            it is not there (any more)
    │       └── ForbiddenAddress (kie.downloads)  a picture's address that is never asked
    └── IllegalTransition       a bug: an attempt was moved along an arrow that does not exist

The outcome of a *paid* POST is never an exception but a value (`CreateOutcome`): three kinds, and no fourth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class BananaError(Exception):
    """Root of every error this package raises."""


class UserError(BananaError):
    """Something a person can fix. The text is one plain sentence that says what to do."""


class SettingsError(UserError):
    """An environment variable or option is missing or cannot be used."""


class TableError(UserError):
    """A prompt table cannot be read, or would be read in a way its author did not mean."""


class LedgerError(UserError):
    """The ledger cannot be opened, written or understood. No POST is sent without it."""


class KieError(BananaError):
    """A free call to KIE did not work."""


class KeyRefused(KieError):
    """KIE does not accept the key (401 or 403)."""


class LockedOut(KeyRefused):
    """403, and not in KIE's form: something before the API lets nobody in."""


class ReadFailed(KieError):
    """A free call failed for a reason that may pass: network, 429, 455, 5xx, HTML."""


class Unreachable(ReadFailed):
    """The service could not even be connected to."""


class NotKie(ReadFailed):
    """Something answered that is not KIE's API: a web page, a login, a gateway on the way, another service."""


class Gone(ReadFailed):
    """What was asked for is not there. ``code``: the answer, such as 404.

    ``is_kies_own``: KIE itself says so. Otherwise a gateway or a portal on the way may have spoken.
    """

    def __init__(self, text: str, *, code: int, is_kies_own: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.is_kies_own = is_kies_own


class IllegalTransition(BananaError):
    """An attempt was asked to move along an arrow that its state machine does not have."""


class Refusal(StrEnum):
    """Why KIE certainly made no task (protocol reference, sections 2 and 7)."""

    RATE = "rate_limited"
    KEY = "key_refused"
    CREDITS = "no_credits"
    KEY_CAP = "key_usage_cap"
    MAINTENANCE = "maintenance"
    PARAMETERS = "bad_parameters"
    DISABLED = "feature_disabled"
    NOT_SENT = "not_sent"
    NOT_KIE = "not_kie"  # what stands at the address, or before it, is not KIE's API: no prompt is guilty of that

    @property
    def is_account_wide(self) -> bool:
        """True when no other request of this account can succeed either, until a person acts."""
        return self in {Refusal.KEY, Refusal.CREDITS, Refusal.KEY_CAP, Refusal.DISABLED, Refusal.NOT_KIE}

    @property
    def is_passing(self) -> bool:
        """True when the same request may be sent again after a pause, without a person."""
        return self in {Refusal.RATE, Refusal.MAINTENANCE, Refusal.NOT_SENT}


@dataclass(frozen=True, kw_only=True)
class Created:
    """KIE made a task. From here on it is paid, whatever happens to us."""

    task_id: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """KIE certainly made no task; nothing was charged."""

    why: Refusal
    code: int | None
    msg: str
    retry_after_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ambiguous:
    """The POST's fate is unknown: a task may exist and be charged. A machine never sends it again.

    ``named_task_id``: an id that the answer names elsewhere than KIE does; the task's, if its record proves it.
    ``is_not_kie``: the answer was a whole one, and not KIE's: the next order would meet the same.
    """

    reason: str
    named_task_id: str | None = None
    is_not_kie: bool = False


CreateOutcome = Created | Refused | Ambiguous


class FetchMeaning(StrEnum):
    """What an answer of recordInfo says about the task (protocol reference, section 3)."""

    RECORD = "record"
    NOT_KNOWN = "not_known"
    TASK_OVER = "task_over"
    KEY = "key_refused"
    TRY_AGAIN = "try_again"


class TaskFailure(StrEnum):
    """Why a task ended without a picture (protocol reference, section 7, task failures)."""

    TRANSIENT = "transient"
    INPUT = "input_not_reachable"
    POLICY = "policy"
    PROMPT = "prompt_not_drawable"
    OPAQUE = "unknown_reason"

    @property
    def may_be_bought_again(self) -> bool:
        """True when a new task for the same request can reasonably succeed."""
        return self in {TaskFailure.TRANSIENT, TaskFailure.INPUT, TaskFailure.OPAQUE}


_REFUSED_BY_CODE = {
    400: Refusal.PARAMETERS,
    401: Refusal.KEY,
    402: Refusal.CREDITS,
    403: Refusal.KEY,
    404: Refusal.PARAMETERS,
    405: Refusal.PARAMETERS,
    413: Refusal.PARAMETERS,
    415: Refusal.PARAMETERS,
    422: Refusal.PARAMETERS,
    429: Refusal.RATE,
    433: Refusal.KEY_CAP,
    455: Refusal.MAINTENANCE,
    505: Refusal.DISABLED,
}

# With these a gateway, a proxy or another service says that it will not pass the request on or cannot serve it: no task
# was made. 408, 409, 425 and all others may be said after KIE has seen the order.
_TURNED_AWAY = frozenset({400, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 422, 426, 431})
_PAGE = re.compile(r"\s*<(!doctype|!--|\?xml|html|head|title|body)\b", re.IGNORECASE)

# Code 500 is used both for a bad parameter (nothing made) and for an internal failure (anything possible). Only the
# wire texts of section 2 prove the first; every other text stays ambiguous, because a wrong guess costs money.
_VALIDATION_TEXT = re.compile(
    r"is required|not within the range of allowed options|exceed the maximum (limit|length)|file type not supported",
    re.IGNORECASE,
)
_TRANSIENT_TEXT = re.compile(r"internal (server )?error|server is busy|try again later", re.IGNORECASE)
_INPUT_TEXT = re.compile(r"image fetch failed|could not (fetch|download)", re.IGNORECASE)
_UNDRAWABLE_TEXT = re.compile(r"could not generate an image with the given prompt", re.IGNORECASE)
_POLICY_TEXT = re.compile(
    r"nsfw|moderat|sensitive|safety|content.?polic|violat|prohibit|flagged|could not be processed", re.IGNORECASE
)


def create_meaning(
    *, code: int | None, msg: str, task_id: str | None, retry_after_s: float | None = None
) -> CreateOutcome:
    """What an answer to createTask means.

    Args:
        code: the body's ``code``, or the HTTP status where the body is not JSON; None where there is neither.
        msg: the body's ``msg`` or ``message``, or a short extract of a body that is not JSON.
        task_id: ``data.taskId`` if present.
        retry_after_s: ``Retry-After`` in seconds, if the answer had one.
    """
    if task_id:
        return Created(task_id=task_id)  # whatever else it says: an order with a task is not "certainly not made"
    if code == 200:
        return Ambiguous(reason="answer 200 without a task id")
    if code == 500 and _VALIDATION_TEXT.search(msg):
        return Refused(why=Refusal.PARAMETERS, code=code, msg=msg)
    refusal = _REFUSED_BY_CODE.get(code) if code is not None else None
    if refusal is Refusal.PARAMETERS and _is_about_the_address(code, msg):
        refusal = Refusal.NOT_KIE
    if refusal is not None:
        return Refused(why=refusal, code=code, msg=msg, retry_after_s=retry_after_s)
    return Ambiguous(reason=f"answer {code if code is not None else 'unreadable'}: {msg or 'no text'}")


def strange_create_meaning(
    *, http_status: int, told: str, is_whole: bool, retry_after_s: float | None = None
) -> CreateOutcome:
    """What an answer to createTask means that is not in KIE's form (and names no task): somebody else has spoken.

    Args:
        told: the answer in a few words.
        is_whole: it is a page or an object of somebody else, not KIE's own answer cut off on its way.
    """
    why = _REFUSED_BY_CODE.get(http_status)
    if http_status in _TURNED_AWAY:
        return Refused(why=Refusal.NOT_KIE, code=None, msg=told)
    if http_status < 500 and why is not None:
        return Refused(why=why, code=http_status, msg=told, retry_after_s=retry_after_s)
    # A redirect, too: to a login it means that nobody took the order, but 302 and 303 are also said after taking one.
    is_not_kie = 300 <= http_status < 400 or (http_status < 300 and is_whole)
    return Ambiguous(reason=f"answer {told}", is_not_kie=is_not_kie)


def _is_about_the_address(code: int | None, msg: str) -> bool:
    """No page is KIE's, and "not found" concerns the address unless it is said of the model that the row asks for."""
    return bool(_PAGE.match(msg)) or (code in {404, 405} and "model" not in msg.lower())


def fetch_meaning(*, code: int | None, has_record: bool, is_kies_own: bool = True) -> FetchMeaning:
    """What an answer to recordInfo means; ``code`` as in `create_meaning`.

    Args:
        is_kies_own: KIE itself has spoken. A gateway's 404 or 422 says nothing about a task.
    """
    if has_record:
        return FetchMeaning.RECORD
    if code in {401, 403}:
        return FetchMeaning.KEY
    if not is_kies_own:
        return FetchMeaning.TRY_AGAIN
    if code in {200, 404, 422}:
        return FetchMeaning.NOT_KNOWN
    return FetchMeaning.TASK_OVER if code in {408, 501} else FetchMeaning.TRY_AGAIN


def task_failure(*, fail_code: str | None, fail_msg: str | None) -> TaskFailure:
    """Class of a failed task. The text decides before the code, because KIE uses 500 for nearly everything."""
    text = fail_msg or ""
    if _UNDRAWABLE_TEXT.search(text):
        return TaskFailure.PROMPT
    if _INPUT_TEXT.search(text):
        return TaskFailure.INPUT
    if _TRANSIENT_TEXT.search(text):
        return TaskFailure.TRANSIENT
    if _POLICY_TEXT.search(text):
        return TaskFailure.POLICY
    return TaskFailure.TRANSIENT if fail_code == "500" else TaskFailure.OPAQUE
