"""Runs as sensors see them: which shards are being worked on, and asking for runs over ranges of shards.

Lives here: what active runs cover, run requests, patience between two tries for the same thing. Does not live here:
what each sensor looks for.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import dagster as dg

from banana_pipeline.defs.partitions import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    contiguous_ranges,
    range_tags,
    register_shards,
)

LOOK_S = 4.0
"""What one look may take for files it has not seen yet; the next look goes on. Sensors wait for each other."""

STARTED_BY_TAG = "banana/started_by"
MOST_REQUESTS = 25
"""Runs asked for in one look: each takes Dagster a fifth of a second. The next look asks for the rest."""

_PARTITION_TAG = "dagster/partition"
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# A run whose machine went down, and a `banana run` that was killed, are "started" for ever: nobody is there to tell
# Dagster of their end. A run that buys logs a line every few seconds.
SILENT_AFTER = timedelta(hours=2)
_LONGEST_PATIENCE_S = 24 * 3600.0


def all_shards(instance: dg.DagsterInstance) -> Sequence[str]:
    """Every registered shard, in the order that ranges of shards follow."""
    return instance.get_dynamic_partitions("prompt_shards")


def busy_shards(
    instance: dg.DagsterInstance, all_keys: Sequence[str], *, ended: Collection[str] = ()
) -> dict[str, str]:
    """Shards that active runs were started for, each with the id of one such run.

    Args:
        ended: ids of runs that are known to be over, although Dagster was not told.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=_ACTIVE))
    alive = [run for run in runs if run.run_id not in ended and not is_silent(instance, run)]
    positions = {key: position for position, key in enumerate(all_keys)} if alive else {}
    busy: dict[str, str] = {}
    for run in alive:
        first = run.tags.get(RANGE_START_TAG) or run.tags.get(_PARTITION_TAG)
        last = run.tags.get(RANGE_END_TAG) or first
        if first in positions and last in positions:
            keys = all_keys[positions[first] : positions[last] + 1]
            busy.update(dict.fromkeys(keys, run.run_id))
    return busy


def is_silent(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Has an active run said nothing for so long that nobody works on it any more? A run in the queue may wait."""
    if run.status is dg.DagsterRunStatus.QUEUED:
        return False
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    record = instance.get_run_record_by_id(run.run_id)
    said_s = last[0].event_log_entry.timestamp if last else record.create_timestamp.timestamp() if record else 0.0
    return said_s < time.time() - SILENT_AFTER.total_seconds()


def silent_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Active runs that nobody works on any more."""
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=_ACTIVE)) if is_silent(instance, run)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one look asks for.

    Attributes:
        shards: every shard that the requested runs cover.
        busy_count: how many shards other runs work on.
    """

    requests: list[dg.RunRequest]
    shards: list[str]
    busy_count: int


def ask_for_runs(
    instance: dg.DagsterInstance,
    found: Mapping[str, str],
    *,
    started_by: str,
    assets: Sequence[str],
    run_config: Mapping[str, Any] | None = None,
    ended: Collection[str] = (),
) -> Asked:
    """One run for each range of found shards that no run works on, as many as one look may ask for.

    Args:
        found: why each shard is to be worked on. The same reasons give the same run, however often it is asked for.
        assets: what the runs make of the job's assets.
        ended: as in `busy_shards`.
    """
    register_shards(instance, found)
    all_keys = all_shards(instance)
    busy = busy_shards(instance, all_keys, ended=ended)
    positions = {key: position for position, key in enumerate(all_keys)}
    asked = Asked(requests=[], shards=[], busy_count=len(busy))
    for first, last in contiguous_ranges((key for key in found if key not in busy), all_keys)[:MOST_REQUESTS]:
        covered = all_keys[positions[first] : positions[last] + 1]
        reasons = fingerprint(found[key] for key in covered)
        asked.shards.extend(covered)
        asked.requests.append(
            dg.RunRequest(
                run_key=f"{started_by}:{first}..{last}@{reasons}",
                run_config=run_config,
                tags={**range_tags(first, last), STARTED_BY_TAG: started_by},
                asset_selection=[dg.AssetKey(asset) for asset in assets],
            )
        )
    return asked


def fingerprint(texts: Iterable[object]) -> str:
    """32 hex digits that differ when the texts do."""
    return sha256(json.dumps([str(text) for text in texts]).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Tried:
    """A shard that a run was started for. ``next_s``: when the same reason is a reason again."""

    reason: str
    tries: int
    next_s: float


@dataclass(frozen=True, kw_only=True)
class Patience:
    """A sensor's memory: what did not help is tried again after 1, 2, 4 ... times ``first_s``, at most a day."""

    first_s: float
    tried: Mapping[str, Tried]

    @classmethod
    def read(cls, cursor: str | None, *, first_s: float) -> "Patience":
        """What earlier looks wrote; nothing if this cannot be read: then everything is tried at once."""
        try:
            tried = {key: Tried(*values) for key, values in json.loads(cursor or "{}").items()}
        except (ValueError, TypeError, AttributeError):
            tried = {}
        return cls(first_s=first_s, tried=tried)

    def due(self, reasons: Mapping[str, str], now_s: float) -> dict[str, str]:
        """Shards whose turn it is, each with a text that names reason and try."""
        due: dict[str, str] = {}
        for key, reason in reasons.items():
            before = self.tried.get(key)
            if before is None or before.reason != reason:
                due[key] = f"{reason}/0"
            elif before.next_s <= now_s:
                due[key] = f"{reason}/{before.tries}"
        return due

    def after(self, asked: Collection[str], reasons: Mapping[str, str], now_s: float) -> str:
        """The memory to keep once runs were asked for: of shards that still have a reason."""
        kept = {key: before for key, before in self.tried.items() if key in reasons}
        for key in asked:
            before = kept.get(key)
            tries = before.tries + 1 if before is not None and before.reason == reasons[key] else 1
            wait_s = min(_LONGEST_PATIENCE_S, self.first_s * 2 ** min(tries - 1, 20))
            kept[key] = Tried(reasons[key], tries, now_s + wait_s)
        return json.dumps({key: astuple(one) for key, one in kept.items()})
