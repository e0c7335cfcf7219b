"""The proxies of the environment: which address is asked through which.

Lives here: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in capitals or not. Does not live here:
connections (``kie.transport``), which addresses may be asked at all (``kie.addresses``).

This machine is never asked through a proxy: "localhost" would mean the proxy's own machine, which nobody wants (see
docs/decisions/0009-proxies-and-strangers-at-the-address.md).
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from urllib.request import (
    getproxies_environment,
    proxy_bypass_environment,  # pyright: ignore[reportAttributeAccessIssue]
)

import httpx

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.kie.json_values import is_plain


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """``by_scheme``: the proxy for ``http`` and for ``https`` addresses. ``no_proxy``: as the variable has it."""

    by_scheme: Mapping[str, httpx.Proxy] = field(default_factory=dict)
    no_proxy: str = ""

    def for_url(self, url: httpx.URL) -> httpx.Proxy | None:
        """The proxy to ask; None where the address is asked directly."""
        proxy = self.by_scheme.get(url.scheme)
        return None if proxy is None or self._is_direct(url) else proxy

    def _is_direct(self, url: httpx.URL) -> bool:
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        if is_here(host):
            return True
        names = ",".join(entry.removeprefix("*") for entry in self._entries())
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        if ":" not in host and proxy_bypass_environment(f"{host}:{port}", {"no": names}):
            return True
        return any(_holds(entry, host) for entry in self._entries())

    def _entries(self) -> list[str]:
        return re.split(r"[,\s]+", self.no_proxy)


def is_here(host: str) -> bool:
    """Is this host, without the brackets of IPv6, the machine itself by its name?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _holds(entry: str, host: str) -> bool:
    """Whether an entry of ``NO_PROXY`` is a network, such as 10.0.0.0/8 or [::1], that holds this address."""
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def environment_proxies(verify: ssl.SSLContext) -> Proxies:
    """The proxies of the environment.

    Args:
        verify: for proxies that are themselves asked by https.

    Raises:
        SettingsError: one of them cannot be used; the text does not repeat it, a password may stand there.
    """
    found = getproxies_environment()
    proxies = Proxies(no_proxy=found.get("no", ""))
    if "*" in proxies._entries():
        return Proxies()
    names = {scheme: scheme if found.get(scheme) else "all" for scheme in ("http", "https")}
    by_scheme = {
        scheme: _proxy(found[name], _variable(name), verify) for scheme, name in names.items() if name in found
    }
    return Proxies(by_scheme=by_scheme, no_proxy=proxies.no_proxy)


def _proxy(text: str, variable: str, verify: ssl.SSLContext) -> httpx.Proxy:
    proxy = _parsed(text.strip(), verify)
    if proxy is None:
        raise SettingsError(
            f"{variable} is not the address of a proxy; write it as http://host:port or http://user:password@host:port "
            "(special characters percent-encoded), or take it out of the environment"
        )
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise SettingsError(
            f"{variable} is a SOCKS proxy, for which a package is missing; install it with: pip install 'httpx[socks]'"
        )
    return proxy


def _parsed(text: str, verify: ssl.SSLContext) -> httpx.Proxy | None:
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
        proxy = httpx.Proxy(url, ssl_context=verify if url.scheme == "https" else None)
    except (ValueError, httpx.InvalidURL):
        return None
    is_one = bool(url.host) and 0 < (url.port or 1) < 65536 and url.path in {"", "/"} and not url.query
    return proxy if is_one and is_plain(text) else None


def _variable(name: str) -> str:
    """The variable's name as the environment spells it; small letters win, as they do for curl."""
    return next((one for one in (f"{name}_proxy", f"{name.upper()}_PROXY") if os.environ.get(one)), f"{name}_proxy")
