"""The only Dagster code: partitions, resources, assets, checks, automation. Bodies are short; the work is elsewhere."""
