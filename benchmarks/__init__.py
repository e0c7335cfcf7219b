"""Measurements, each beside a baseline in the same run. Nothing here is a test: machines differ, ratios last."""
