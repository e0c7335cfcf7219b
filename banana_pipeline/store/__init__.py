"""What is remembered: the ledger, prompt tables, output tables, pictures. Knows neither HTTP nor Dagster."""
