"""Outputs that follow ``generations`` by themselves: ``images``, ``generation_report`` and ``gallery``.

Lives here: Dagster's declarative conditions for them, and the sensor that evaluates them. Does not live here: the
assets.

Dagster's ready-made `eager()` also looks for missing inputs over all shards, which takes seconds for each edge at
25,000 of them. What follows here looks at updates alone.
"""

from collections.abc import Mapping

import dagster as dg

_FOLLOW = dg.AutomationCondition.any_deps_updated().since_last_handled() & ~dg.AutomationCondition.in_progress()

CONDITIONS: Mapping[str, dg.AutomationCondition] = {
    "images": _FOLLOW.with_label("new generations"),
    "generation_report": _FOLLOW.with_label("new generations or images"),
    "gallery": _FOLLOW.with_label("new generations or images"),
}
"""When each asset is made by itself."""


def following(spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset with the condition under which it follows, if it has one."""
    condition = CONDITIONS.get(spec.key.to_user_string())
    return spec if condition is None else spec.replace_attributes(automation_condition=condition)


following_sensor = dg.AutomationConditionSensorDefinition(
    "following_sensor",
    target=dg.AssetSelection.from_string(" or ".join(f'key:"{name}"' for name in CONDITIONS)),
    default_status=dg.DefaultSensorStatus.STOPPED,
    # Not oftener: while a long run ends shard after shard, each look would start a report of its own.
    minimum_interval_seconds=300,
    description=(
        "Makes 'images', 'generation_report' and 'gallery' anew when 'generations' has changed. Turning it on costs no "
        "credits."
    ),
)
