"""The sensor for what is paid and not yet collected.

Lives here: which shards have open orders that no run works on, and asking for runs that only collect. Does not live
here: the question to the ledger (``store.ledger_unfinished``), collecting (``generate``).
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from banana_pipeline.core.requests import account_name
from banana_pipeline.core.shards import parse_key
from banana_pipeline.defs.automation import generate_images
from banana_pipeline.defs.resources import FilesResource, KieResource, LedgerResource
from banana_pipeline.defs.sensor_runs import LOOK_S, Patience, ask_for_runs, fingerprint
from banana_pipeline.store.ledger_open import ledger_exists
from banana_pipeline.store.ledger_unfinished import OpenOrders, ended_runs, living_owners, open_orders
from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS
from banana_pipeline.store.shard_states import states_of

COLLECTING = {"ops": {"buy_generations": {"config": {"collect_only": True}}}}
_SETTLED_AFTER = timedelta(minutes=1)
_KEPT_BY_KIE = timedelta(days=60)
_FIRST_PATIENCE_S = 120.0


@dg.sensor(
    job=generate_images,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Looks in the ledger for orders that no run works on any more (after a crash, a stop, --no-wait, or overdue) "
        "and starts runs that collect them. Turning it on spends nothing: these runs buy nothing new."
    ),
)
def unfinished_generations_sensor(
    context: dg.SensorEvaluationContext, files: FilesResource, ledger: LedgerResource, kie: KieResource
) -> dg.SensorResult:
    now_s = time.time()
    patience = Patience.read(context.cursor, first_s=_FIRST_PATIENCE_S)
    orders, ended = _orders(files, ledger, kie)
    reasons = _rows_that_wait(files, kie)
    reasons |= {key: fingerprint((one.run_id, one.orders, one.newest) for one in own) for key, own in _by_shard(orders)}
    lost = _without_prompts(files, [key for key in reasons if key not in patience.tried])
    if lost:
        context.log.warning(
            f"Orders are open in shards that have no 'prompts' output: {', '.join(lost[:5])}. Run them."
        )
    reasons = {key: reason for key, reason in reasons.items() if key not in lost}
    asked = ask_for_runs(
        context.instance,
        patience.due(reasons, now_s),
        started_by="unfinished_generations",
        assets=[GENERATIONS, IMAGES],
        run_config=COLLECTING,
        ended=ended,
    )
    skip = None if asked.requests else _nothing(len(reasons), asked.busy_count)
    cursor = patience.after(asked.shards, reasons, now_s)
    return dg.SensorResult(run_requests=asked.requests, skip_reason=skip, cursor=cursor)


def _nothing(waiting: int, busy: int) -> str:
    if not waiting:
        return "no orders wait to be collected"
    return (
        f"{waiting} shards have open orders; runs work on them or have just tried ({busy} shards are being worked on)"
    )


def _orders(files: FilesResource, ledger: LedgerResource, kie: KieResource) -> tuple[list[OpenOrders], set[str]]:
    """Open orders that no living process looks after, and those of their runs that are over whatever Dagster knows."""
    accounts = [account_name(key) for key in kie.key_list]
    if not accounts or not ledger_exists(ledger.url):
        return [], set()
    now = datetime.now(UTC)
    with ledger.open() as writer:
        orders = writer.call(
            open_orders,
            service=kie.service,
            accounts=accounts,
            shard_rows=files.shard_rows,
            since=now - _KEPT_BY_KIE,
            until=now - _SETTLED_AFTER,
        )
        living = writer.call(living_owners, writer.presence, orders)
    return [one for one in orders if one.owner not in living], ended_runs(orders, living)


def _rows_that_wait(files: FilesResource, kie: KieResource) -> dict[str, str]:
    """Shards with rows that another shard has ordered: the ledger counts that order there."""
    states = states_of(files.data_dir, kie.max_attempts).look(budget_s=LOOK_S).states
    return {shard.key: f"{state.waiting} rows wait" for shard, state in states.items() if state.waiting}


def _by_shard(orders: Sequence[OpenOrders]) -> list[tuple[str, list[OpenOrders]]]:
    found: dict[str, list[OpenOrders]] = {}
    for one in orders:
        found.setdefault(one.shard.key, []).append(one)
    return [(key, sorted(own, key=lambda one: (one.run_id, one.newest))) for key, own in found.items()]


def _without_prompts(files: FilesResource, keys: Sequence[str]) -> list[str]:
    """Shards whose orders cannot be collected: what was asked for is no longer written anywhere."""
    warehouse = files.warehouse
    return [key for key in keys if not warehouse.exists(PROMPTS, parse_key(key))]
