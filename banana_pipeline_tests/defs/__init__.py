"""The Dagster side: real runs on throw-away instances against the emulator."""
