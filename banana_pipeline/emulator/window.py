"""A sliding window over the times of events: may one more happen, and how many were there at most?

Here: counting, with the time passed in. Not here: what is counted, what a refusal looks like.
"""

from collections import deque


class SlidingWindow:
    """Admits at most `limit` events in any `width_s` seconds (None: all) and remembers the fullest window.

    An event exactly `width_s` after another is outside its window. A refused event leaves no trace.
    """

    def __init__(self, *, width_s: float, limit: int | None) -> None:
        self.peak = 0
        self._width_s = width_s
        self._limit = limit
        self._times: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count an event at `now` (seconds, never going back) unless the window is full."""
        while self._times and self._times[0] <= now - self._width_s:
            self._times.popleft()
        if self._limit is not None and len(self._times) >= self._limit:
            return False
        self._times.append(now)
        self.peak = max(self.peak, len(self._times))
        return True
