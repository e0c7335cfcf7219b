"""The address of a service as a person sets it.

Lives here: what ``KIE_BASE_URL`` and ``KIE_UPLOAD_BASE_URL`` may be. Does not live here: other settings (``settings``),
addresses in answers (``kie.addresses``).
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.json_values import is_plain

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_API_PATH = re.compile(r"(/api(/v1)?)?/*", re.IGNORECASE)


def service_address(text: str, setting: str, example: str = "https://api.kie.ai") -> str:
    """Scheme, host and port, without the ``/api/v1`` that KIE's own pages print behind them.

    Any other path is refused: a purchase belongs to a host, so two services behind one would share what is bought.

    Raises:
        SettingsError: it is no such address.
    """
    parts, port = _split(text)
    host = (parts.hostname or "").rstrip(".") if parts is not None else ""
    if parts is None or not _is_host(host):
        shown = f"{text.partition('//')[0]}//..." if "@" in text else text
        raise SettingsError(f"{setting} is {shown!r}; set it to an address such as {example}")
    if "@" in parts.netloc:  # not shown: a password may stand there
        raise SettingsError(f"{setting} holds a user or password, which KIE does not take; set it to such as {example}")
    if parts.query or parts.fragment or not _API_PATH.fullmatch(parts.path):
        raise SettingsError(
            f"{setting} is {text!r}, which leads to a page of the service; set it to scheme and host alone, such as "
            f"{example}"
        )
    is_default = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if is_default else f':{port}'}"


def _is_host(host: str) -> bool:
    try:
        return _NAME.fullmatch(host) is not None or IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _split(text: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None, None
    is_usable = is_plain(text) and parts.scheme in {"http", "https"} and port != 0
    return (parts if is_usable else None), port
