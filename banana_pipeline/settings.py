"""Settings: the environment, read once, checked in words.

Lives here: names, defaults, and the sentence for each value that cannot be used. Does not live here: what the settings
do. Nothing else is needed to move from a laptop to a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.json_values import is_plain
from banana_pipeline.kie.pace import RateLimit, parse_rate
from banana_pipeline.kie.service_address import service_address
from banana_pipeline.store.files import check_place

KIE_BASE_URL = "https://api.kie.ai"
KIE_UPLOAD_BASE_URL = "https://kieai.redpandaai.co"
_MOST_URL_CHARACTERS = 1_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. Keys never show in a repr.

    Attributes:
        data_dir: outputs, images and, unless set otherwise, prompts and ledger; a folder or a URI.
        rate_limit: creations per account. max_in_flight: orders and tasks under way per account.
        shard_rows: rows per shard. deadline_s: how long a task may take before it is overdue.
        max_attempts: tasks bought for one request whose failures are passing (and refunded).
        max_credits_per_day: budget of each account for a UTC day; None: no limit.
        callback_url: where KIE reports the end of a task; None: nowhere.
        webhook_hmac_key: what KIE signs callbacks with; None: signatures are not checked.
        alert_webhook_url: where alerts are posted, a secret; alert_below_credits: the balance that is an alert.
    """

    api_keys: tuple[str, ...] = field(repr=False)
    base_url: str
    upload_base_url: str
    data_dir: UPath
    prompts_dir: UPath
    ledger_url: str = field(repr=False)
    rate_limit: RateLimit
    max_in_flight: int
    shard_rows: int
    deadline_s: float
    max_attempts: int
    max_credits_per_day: float | None = None
    callback_url: str | None = None
    webhook_hmac_key: str | None = field(default=None, repr=False)
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_below_credits: float | None = None

    @property
    def service(self) -> str:
        """The service a purchase belongs to: the host of ``KIE_BASE_URL``."""
        return service_of(self.base_url)


def service_of(base_url: str, setting: str = "KIE_BASE_URL", example: str = KIE_BASE_URL) -> str:
    """Host of a KIE address, as ``setting`` has it.

    Raises:
        SettingsError: it is not an http(s) address.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in {"http", "https"} and (parts.port or 1) > 0 else None
    except ValueError:
        host = None
    if host is None:
        raise SettingsError(f"{setting} is {base_url!r}; set it to an address such as {example}")
    return host


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a value cannot be used; one sentence says which and what to write.
    """
    data_dir = _folder(environ, "BANANA_DATA_DIR", "data")
    base_url = service_address(environ.get("KIE_BASE_URL") or KIE_BASE_URL, "KIE_BASE_URL")
    upload_base_url = service_address(
        environ.get("KIE_UPLOAD_BASE_URL") or _upload_default(base_url), "KIE_UPLOAD_BASE_URL"
    )
    return Settings(
        api_keys=_keys(environ),
        base_url=base_url,
        upload_base_url=upload_base_url,
        data_dir=data_dir,
        prompts_dir=_folder(environ, "BANANA_PROMPTS_DIR", str(data_dir / "prompts")),
        ledger_url=environ.get("BANANA_LEDGER_URL") or _ledger_default(data_dir),
        rate_limit=parse_rate(environ.get("BANANA_RATE_LIMIT") or "20/10s"),
        max_in_flight=_whole(environ, "BANANA_MAX_IN_FLIGHT", 100),
        shard_rows=_whole(environ, "BANANA_SHARD_ROWS", 2_000),
        deadline_s=_seconds(environ, "BANANA_DEADLINE_S", 900.0),
        max_attempts=_whole(environ, "BANANA_MAX_ATTEMPTS", 3),
        max_credits_per_day=_credits(environ, "BANANA_MAX_CREDITS_PER_DAY"),
        callback_url=_callback_url(environ, "BANANA_CALLBACK_URL"),
        webhook_hmac_key=environ.get("KIE_WEBHOOK_HMAC_KEY", "").strip() or None,
        alert_webhook_url=_secret_url(environ, "BANANA_ALERT_WEBHOOK_URL"),
        alert_below_credits=_credits(environ, "BANANA_ALERT_BELOW_CREDITS", "no alert"),
    )


def _upload_default(base_url: str) -> str:
    # KIE keeps uploads on a host of its own; any other service (an emulator, a proxy) is asked for them itself.
    return KIE_UPLOAD_BASE_URL if base_url == KIE_BASE_URL else base_url


def _keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    text = environ.get("KIE_API_KEYS") or environ.get("KIE_API_KEY") or ""
    return tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))


def _folder(environ: Mapping[str, str], name: str, default: str) -> UPath:
    text = environ.get(name) or default
    try:
        path = UPath(text)
    except (ValueError, ImportError) as error:
        raise SettingsError(f"{name} is {text!r}, which cannot be used ({error}); write a folder or a URI") from error
    if path.protocol in {"", "file"} and "://" not in text:
        return UPath(Path(text).expanduser().absolute())
    try:
        check_place(path)
    except SettingsError as error:
        raise SettingsError(f"{name} cannot be used: {error}") from error
    return path


def _ledger_default(data_dir: UPath) -> str:
    if data_dir.protocol not in {"", "file"}:
        raise SettingsError(
            f"BANANA_DATA_DIR is {data_dir}, which cannot hold a ledger; set BANANA_LEDGER_URL to "
            "sqlite:///a/local/file.sqlite or postgresql+psycopg://user@host/database"
        )
    return f"sqlite:///{data_dir.path}/ledger.sqlite"


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}; write a whole number from 1 up, such as {default}")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} is {text!r}; write a number of seconds above 0, such as {default:g}")
    return value


def _credits(environ: Mapping[str, str], name: str, without: str = "no limit") -> float | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise SettingsError(f"{name} is {text!r}; write a number of credits from 0 up, or leave it out for {without}")
    return value


def _secret_url(environ: Mapping[str, str], name: str) -> str | None:
    """An address that is a secret: no sentence repeats it."""
    text = environ.get(name, "").strip()
    if not text:
        return None
    with suppress(SettingsError):  # whose sentence repeats the address
        service_of(text, name)
        if is_plain(text):
            return text
    raise SettingsError(f"{name} is not an address; copy the webhook's https address again, or leave it out")


def _callback_url(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name)
    if not text:
        return None
    if len(text) > _MOST_URL_CHARACTERS:
        raise SettingsError(
            f"{name} has {len(text):,} characters; write an address of at most {_MOST_URL_CHARACTERS:,}"
        )
    if "@" in re.split("[/?#]", text.partition("://")[2], maxsplit=1)[0]:
        # Not shown: a password may stand there.
        raise SettingsError(f"{name} holds a user or password, which KIE would be told; write the address without")
    service_of(text, name, example="https://your.host/kie")
    if not is_plain(text):
        raise SettingsError(f"{name} is {text!r}; write it without blanks and other characters that cannot be seen")
    return text
