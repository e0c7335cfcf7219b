"""A sensor that looks time after time, as the daemon lets it. Here: looking. Not here: facts; the tests state those."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from banana_pipeline.defs.partitions import RANGE_END_TAG, RANGE_START_TAG, range_tags
from banana_pipeline_tests.defs.world import World


@dataclass(kw_only=True)
class Watch:
    """The sensor and its memory, one look after the other."""

    sensor: dg.SensorDefinition
    world: World
    cursor: str | None = None

    def resources(self) -> dict[str, Any]:
        return self.world.resources

    def look(self) -> dg.SensorResult:
        own = {"instance": self.world.instance, "cursor": self.cursor, "resources": self.resources()}
        with dg.build_sensor_context(**own) as context:
            result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def reason(self) -> str:
        """Why a look started nothing."""
        skipped = self.look().skip_reason
        return "" if skipped is None else str(skipped.skip_message)

    def requests(self) -> list[dg.RunRequest]:
        return list(self.look().run_requests or [])

    def ranges(self) -> list[tuple[str, str]]:
        return [range_of(request) for request in self.requests()]

    def run_keys(self) -> list[str | None]:
        return [request.run_key for request in self.requests()]

    def started(self, first: str, last: str) -> dg.DagsterRun:
        """A run over a range of shards that Dagster believes to be under way."""
        return self.world.instance.create_run_for_job(
            self.world.definitions().resolve_job_def("generate_images"),
            status=dg.DagsterRunStatus.STARTED,
            tags=range_tags(first, last),
        )


def range_of(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]
