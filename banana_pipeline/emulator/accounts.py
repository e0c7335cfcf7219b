"""Who may buy, and with how many credits: keys, balances, holds, refunds, and each account's pace.

Here: the owners of API keys, the money of section 5 and the windows of section 7 of the protocol reference.
Not here: tasks themselves (books), the wording of refusals (jobs). Every time is passed in, in epoch seconds.
"""

import hashlib
import heapq
import threading
from collections import defaultdict
from dataclasses import asdict, replace

from banana_pipeline.emulator.config import EmulatorConfig
from banana_pipeline.emulator.shelf import Shelf
from banana_pipeline.emulator.tasks import Account, Task
from banana_pipeline.emulator.window import SlidingWindow


class Accounts:
    """All accounts of one emulator. Balances may be read from any thread."""

    def __init__(self, config: EmulatorConfig, shelf: Shelf) -> None:
        self._config = config
        self._shelf = shelf
        self._lock = threading.RLock()
        self._charged: defaultdict[str, float] = defaultdict(float)
        self._failing: list[tuple[float, str, float]] = []
        self._creations: dict[str, SlidingWindow] = {}
        self._queries: dict[str, SlidingWindow] = {}
        self._accounts: dict[str, Account] = {}
        for values in shelf.each("account"):
            account = Account(**values)
            self._accounts[account.account_id] = account

    def all(self) -> list[Account]:
        """Every account ever seen, in order of appearance."""
        return list(self._accounts.values())

    def get(self, account_id: str) -> Account:
        """The account of this id. Raises KeyError."""
        return self._accounts[account_id]

    def of_key(self, key: str) -> Account:
        """The account of any non-empty key, opened when it is new; also for a key that is not accepted."""
        key_sha256 = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        account_id = str(int(key_sha256[:10], 16))
        if account_id not in self._accounts:
            opening = self._config.opening_credits
            self._put(Account(account_id=account_id, key_sha256=key_sha256, opening_credits=opening))
        return self._accounts[account_id]

    def admitted(self, key: str) -> Account | None:
        """The owner of a key that is accepted; None for an empty, unknown or revoked key."""
        config = self._config
        if not key or key in config.revoked_keys or (config.keys is not None and key not in config.keys):
            return None
        account = self.of_key(key)
        return None if account.is_revoked else account

    def set_revoked(self, account_id: str, is_revoked: bool) -> None:
        """Refuse the account's key from now on, or accept it again. Raises KeyError."""
        self._put(replace(self._accounts[account_id], is_revoked=is_revoked))

    def set_balance(self, account_id: str, credits: float, now: float) -> None:
        """Make the account's balance `credits` from now on. Raises KeyError."""
        with self._lock:
            account = self._accounts[account_id]
            change = credits - self.balance(account_id, now)
            self._put(replace(account, opening_credits=account.opening_credits + change))

    def balance(self, account_id: str, now: float) -> float:
        """Credits left: a price is taken at creation and given back when the task fails (section 11)."""
        with self._lock:
            while self._failing and self._failing[0][0] <= now:
                _, owner, price = heapq.heappop(self._failing)
                self._charged[owner] -= price
            return self._accounts[account_id].opening_credits - self._charged[account_id]

    def charge(self, task: Task) -> None:
        """Take a new task's price; it returns by itself at the moment the task fails."""
        with self._lock:
            self._charged[task.account_id] += task.price_credits
            if task.failure is not None:
                heapq.heappush(self._failing, (task.completes_at, task.account_id, task.price_credits))

    def admit_creation(self, account_id: str, now: float) -> bool:
        """Count one createTask; False when the account's window is full (section 7)."""
        window = self._creations.get(account_id)
        if window is None:
            width_s, limit = self._config.rate_window_s, self._config.rate_limit
            window = self._creations[account_id] = SlidingWindow(width_s=width_s, limit=limit)
        return window.admit(now)

    def admit_query(self, account_id: str, now: float) -> bool:
        """Count one recordInfo; False when the queries of this second are used up (section 3)."""
        window = self._queries.get(account_id)
        if window is None:
            limit = self._config.query_limit
            window = self._queries[account_id] = SlidingWindow(width_s=1.0, limit=limit)
        return window.admit(now)

    def peak_creations(self, account_id: str) -> int:
        """The most createTask calls the account was allowed in any one window."""
        window = self._creations.get(account_id)
        return window.peak if window else 0

    def peak_queries(self, account_id: str) -> int:
        """The most recordInfo calls the account was allowed in any one second."""
        window = self._queries.get(account_id)
        return window.peak if window else 0

    def _put(self, account: Account) -> None:
        self._accounts[account.account_id] = account
        self._shelf.put("account", account.account_id, asdict(account))
