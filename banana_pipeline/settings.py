"""Settings: the environment, read once, checked in words.

Lives here: names, defaults, and the sentence for each value that cannot be used. Does not live here: what the settings
do. Nothing else is needed to move from a laptop to a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from upath import UPath

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.pace import RateLimit, parse_rate

KIE_BASE_URL = "https://api.kie.ai"
KIE_UPLOAD_BASE_URL = "https://kieai.redpandaai.co"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. ``api_keys`` never shows in a repr.

    Attributes:
        data_dir: outputs, images and, unless set otherwise, prompts and ledger; a folder or a URI.
        rate_limit: creations per account. max_in_flight: orders and tasks under way per account.
        shard_rows: rows per shard. deadline_s: how long a task may take before it is overdue.
        max_attempts: tasks bought for one request whose failures are passing (and refunded).
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

    @property
    def service(self) -> str:
        """The service a purchase belongs to: the host of ``KIE_BASE_URL``."""
        return service_of(self.base_url)


def service_of(base_url: str, setting: str = "KIE_BASE_URL") -> str:
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
        raise SettingsError(f"{setting} is {base_url!r}; set it to an address such as {KIE_BASE_URL}")
    return host


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a value cannot be used; one sentence says which and what to write.
    """
    data_dir = _folder(environ, "BANANA_DATA_DIR", "data")
    base_url = environ.get("KIE_BASE_URL") or KIE_BASE_URL
    service_of(base_url)
    upload_base_url = environ.get("KIE_UPLOAD_BASE_URL") or _upload_default(base_url)
    service_of(upload_base_url, "KIE_UPLOAD_BASE_URL")
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
    )


def _upload_default(base_url: str) -> str:
    # KIE keeps uploads on a host of its own; any other service (an emulator, a proxy) is asked for them itself.
    return KIE_UPLOAD_BASE_URL if base_url.rstrip("/") == KIE_BASE_URL else base_url


def _keys(environ: Mapping[str, str]) -> tuple[str, ...]:
    text = environ.get("KIE_API_KEYS") or environ.get("KIE_API_KEY") or ""
    return tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))


def _folder(environ: Mapping[str, str], name: str, default: str) -> UPath:
    text = environ.get(name) or default
    try:
        path = UPath(text)
    except (ValueError, ImportError) as error:
        raise SettingsError(f"{name} is {text!r}, which cannot be used ({error}); write a folder or a URI") from error
    return UPath(Path(text).expanduser().absolute()) if path.protocol in {"", "file"} and "://" not in text else path


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
