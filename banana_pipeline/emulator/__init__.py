"""A local KIE service with the same protocol, for demos, tests and fault injection.

Here: an independent reading of the protocol reference over real HTTP, without network and without cost.
Not here: anything of the client; this package imports none of it, so that it can catch the client's mistakes.
"""

from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.config import EmulatorConfig, Faults
from banana_pipeline.emulator.server import RunningEmulator, create_app, serve

__all__ = ["Books", "EmulatorConfig", "Faults", "RunningEmulator", "create_app", "serve"]
