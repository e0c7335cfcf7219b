"""Tests of the values and decisions: pure, quick, without any file or socket."""
