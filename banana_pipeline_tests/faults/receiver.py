"""`banana callbacks` beside a scene, as a person starts it.

Here: a free port, the settings that both sides need, start and end. Not here: what callbacks are good for.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from banana_pipeline_tests.e2e.command import kill_group, wait_until
from banana_pipeline_tests.faults.scene import Scene

HMAC_KEY = "whsec_of_the_tests"
SIGNED: dict[str, Any] = {"webhook_hmac_key": HMAC_KEY, "callback_retries_s": (0.2, 0.5, 1.0)}
"""Settings of a service that signs, and does not wait long before it tries again."""


@contextmanager
def receiving(scene: Scene, hmac_key: str = HMAC_KEY) -> Iterator[None]:
    """Receive callbacks on a free port; every run of the scene asks the service to call there."""
    port = _free_port()
    scene.settings |= {"BANANA_CALLBACK_URL": f"http://127.0.0.1:{port}/", "KIE_WEBHOOK_HMAC_KEY": hmac_key}
    process = scene.start("callbacks", "--port", str(port))
    try:
        wait_until(lambda: _is_open(port), process)
        yield
    finally:
        kill_group(process)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
