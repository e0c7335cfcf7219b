"""Seconds until pages of the Dagster UI show what they are for, at 25 and at 25,000 shards, in Chromium.

A real instance with a materialization of ``generations`` for every shard, a real web server, a real browser. Each page
is opened three times; the first time the web server has not seen it.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg
import httpx

from banana_pipeline.core.shards import Shard
from banana_pipeline.defs.partitions import register_shards
from banana_pipeline_tests.browser import Browser, open_browser

SHARDS_PER_TABLE = 25
TABLES = (1, 1_000)
PAGES = {
    "lineage": ("/asset-groups", "generation_report"),
    "generations, overview": ("/assets/generations", "rows_succeeded"),
    "generations, shards": ("/assets/generations?view=partitions", "Partitions Selected"),
    "generations, one shard": ("/assets/generations?view=partitions&partition=table-0000.0007", "rows_succeeded"),
}


def main() -> None:
    """Measure every page at both sizes and print the seconds."""
    found: dict[str, list[list[float]]] = {page: [] for page in PAGES}
    for tables in TABLES:
        with tempfile.TemporaryDirectory() as name:
            for page, seconds in _measured(Path(name), tables).items():
                found[page].append(seconds)
    sizes = [f"{tables * SHARDS_PER_TABLE:,} shards" for tables in TABLES]
    print(f"{'':24} {sizes[0]:>24} {sizes[1]:>24} {'ratio of medians':>18}")
    for page, (few, many) in found.items():
        shown = [", ".join(f"{one:.1f}" for one in seconds) + " s" for seconds in (few, many)]
        print(f"{page:24} {shown[0]:>24} {shown[1]:>24} {sorted(many)[1] / sorted(few)[1]:18.1f}")


def _measured(folder: Path, tables: int) -> dict[str, list[float]]:
    home = folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    _fill(home, tables)
    port = _free_port()
    command = [sys.executable, "-m", "dagster_webserver", "-m", "banana_pipeline.definitions", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "BANANA_DATA_DIR": str(folder), "KIE_API_KEY": "benchmark"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _await(port)
        with open_browser(folder) as browser:
            browser.resize(1500, 3000)
            return {page: [_opened(browser, port, *what) for _ in range(3)] for page, what in PAGES.items()}
    finally:
        server.terminate()
        server.wait()


def _fill(home: Path, tables: int) -> None:
    keys = [Shard(table=f"table-{t:04}", index=index).key for t in range(tables) for index in range(SHARDS_PER_TABLE)]
    metadata = {"dagster/partition_row_count": 2_000, "rows_succeeded": 1_990, "credits": 36_000.0, "cost_usd": 180.0}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        register_shards(instance, keys)
        for key in keys:
            instance.report_runless_asset_event(
                dg.AssetMaterialization("generations", partition=key, metadata=metadata)
            )


def _opened(browser: Browser, port: int, path: str, text: str) -> float:
    """Seconds until a text stands on a page that was opened afresh."""
    browser.driver.get("about:blank")
    started_s = time.monotonic()
    browser.driver.get(f"http://127.0.0.1:{port}{path}")
    browser.wait(f"document.body.innerText.includes({text!r})", timeout_s=120)
    return time.monotonic() - started_s


def _await(port: int) -> None:
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        try:
            httpx.get(f"http://127.0.0.1:{port}/server_info", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    sys.exit("the web server did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
