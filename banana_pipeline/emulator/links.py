"""Signed links of limited life to pictures: section 5's download-url. Not here: who may ask for one."""

import hashlib
import hmac


def sign_link(name: str, *, expires_at: float, secret: str) -> str:
    """The path and query of a link to the picture `name` that is good until `expires_at` (epoch seconds)."""
    expires = str(int(expires_at))
    return f"/h/{name}?expires={expires}&signature={_signature(name, expires, secret)}"


def is_good_link(name: str, *, expires: str, signature: str, now: float, secret: str) -> bool:
    """Whether the link was signed with `secret` and has not expired at `now`."""
    is_ours = hmac.compare_digest(signature.encode(), _signature(name, expires, secret).encode())
    return is_ours and now < int(expires)


def _signature(name: str, expires: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"{name}.{expires}".encode(), hashlib.sha256).hexdigest()[:32]
