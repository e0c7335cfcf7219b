"""The callback receiver: hears from KIE that a task is over and writes a hint into the ledger.

Here: the way in. Elsewhere: `app` (what is answered), `keeper` (the ledger, in time), `counts` (what it says of
itself), `server` (sockets, limits, start and stop). Not here: acting on a hint (``hints``, ``recover``).

A callback is only a hint. Without ``KIE_WEBHOOK_HMAC_KEY`` unsigned ones are taken too, because none is believed
before KIE's own record of the task names our attempt.
"""

from banana_pipeline.callbacks.app import callbacks_app
from banana_pipeline.callbacks.server import serve_callbacks

__all__ = ["callbacks_app", "serve_callbacks"]
