"""Which addresses may be asked: strangers name them, so they are checked before they are used.

Lives here: the rules for addresses in answers, public and local hosts. Does not live here: asking them
(``kie.downloads``), the way there (``kie.transport``), the service's own address (``kie.service_address``).

Nobody who can choose an address may make this machine talk to itself, its neighbours or its cloud's metadata service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from banana_pipeline.core.failures import ReadFailed
from banana_pipeline.kie.errors_of_http import host_of
from banana_pipeline.kie.json_values import is_plain
from banana_pipeline.kie.proxies import is_here

MOST_URL_CHARACTERS = 2_000

# Everything else in IPv6 is local, reserved, or carries an IPv4 address inside (mapped, NAT64).
_IPV6_INTERNET = ip_network("2000::/3")
# Called global by `ipaddress`: 6to4 and its relays lead to the IPv4 address inside; the last is for documents.
_NOT_PUBLIC = tuple(ip_network(net) for net in ("2002::/16", "192.88.99.0/24", "3fff::/20"))

# Names that only a local network knows (RFC 6761, 6762, 8375, ICANN's .internal, and what companies took for it).
_LOCAL_ENDINGS = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "localdomain", "home.arpa")
# "127.1", "0x7f000001", "2130706433": resolvers take them for IPv4 addresses.
_NUMBER = re.compile(r"(\d+|0x[0-9a-f]*)", re.IGNORECASE)


class ForbiddenAddress(ReadFailed):
    """An address that is never asked. Trying again cannot help."""


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """Which addresses in answers may be used.

    Args:
        home: the host of ``KIE_BASE_URL``. A person chose it, so it may lie anywhere; if it is this machine (the
            emulator), pictures may come from this machine, and without TLS.
        plain_home: host and port of ``KIE_BASE_URL`` where that is an http address: what is fetched there again is no
            more open than the orders and the key that go there.
    """

    home: str
    plain_home: str | None = None

    @classmethod
    def of(cls, base_url: str) -> AddressRules:
        """The rules at a service."""
        url = httpx.URL(base_url)
        return cls(home=url.raw_host.decode("ascii"), plain_home=_place(url) if url.scheme == "http" else None)

    @property
    def is_home_here(self) -> bool:
        return is_here(self.home)

    def check_text(self, text: str, what: str = "the picture's address") -> None:
        """Raises ForbiddenAddress if a text out of an answer is no address that may be used."""
        if not is_plain(text) or len(text) > MOST_URL_CHARACTERS:
            raise ForbiddenAddress(f"{what} is no address, or longer than {MOST_URL_CHARACTERS:,} characters")
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            raise ForbiddenAddress(f"{what} ({host_of(text)}) is not an address") from None
        self.check_url(url, what)

    def check_url(self, url: httpx.URL, what: str = "the picture's address") -> None:
        """Raises ForbiddenAddress."""
        if url.userinfo:
            raise ForbiddenAddress(f"{what} at {url.host} contains a user name or password")
        is_plain_allowed = self.is_home_here or (self.plain_home is not None and _place(url) == self.plain_home)
        is_host = bool(url.host) and 0 < (url.port or 443) < 65536
        if not is_host or url.scheme not in ({"http", "https"} if is_plain_allowed else {"https"}):
            raise ForbiddenAddress(f"{what} ({host_of(str(url))}) is not an https address")

    def allows(self, host: str, address: str) -> bool:
        """Whether ``address``, to which ``host`` leads, may be connected to."""
        if host == self.home and not self.is_home_here:
            return True
        return _is_public(address) or (self.is_home_here and is_here(address))

    def allows_name(self, host: str) -> bool:
        """Whether a host may be named to a proxy, which looks it up by itself."""
        host = host.lower().rstrip(".")
        if host == self.home or _parsed(host) is not None:
            return self.allows(host, host)
        last = host.rpartition(".")[2]
        is_local = "." not in host or any(host.endswith(f".{ending}") for ending in _LOCAL_ENDINGS)
        return not is_local and not _NUMBER.fullmatch(last)


def _place(url: httpx.URL) -> str:
    return f"{url.raw_host.decode('ascii')}:{url.port or 80}"


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def _is_public(address: str) -> bool:
    parsed = _parsed(address)
    if parsed is None or (parsed.version == 6 and parsed not in _IPV6_INTERNET):
        return False
    is_odd = parsed.is_multicast or parsed.is_reserved or any(parsed in net for net in _NOT_PUBLIC)
    return parsed.is_global and not is_odd
