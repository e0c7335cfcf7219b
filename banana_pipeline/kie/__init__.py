"""KIE over HTTP. Knows httpx and KIE's JSON; not files, not databases, not Dagster."""
