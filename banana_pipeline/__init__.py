"""Prompt tables in, images and a trustworthy dataset out: a Dagster project for the KIE image API."""
