"""When something goes wrong: the switch that holds the fault shares and draws from them.

Here: choosing a fault, changing the shares at run time. Not here: what a fault looks like (answers, jobs).
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from banana_pipeline.emulator.config import CREATE_FAULTS, DOWNLOAD_FAULTS, POLL_FAULTS, Faults
from banana_pipeline.emulator.fate import chance

_MARK = re.compile(r"\[fault:(\w+)\]")


class FaultSwitch:
    """The faults in force. A draw for createTask depends on seed, input and count; the rest on the seed."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._seed = seed
        self._random = random.Random(seed)

    def set(self, changes: Mapping[str, Any]) -> dict[str, float]:
        """Put new shares in force, keep the rest, and return all of them. Raises ValueError for a bad one."""
        unknown = sorted(changes.keys() - {item.name for item in fields(Faults)})
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(unknown)}")
        self.faults = replace(self.faults, **changes)
        return asdict(self.faults)

    def of_creation(self, *, prompt: str, digest: str, earlier: int) -> str | None:
        """The fault of a createTask that follows `earlier` POSTs of the same input, None for none."""
        mark = _MARK.search(prompt)
        if mark and mark[1] in CREATE_FAULTS:
            return mark[1] if earlier == 0 else None
        return self._pick(CREATE_FAULTS, chance(self._seed, "fault", digest, earlier))

    def of_poll(self) -> str | None:
        """The fault of one recordInfo, None for none."""
        return self._pick(POLL_FAULTS, self._random.random())

    def of_download(self) -> str | None:
        """The fault of one download, None for none."""
        return self._pick(DOWNLOAD_FAULTS, self._random.random())

    def slow_s(self) -> float:
        """Extra seconds before one answer, usually 0."""
        is_slow = self._random.random() < self.faults.slow_answer_share
        return self.faults.slow_answer_s if is_slow else 0.0

    def of_callback(self, task_id: str, name: str) -> bool:
        """Whether the callback of a task meets the fault `callback_<name>`."""
        return chance(self._seed, name, task_id) < getattr(self.faults, f"callback_{name}_share")

    def _pick(self, names: Sequence[str], number: float) -> str | None:
        for name in names:
            number -= getattr(self.faults, f"{name}_share")
            if number < 0:
                return name
        return None
