"""How fast: one limit per account, shared by every process on the machine.

Lives here: reading ``20/10s``, an even pace on top of pyrate-limiter's SQLite bucket. Does not live here: how many at
once (counted in the ledger by ``generate``), what to do after a refusal (``generate``).

The bucket holds two rates. The wide one is the promise: no more than N grants in any window, made a little wider than
KIE's own so that the jitter of the way there cannot squeeze N + 1 orders into it. The narrow one spreads them evenly,
because a burst of N arrives late (new connections) and the next burst arrives on time.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from pyrate_limiter import Rate, RateItem, SQLiteBucket
from pyrate_limiter.abstracts.algorithm import Decision

from banana_pipeline.core.failures import SettingsError

# 0.8 % wider than KIE's window: 80 ms of jitter at 20 per 10 s, for 99.2 % of the limit.
_WINDOW_MARGIN = 1.008
_SHORTEST_TICK_MS = 20
_LEAK_EVERY = 200
_QUERIES_PER_CREATION = 5


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """``count`` calls in any window of ``window_s`` seconds."""

    count: int
    window_s: float

    @property
    def per_second(self) -> float:
        return self.count / self.window_s

    def for_queries(self) -> RateLimit:
        """The limit for free queries, in proportion: 10/s beside 20 creations per 10 s (the reference, section 3)."""
        return RateLimit(count=self.count * _QUERIES_PER_CREATION, window_s=self.window_s)


def parse_rate(text: str) -> RateLimit:
    """Read ``20/10s``, ``20/10`` or ``5/1m``.

    Raises:
        SettingsError: it has another form, or is not positive.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|m)?\s*", text)
    if match is None or int(match[1]) < 1 or float(match[2]) <= 0:
        raise SettingsError(f"BANANA_RATE_LIMIT is {text!r}; write it as calls per time, such as 20/10s")
    return RateLimit(count=int(match[1]), window_s=float(match[2]) * (60 if match[3] == "m" else 1))


class Pace:
    """Grants permission to call, evenly, to all processes that use the same name on this machine.

    Args:
        name: what is limited, e.g. service and account; names the file.
        limit: the limit to keep.
        folder: where the shared files are; by default one folder per user under the system's temporary folder.
    """

    def __init__(self, *, name: str, limit: RateLimit, folder: Path | None = None) -> None:
        self.limit = limit
        path = (folder or shared_folder()) / f"pace-{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.sqlite"
        window_ms = limit.window_s * 1000
        self._quantum = max(1, int(_SHORTEST_TICK_MS * limit.count / window_ms))
        rates = [Rate(limit.count, int(window_ms * _WINDOW_MARGIN) + 1)]
        if self._quantum < limit.count:
            # A little quicker than even, so that the wide rate binds and wake-ups that come late are made good.
            tick_ms = max(1, int(window_ms * self._quantum / limit.count * 0.985))
            rates.insert(0, Rate(self._quantum, tick_ms))
        self._bucket = SQLiteBucket.init_from_file(rates, db_path=str(path), use_file_lock=True)
        self._turn = anyio.Lock()
        self._waiting = 0
        self._spare = 0
        self._grants = 0
        self._forget_future()

    async def acquire(self) -> None:
        """Wait until one call may be made. Callers are served in the order in which they come."""
        self._waiting += 1
        try:
            # One at a time asks the bucket, for all that wait: its lock between processes is a file that is polled.
            async with self._turn:
                if self._spare == 0:
                    self._spare = await self._take(min(self._waiting, self._quantum))
                self._spare -= 1
        finally:
            self._waiting -= 1

    async def _take(self, weight: int) -> int:
        while True:
            wait_ms = await anyio.to_thread.run_sync(self._try, weight)
            if wait_ms is None:
                return weight
            await anyio.sleep(wait_ms / 1000)

    def close(self) -> None:
        self._bucket.close()

    def _try(self, weight: int) -> int | None:
        """Take ``weight`` grants now (None), or the milliseconds until they may be there."""
        with self._bucket.lock:
            now_ms = _now_ms()
            decision = self._bucket.put_decision(RateItem("call", now_ms, weight=weight))
            assert isinstance(decision, Decision), "a SQLite bucket answers at once"
            if decision.allowed:
                self._grants += 1
                if self._grants % _LEAK_EVERY == 0:
                    self._bucket.leak(now_ms)
                return None
            return max(1, decision.retry_after_ms or 1)

    def _forget_future(self) -> None:
        # The clock is the machine's uptime, which no change of the time of day can move; after a reboot it starts
        # again, and what was written before lies in the future.
        with self._bucket.lock:
            self._bucket.conn.execute("DELETE FROM rate_bucket WHERE item_timestamp > ?", (_now_ms() + 1,))
            self._bucket.conn.commit()


def shared_folder() -> Path:
    """The folder for files that all processes of this user on this machine share."""
    folder = Path(tempfile.gettempdir()) / f"banana_pipeline-{_user_id()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _user_id() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
