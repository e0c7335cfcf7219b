"""The things the books remember: tasks, uploads and accounts, as frozen records.

Here: their fields, their JSON form for the books' file, and what follows from a task and the time alone.
Not here: who may see them and what they cost in sum (books), KIE's JSON for them (records).
"""

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any, Literal

from banana_pipeline.emulator.fate import FAILURES, NO_RESULT, Failure
from banana_pipeline.emulator.orders import Order

State = Literal["waiting", "generating", "success", "fail"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One key's owner. `opening_credits` is the balance before any task; the key is kept only as a hash."""

    account_id: str
    key_sha256: str
    opening_credits: float
    is_revoked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One accepted createTask. Its whole life is decided here; times are epoch seconds.

    `outcome` is `success`, `noresult` or a key of FAILURES; `input_digest` names the same purchase;
    `base_url` is the emulator as its creator addressed it.
    """

    task_id: str
    account_id: str
    order: Order
    param: str
    call_back_url: str | None
    base_url: str
    price_credits: float
    input_digest: str
    outcome: str
    media_name: str
    created_at: float
    visible_at: float
    starts_at: float
    completes_at: float

    @property
    def failure(self) -> Failure | None:
        """The words of its failure, None for a task that ends well."""
        return FAILURES.get(self.outcome)

    @property
    def has_media(self) -> bool:
        """Whether a picture exists once the task is complete."""
        return self.failure is None and self.outcome != NO_RESULT

    def state(self, now: float) -> State:
        """KIE's state word at `now` (section 3; `queuing` was never seen and is never used)."""
        if now >= self.completes_at:
            return "fail" if self.failure else "success"
        return "waiting" if now < self.starts_at else "generating"

    def held_credits(self, now: float) -> float:
        """Credits taken but not yet final at `now`."""
        return self.price_credits if now < self.completes_at else 0.0

    def credits(self, now: float) -> float:
        """`creditsConsumed` at `now`: the price from the start, 0 once it has failed (section 3)."""
        return 0.0 if self.state(now) == "fail" else self.price_credits

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Task":
        """The task that `to_json` wrote."""
        given: dict[str, Any] = dict(values["order"])
        given["image_input"] = tuple(given["image_input"])
        fields: dict[str, Any] = {**values, "order": Order(**given)}
        return cls(**fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One uploaded file: `path` is `kieai/<accountId>/<uploadPath>/<fileName>`, `uploaded_at` epoch seconds.

    `pixel_size` is None for bytes that are not an image.
    """

    path: str
    content: bytes
    content_sha256: str
    mime_type: str
    pixel_size: tuple[int, int] | None
    uploaded_at: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of `from_json`."""
        return {**asdict(self), "content": b64encode(self.content).decode()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Upload":
        """The upload that `to_json` wrote."""
        size = values["pixel_size"]
        fields: dict[str, Any] = {
            **values,
            "content": b64decode(values["content"]),
            "pixel_size": tuple(size) if size else None,
        }
        return cls(**fields)
