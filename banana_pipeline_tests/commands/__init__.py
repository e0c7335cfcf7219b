"""Tests of the command line's parts that need no Dagster run."""
