"""Everything Dagster loads.

Lives here: putting assets, checks, jobs, sensors and resources together. Does not live here: any of them.
"""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from banana_pipeline.core.setting_text import api_keys, setting
from banana_pipeline.settings import Settings, is_kie, read_settings
from banana_pipeline.store.places import place_text

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from banana_pipeline.defs.automation import generate_images  # noqa: E402
from banana_pipeline.defs.checks import CHECKS  # noqa: E402
from banana_pipeline.defs.gallery import gallery  # noqa: E402
from banana_pipeline.defs.generations import buy_generations  # noqa: E402
from banana_pipeline.defs.images import archive_images  # noqa: E402
from banana_pipeline.defs.prompts import prompt_tables, read_prompts  # noqa: E402
from banana_pipeline.defs.report import generation_report  # noqa: E402
from banana_pipeline.defs.resources import (  # noqa: E402
    AlertsResource,
    FilesResource,
    KieResource,
    LedgerResource,
    logging_progress,
)
from banana_pipeline.defs.schedules import daily_report, daily_report_schedule, retry_schedule  # noqa: E402
from banana_pipeline.defs.sensor_alerts import alerts_sensor, run_failure_alert  # noqa: E402
from banana_pipeline.defs.sensor_archive import unarchived_images_sensor  # noqa: E402
from banana_pipeline.defs.sensor_following import following, following_sensor  # noqa: E402
from banana_pipeline.defs.sensor_tables import prompt_tables_sensor  # noqa: E402
from banana_pipeline.defs.sensor_unfinished import unfinished_generations_sensor  # noqa: E402


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, with resources from the environment.

    Args:
        resource_overrides: resources to use in place of those from the environment, by name: ``kie``, ``files``,
            ``ledger``, ``progress``, ``alerts``.

    Raises:
        SettingsError: an environment variable cannot be used.
    """
    settings = read_settings(os.environ)
    buying = buy_generations.map_asset_specs(lambda spec: _named_service(spec, settings))
    return dg.Definitions(
        assets=[prompt_tables, read_prompts, buying, *_following_assets()],
        asset_checks=CHECKS,
        jobs=[generate_images, daily_report],
        schedules=[retry_schedule, daily_report_schedule],
        sensors=[
            prompt_tables_sensor,
            unfinished_generations_sensor,
            unarchived_images_sensor,
            following_sensor,
            run_failure_alert,
            alerts_sensor,
        ],
        resources={**_resources(settings), **(resource_overrides or {})},
        # One process holds all connections and the pace of a run; a process per step would only cost start-up time.
        executor=dg.in_process_executor,
    )


def _following_assets() -> list[dg.AssetsDefinition]:
    return [asset.map_asset_specs(following) for asset in (archive_images, generation_report, gallery)]


def _named_service(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """Where orders go, for everyone to see who is about to start them in the UI."""
    if is_kie(settings.base_url):
        return spec
    note = f"**Not the real KIE**: orders go to {settings.base_url}, and nothing there costs KIE credits."
    return spec.replace_attributes(description=f"{note}\n\n{spec.description}")


def _resources(settings: Settings) -> dict[str, Any]:
    has_ledger_url = setting(os.environ, "BANANA_LEDGER_URL", is_secret=True) is not None
    return {
        "kie": KieResource(
            api_keys=_api_keys(),
            base_url=settings.base_url,
            upload_base_url=settings.upload_base_url,
            rate_limit=f"{settings.rate_limit.count}/{settings.rate_limit.window_s:g}s",
            max_in_flight=settings.max_in_flight,
            deadline_s=settings.deadline_s,
            max_attempts=settings.max_attempts,
            max_credits_per_day=settings.max_credits_per_day,
            callback_url=settings.callback_url,
        ),
        "ledger": LedgerResource(
            url=dg.EnvVar("BANANA_LEDGER_URL") if has_ledger_url else settings.ledger_url,
            must_find_folder=settings.must_find_data_dir,
        ),
        "files": FilesResource(
            data_dir=place_text(settings.data_dir),
            prompts_dir=place_text(settings.prompts_dir),
            shard_rows=settings.shard_rows,
        ),
        "alerts": AlertsResource(
            webhook_url=dg.EnvVar("BANANA_ALERT_WEBHOOK_URL") if settings.alert_webhook_url else "",
            below_credits=settings.alert_below_credits,
        ),
        "progress": dg.ResourceDefinition(resource_fn=logging_progress),
    }


def _api_keys() -> str:
    """Only the name of the variable is known to Dagster; the key itself is read when a run starts.

    Without a key everything that costs nothing still works, and the paid step says in words what is missing.
    """
    names = [name for name in ("KIE_API_KEYS", "KIE_API_KEY") if api_keys(os.environ.get(name) or "", name)]
    return dg.EnvVar(names[0]) if names else ""


defs = build_defs()
