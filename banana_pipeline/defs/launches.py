"""Which runs belong together: those that one command, one backfill or one run with its retries has started.

Lives here: reading that from a run's tags. Does not live here: the budget that they share (``store.ledger_money``).
"""

import dagster as dg

LAUNCH_TAG = "banana/launch"
"""Names what a run was started by. Runs with the same name share the budget that each of them was given."""

# Dagster's own: a backfill over several ranges is several runs, and a run that is tried again has a new id.
_DAGSTER_TAGS = ("dagster/backfill", "dagster/root_run_id")


def launch_of(run: dg.DagsterRun) -> str | None:
    """The name under which a run's budget is counted; None where it is alone."""
    return next((run.tags[name] for name in (LAUNCH_TAG, *_DAGSTER_TAGS) if run.tags.get(name)), None)
