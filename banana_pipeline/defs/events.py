"""Telling Dagster about one shard at a time.

Lives here: the materialization of a single shard in a run over many, as soon as it is written, with its own metadata
and data version. Does not live here: what the metadata says (each asset).

Why not leave it to Dagster: for a run over many partitions it reports all of them together at the end of the step, with
one data version for all. So the step's own report is switched off (`quiet_output`) and each shard is reported here.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from banana_pipeline.core.failures import UserError
from banana_pipeline.core.told import is_stop, leaves, sentences_of

CODE_VERSION = "2"
GROUP = "banana"


@contextlib.contextmanager
def told_in_words() -> Iterator[None]:
    """A user's mistake ends the step with its sentence and without retries; any other single error passes through.

    A group of errors, as concurrent tasks raise them, ends the step with the sentence of each. If one of them is a
    request to stop, the step is stopped.
    """
    try:
        yield
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except BaseExceptionGroup as group:
        found, told = list(leaves(group)), " ".join(sentences_of(group))
        for one in found:
            if isinstance(one, KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
                raise type(one)(told) from group
        if not told:  # nothing but tasks that were cancelled
            raise
        is_mistake = all(isinstance(one, UserError) or is_stop(one) for one in found)
        raise dg.Failure(told, allow_retries=not is_mistake) from group


def report_shard(
    context: dg.AssetExecutionContext,
    asset: str,
    shard_key: str,
    *,
    data_version: str,
    inputs: Mapping[str, str],
    metadata: Mapping[str, Any],
) -> None:
    """Record that a shard of an asset was written.

    Args:
        data_version: hash of what was written.
        inputs: data version of each asset it was made from, so that Dagster knows when it is out of date.
    """
    tags = {
        "dagster/data_version": data_version,
        "dagster/data_version_is_user_provided": "true",
        "dagster/code_version": CODE_VERSION,
        **{f"dagster/input_data_version/{key}": version for key, version in inputs.items()},
        # For partitions Dagster looks at what happened to the input after this event, and compares versions there.
        **{f"dagster/input_event_pointer/{key}": _latest_event(context, key, shard_key) for key in inputs},
    }
    context.log_event(dg.AssetMaterialization(asset, partition=shard_key, metadata=metadata, tags=tags))


def _latest_event(context: dg.AssetExecutionContext, asset: str, shard_key: str) -> str:
    record = context.instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=shard_key)
    return "NULL" if record is None else str(record.storage_id)


def report_source(context: dg.AssetExecutionContext, asset: str, shard_key: str, data_version: str) -> None:
    """Record which version of a source a shard was made from, so that the shard is out of date when it changes."""
    tags = {"dagster/data_version": data_version}
    context.log_event(dg.AssetObservation(asset, partition=shard_key, tags=tags))


def quiet_output(asset: str) -> dg.Output[None]:
    """Ends the step for downstream assets without a second report of every shard.

    The metadata key is Dagster's own way to say "the body has reported already"; a test holds it to that.
    """
    return dg.Output(None, output_name=asset, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})
