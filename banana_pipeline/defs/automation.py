"""The job that sensors, schedules and the command line start.

Lives here: its name and what it makes. Does not live here: what starts it (``sensor_*``, ``schedules``), what runs do.
"""

import dagster as dg

from banana_pipeline.store.schemas import GENERATIONS, IMAGES, PROMPTS, REJECTED

JOB_NAME = "generate_images"

generate_images = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets(PROMPTS, REJECTED, GENERATIONS, IMAGES, "generation_report", "gallery"),
    description="From prompt tables to a gallery: reads, buys what was never bought, downloads, reports, shows.",
)
