"""``banana emulator``: switches on the command line to the emulator's configuration.

Lives here: reading switches. Does not live here: the emulator.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from banana_pipeline.core.failures import SettingsError
from banana_pipeline.emulator import EmulatorConfig, Faults, serve
from banana_pipeline.kie.pace import parse_rate


def emulator_config(
    *,
    keys: tuple[str, ...],
    rate_limit: str,
    faults: tuple[str, ...],
    opening_credits: float,
    latency_s: tuple[float, float],
    fail_share: float,
    real_statuses: bool,
    seed: int,
    books: Path | None,
) -> EmulatorConfig:
    """The configuration that the switches describe.

    Raises:
        SettingsError: a switch has a value that cannot be obeyed.
    """
    limit = None if rate_limit.lower() == "none" else parse_rate(rate_limit)
    try:
        return EmulatorConfig(
            keys=keys or None,
            opening_credits=opening_credits,
            rate_limit=None if limit is None else limit.count,
            rate_window_s=10.0 if limit is None else limit.window_s,
            latency_s=latency_s,
            fail_share=fail_share,
            has_real_statuses=real_statuses,
            seed=seed,
            books_path=books,
            faults=Faults(**dict(_fault(text) for text in faults)),
        )
    except (ValueError, TypeError) as error:
        raise SettingsError(f"The emulator cannot be set up like this: {error}.") from error


def serve_emulator(config: EmulatorConfig, *, host: str, port: int) -> None:
    """Serve until Ctrl-C.

    Raises:
        SettingsError: the books cannot be kept where they should be.
    """
    try:
        serve(config, host=host, port=port)
    except sqlite3.Error as error:
        raise SettingsError(
            f"The books {config.books_path} cannot be used ({error}); name another file with --books."
        ) from error


def _fault(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise SettingsError(f"--fault is {text!r}; write it as name=number, such as lost_answer_share=0.02.") from error
