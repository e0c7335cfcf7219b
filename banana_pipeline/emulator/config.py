"""What an emulator can be told: its settings and its fault shares, as small frozen values.

Here: names, units, defaults and the checks of the values themselves.
Not here: what a setting does (each module reads the ones it obeys), the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

MODEL = "nano-banana-pro"
DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How often each thing goes wrong: shares from 0 (never) to 1 (always), and two delays in seconds.

    `..._before_store` faults happen before the task exists; every other fault of createTask happens after
    the task is stored and its price held, so the caller cannot see that it has paid. A prompt that contains
    `[fault:lost_answer]` (any createTask name without `_share`) meets that fault on its first POST.

    Raises ValueError for a share outside 0..1 and for createTask, poll or download shares above 1 in sum.
    """

    lost_answer_share: float = 0.0
    html_502_after_store_share: float = 0.0
    exception_500_after_store_share: float = 0.0
    no_task_id_share: float = 0.0
    cut_json_share: float = 0.0
    dropped_before_store_share: float = 0.0
    html_502_before_store_share: float = 0.0
    exception_500_before_store_share: float = 0.0
    forbidden_1010_before_store_share: float = 0.0
    maintenance_455_before_store_share: float = 0.0

    poll_drop_share: float = 0.0
    poll_html_502_share: float = 0.0
    poll_exception_500_share: float = 0.0
    poll_rate_429_share: float = 0.0
    poll_no_data_share: float = 0.0

    download_drop_share: float = 0.0
    download_html_502_share: float = 0.0
    download_cut_share: float = 0.0

    slow_answer_share: float = 0.0
    slow_answer_s: float = 5.0

    callback_late_share: float = 0.0
    callback_late_s: float = 30.0
    callback_duplicate_share: float = 0.0
    callback_missing_share: float = 0.0
    callback_forged_share: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{item.name} must be a number, not {value!r}")
            if value < 0 or (item.name.endswith("_share") and value > 1):
                raise ValueError(f"{item.name} is {value}, outside 0..1")
        for names in (CREATE_FAULTS, POLL_FAULTS, DOWNLOAD_FAULTS):
            total = sum(getattr(self, f"{name}_share") for name in names)
            if total > 1 + 1e-9:
                raise ValueError(f"the shares of {', '.join(names)} add up to {total:g}, which is above 1")


def _names(start: str, end: str) -> tuple[str, ...]:
    names = [item.name for item in fields(Faults)]
    return tuple(n.removesuffix("_share") for n in names[names.index(start) : names.index(end) + 1])


CREATE_FAULTS = _names("lost_answer_share", "maintenance_455_before_store_share")
POLL_FAULTS = _names("poll_drop_share", "poll_no_data_share")
DOWNLOAD_FAULTS = _names("download_drop_share", "download_cut_share")


@dataclass(frozen=True, kw_only=True)
class EmulatorConfig:
    """Everything an emulator is told at its start. Defaults follow section 11 of the protocol reference.

    `keys`: the API keys it knows, each its own account; None accepts every non-empty key. `latency_s`: the
    least and the most seconds from creation to the final state, of which `waiting_share` is spent in
    `waiting`. `rate_limit`: createTask calls per `rate_window_s` and account, None for no limit;
    `query_limit`: recordInfo calls per second and account (2025 edition only, hence off).
    `fail_share` of the tasks fail, chosen by a hash of `seed`, so that a second run chooses the same.
    `jpg_ending`: how result URLs of JPEG pictures end; some of KIE's models say `.jpeg`.
    `is_drawing`: False serves a few plain pictures of the right size instead, for load tests.
    `books_path`: a file that lets a restarted emulator know its tasks, balances and uploads again.

    Raises ValueError for values that cannot be obeyed.
    """

    keys: tuple[str, ...] | None = field(default=None, repr=False)
    revoked_keys: frozenset[str] = field(default=frozenset(), repr=False)
    opening_credits: float = 100_000.25
    prices_credits: Mapping[str, float] = field(default_factory=lambda: {"1K": 18.0, "2K": 18.0, "4K": 24.0})

    rate_limit: int | None = 20
    rate_window_s: float = 10.0
    query_limit: int | None = None

    latency_s: tuple[float, float] = (2.0, 5.0)
    waiting_share: float = 0.7
    is_generating_skipped: bool = False
    visible_after_s: float = 0.0
    answer_delay_s: float = 0.0

    fail_share: float = 0.0
    policy_words: tuple[str, ...] = ("nsfw",)
    seed: int = 0

    has_real_statuses: bool = False
    message_key: Literal["msg", "message"] = "msg"
    record_fields: Literal["2026-04", "2026-09"] = "2026-09"
    jpg_ending: Literal["jpg", "jpeg"] = "jpg"
    max_prompt_chars: int = 10_000
    max_images: int = 8

    webhook_hmac_key: str | None = field(default=None, repr=False)
    callback_timeout_s: float = 15.0
    callback_retries_s: tuple[float, ...] = (1.0, 5.0, 30.0)

    result_url_kept_s: float = DAY_S
    media_kept_s: float = 14 * DAY_S
    download_link_kept_s: float = 20 * 60.0
    upload_kept_s: float = 3 * DAY_S
    record_kept_s: float = 60 * DAY_S
    max_stream_bytes: int = 100_000_000
    max_base64_bytes: int = 10_000_000

    books_path: Path | None = None
    is_drawing: bool = True
    faults: Faults = Faults()

    def __post_init__(self) -> None:
        least_s, most_s = self.latency_s
        if not 0 <= least_s <= most_s:
            raise ValueError(f"latency_s is {self.latency_s}; it must be (least, most) in seconds")
        for name in ("fail_share", "waiting_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, outside 0..1")
        if self.rate_limit is not None and self.rate_limit < 1:
            raise ValueError("rate_limit must be at least 1, or None for no limit")
