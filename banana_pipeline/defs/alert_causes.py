"""What is worth an alert now, each cause with its text.

Lives here: asking KIE, the ledger and the output files, and the words. Does not live here: who is told
(``sensor_alerts``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from banana_pipeline.core.attempts import Attempt
from banana_pipeline.core.failures import LedgerError
from banana_pipeline.core.timing import PICTURE_AT_RISK_S
from banana_pipeline.core.told import sentence_of
from banana_pipeline.defs.balances import ask_balances
from banana_pipeline.defs.resources import FilesResource, KieResource, LedgerResource
from banana_pipeline.defs.sensor_runs import LOOK_S, silent_runs
from banana_pipeline.store import ledger_evidence
from banana_pipeline.store.ledger_open import ledger_exists
from banana_pipeline.store.schemas import IMAGES
from banana_pipeline.store.shard_states import states_of

_CALLBACK_WITHIN = timedelta(minutes=15)


@dataclass(kw_only=True)
class Causes:
    """Texts by cause. ``unknown``: kinds of causes that could not be looked into: what was told of them stays told."""

    texts: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def is_known(self, cause: str) -> bool:
        return cause.split(":", 1)[0] not in self.unknown


def causes(
    instance: dg.DagsterInstance,
    files: FilesResource,
    ledger: LedgerResource,
    kie: KieResource,
    *,
    below_credits: float | None,
) -> Causes:
    """Everything that a person should be told of now."""
    found = Causes()
    looks: dict[str, tuple[set[str], Callable[[], None]]] = {
        "runs": ({"silent"}, lambda: _runs(found, instance)),
        "pictures": ({"vanishing"}, lambda: _pictures(found, files, kie)),
        "orders": ({"unconfirmed"}, lambda: _orders(found, ledger, kie)),
        "balances": ({"credits", "key"}, lambda: _balances(found, kie, below_credits)),
    }
    for what, (kinds, look) in looks.items():
        try:
            look()
        except Exception as error:  # the other causes are worth an alert all the same
            found.unknown |= kinds
            found.texts[f"look:{what}"] = f"Alerts about {what} do not work: {sentence_of(error)}"
    return found


def _runs(found: Causes, instance: dg.DagsterInstance) -> None:
    for run in silent_runs(instance):
        found.texts[f"silent:{run.run_id}"] = (
            f"Dagster run {run.run_id[:8]} is shown as under way and has said nothing for two hours; its process is "
            "probably gone. Terminate it in the UI (force it), or it may keep other runs in the queue for ever."
        )


def _pictures(found: Causes, files: FilesResource, kie: KieResource) -> None:
    look = states_of(files.data_dir, kie.max_attempts).look(budget_s=LOOK_S)
    if look.unseen:
        found.unknown.add("vanishing")
    until = datetime.now(UTC) - timedelta(seconds=PICTURE_AT_RISK_S)
    for shard, state in look.states.items():
        if state.oldest_at is not None and state.oldest_at < until:
            found.texts[f"vanishing:{shard.table}"] = (
                f"Pictures of table {shard.table!r} (first in shard {shard.key}) were made over 20 hours ago and are "
                f"not archived; KIE deletes them soon. Materialize {IMAGES!r} for its shards now, or turn on "
                "unarchived_images_sensor. It costs no credits."
            )


def _orders(found: Causes, ledger: LedgerResource, kie: KieResource) -> None:
    try:
        if not ledger_exists(ledger.url):
            return
        with ledger.open() as writer:
            lost: list[Attempt] = writer.call(ledger_evidence.unconfirmed)
    except LedgerError as error:
        found.unknown.add("unconfirmed")
        found.texts["ledger"] = f"The ledger does not work, so nothing is bought or collected. {error}"
        return
    until = datetime.now(UTC) - (_CALLBACK_WITHIN if kie.callback_url else timedelta())
    for table, own in _by_table(one for one in lost if one.service == kie.service and one.claimed_at < until).items():
        credits_sum = sum(one.price_credits for one in own)
        found.texts[f"unconfirmed:{table}:{own[-1].attempt_id}"] = (
            f"{len(own)} orders of table {table!r} have lost their answer; KIE may have charged {credits_sum:,.10g} "
            f"credits for them. No run sends them again: run 'banana resolve {table}' to see the evidence and "
            "settle them."
        )


def _by_table(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for one in attempts:
        found.setdefault(one.prompt_table, []).append(one)
    return found


def _balances(found: Causes, kie: KieResource, below_credits: float | None) -> None:
    for one in ask_balances(kie):
        if one.refused is not None:
            found.texts[f"key:{one.account}"] = (
                f"KIE does not accept the key of account {one.account} ({one.refused}); nothing is bought or collected "
                "with it. Check KIE_API_KEY, then restart Dagster."
            )
        elif one.credits is None:
            found.unknown |= {"credits", "key"}
        elif below_credits is not None and one.credits < below_credits:
            found.texts[f"credits:{one.account}"] = (
                f"Account {one.account} has {one.credits:,.10g} credits left, less than {below_credits:,.10g}. Top it "
                "up at kie.ai; until then rows without credits stay not_submitted, and a later run buys them."
            )
