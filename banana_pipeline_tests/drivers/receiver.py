"""The real callback receiver in a thread of its own, beside a world.

Here: starting and stopping it. Not here: facts; the tests state those.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from banana_pipeline.callbacks.app import callbacks_app
from banana_pipeline.callbacks.server import listen, make_server
from banana_pipeline.store.group_commit import LedgerWriter


@contextmanager
def running_receiver(ledger_url: str, hmac_key: str | None = None) -> Iterator[str]:
    """The address at which callbacks for a ledger are received while the block runs."""
    with listen("127.0.0.1", 0) as listener, LedgerWriter(ledger_url) as writer:
        server = make_server(callbacks_app(writer, hmac_key=hmac_key, clock=time.time))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/kie?from=kie"
        finally:
            server.should_exit = True
            thread.join()
