"""Settings: the environment, read once, checked in words.

Lives here: names, defaults, and the sentence for each value that cannot be used. Does not live here: texts that no
setting can mean (``core.setting_text``), how a place is spelt (``store.places``, ``store.ledger_place``), what the
settings do. Nothing else is needed to move from a laptop to a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.core.setting_text import api_keys, setting, shown_value
from banana_pipeline.kie.json_values import is_plain
from banana_pipeline.kie.pace import RateLimit, parse_rate
from banana_pipeline.kie.service_address import service_address
from banana_pipeline.setting_places import dagster_home, folder, is_anchored, ledger_default, ledger_url, require_folder
from banana_pipeline.store.places import place_text

KIE_BASE_URL = "https://api.kie.ai"
KIE_UPLOAD_BASE_URL = "https://kieai.redpandaai.co"
_MOST_URL_CHARACTERS = 1_000
_NAMES = (
    *("KIE_API_KEY", "KIE_API_KEYS", "KIE_BASE_URL", "KIE_UPLOAD_BASE_URL", "KIE_WEBHOOK_HMAC_KEY", "DAGSTER_HOME"),
    *("BANANA_DATA_DIR", "BANANA_PROMPTS_DIR", "BANANA_LEDGER_URL", "BANANA_RATE_LIMIT", "BANANA_MAX_IN_FLIGHT"),
    *("BANANA_SHARD_ROWS", "BANANA_DEADLINE_S", "BANANA_MAX_ATTEMPTS", "BANANA_MAX_CREDITS_PER_DAY"),
    *("BANANA_CALLBACK_URL", "BANANA_ALERT_WEBHOOK_URL", "BANANA_ALERT_BELOW_CREDITS"),
)
_PREFIXES = ("KIE_", "BANANA_")
_LEAST_LIKENESS = 0.9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. Keys never show in a repr.

    Attributes:
        data_dir: outputs, images and, unless set otherwise, prompts and ledger; a folder or a URI.
        must_find_data_dir: the ledger is in a data folder that was named from the working folder.
        dagster_home: where Dagster keeps runs and events; None: in the data folder.
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
    must_find_data_dir: bool = False
    dagster_home: Path | None = None
    max_credits_per_day: float | None = None
    callback_url: str | None = None
    webhook_hmac_key: str | None = field(default=None, repr=False)
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_below_credits: float | None = None

    @property
    def service(self) -> str:
        """The service a purchase belongs to: the host of ``KIE_BASE_URL``."""
        return service_of(self.base_url)


def service_of(base_url: str, setting_name: str = "KIE_BASE_URL", example: str = KIE_BASE_URL) -> str:
    """Host of a KIE address, as ``setting_name`` has it.

    Raises:
        SettingsError: it is not an http(s) address.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in {"http", "https"} and (parts.port or 1) > 0 else None
    except ValueError:
        host = None
    if host is None:
        raise SettingsError(f"{setting_name} is {shown_value(base_url)}; set it to an address such as {example}")
    return host.rstrip(".")  # api.kie.ai. is the same host


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a value cannot be used; one sentence says which and what to write.
    """
    _check_names(environ)
    data_dir = folder(environ, "BANANA_DATA_DIR", "data")
    own_ledger_url = ledger_url(environ)
    base_url = service_address(_address(environ, "KIE_BASE_URL") or KIE_BASE_URL, "KIE_BASE_URL")
    upload_base_url = _address(environ, "KIE_UPLOAD_BASE_URL") or _upload_default(base_url)
    upload_base_url = service_address(upload_base_url, "KIE_UPLOAD_BASE_URL")
    return Settings(
        api_keys=_keys(environ),
        base_url=base_url,
        upload_base_url=upload_base_url,
        data_dir=data_dir,
        prompts_dir=folder(environ, "BANANA_PROMPTS_DIR", place_text(data_dir / "prompts")),
        ledger_url=own_ledger_url or ledger_default(data_dir),
        rate_limit=parse_rate(setting(environ, "BANANA_RATE_LIMIT") or "20/10s"),
        max_in_flight=_whole(environ, "BANANA_MAX_IN_FLIGHT", 100),
        shard_rows=_whole(environ, "BANANA_SHARD_ROWS", 2_000),
        deadline_s=_seconds(environ, "BANANA_DEADLINE_S", 900.0),
        max_attempts=_whole(environ, "BANANA_MAX_ATTEMPTS", 3),
        must_find_data_dir=own_ledger_url is None and not is_anchored(environ, "BANANA_DATA_DIR"),
        dagster_home=dagster_home(environ),
        max_credits_per_day=_credits(environ, "BANANA_MAX_CREDITS_PER_DAY"),
        callback_url=_callback_url(environ, "BANANA_CALLBACK_URL"),
        webhook_hmac_key=setting(environ, "KIE_WEBHOOK_HMAC_KEY", is_secret=True, is_random=True),
        alert_webhook_url=_secret_url(environ, "BANANA_ALERT_WEBHOOK_URL"),
        alert_below_credits=_credits(environ, "BANANA_ALERT_BELOW_CREDITS", "no alert"),
    )


def is_kie(base_url: str) -> bool:
    """True for the service itself, False for an emulator or a proxy."""
    return service_of(base_url) == service_of(KIE_BASE_URL)


def require_data_dir(settings: Settings) -> None:
    """Before anything is bought. Raises SettingsError if a data folder named from the working folder is not there."""
    if settings.must_find_data_dir:
        require_folder(Path(settings.data_dir.path))


def _check_names(environ: Mapping[str, str]) -> None:
    """A misspelt name is a setting that is not seen: the ledger of nobody, a budget that does not hold."""
    for name in environ:
        if name in _NAMES or not environ[name].strip():
            continue
        clean = "".join(it for it in name if it.isprintable()).strip().removeprefix("export ").strip().upper()
        if clean in _NAMES:
            raise SettingsError(
                f"The environment holds {name!r} where {clean} is meant; write it so, in an env file that is UTF-8 "
                "without a byte-order mark and without blanks before ="
            )
        likely = get_close_matches(name, _NAMES, n=1, cutoff=_LEAST_LIKENESS) if name.startswith(_PREFIXES) else []
        if likely and not name.startswith(f"{likely[0]}_"):
            raise SettingsError(f"There is no setting {name}; rename it to {likely[0]}, or remove it")


def _upload_default(base_url: str) -> str:
    # KIE keeps uploads on a host of its own; any other service (an emulator, a proxy) is asked for them itself.
    return KIE_UPLOAD_BASE_URL if is_kie(base_url) else base_url


def _keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    several = api_keys(environ.get("KIE_API_KEYS") or "", "KIE_API_KEYS")
    return several or api_keys(environ.get("KIE_API_KEY") or "")


def _address(environ: Mapping[str, str], name: str) -> str | None:
    text = setting(environ, name)
    if text is None:
        return None
    service_of(text, name)
    if " " in text:
        raise SettingsError(f"{name} is {shown_value(text)}; write it without blanks")
    return text


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    text = setting(environ, name) or str(default)
    if re.fullmatch(r"[0-9]{1,9}", text) is None or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}; write a whole number from 1 up, such as {default}")
    return int(text)


def _number(text: str) -> float:
    """A number as everybody writes it, or -1: Python also takes 1_000, and digits of other scripts."""
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{0,15})?(e[0-9]{1,2})?", text) else -1.0


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = setting(environ, name) or str(default)
    value = _number(text)
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name} is {text!r}; write a number of seconds above 0, such as {default:g}")
    return value


def _credits(environ: Mapping[str, str], name: str, without: str = "no limit") -> float | None:
    text = setting(environ, name)
    if text is None:
        return None
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise SettingsError(f"{name} is {text!r}; write a number of credits from 0 up, or leave it out for {without}")
    return value


def _secret_url(environ: Mapping[str, str], name: str) -> str | None:
    """An address that is a secret: no sentence repeats it."""
    text = setting(environ, name, is_secret=True)
    if text is None:
        return None
    with suppress(SettingsError):  # whose sentence repeats the address
        service_of(text, name)
        if is_plain(text):
            return text
    raise SettingsError(f"{name} is not an address; copy the webhook's https address again, or leave it out")


def _callback_url(environ: Mapping[str, str], name: str) -> str | None:
    text = setting(environ, name, is_secret=True)
    if text is None:
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
