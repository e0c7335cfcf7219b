"""The settings that are places: folders, the ledger's URL, Dagster's home.

Lives here: from their text in the environment to a path or a URL, and the sentence for each that cannot be used. Does
not live here: the other settings (``settings``), how a place is spelt (``store.places``, ``store.ledger_place``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from upath import UPath

from banana_pipeline.core.failures import LedgerError, SettingsError
from banana_pipeline.core.setting_text import setting, shown_value
from banana_pipeline.store.files import check_place, is_local
from banana_pipeline.store.ledger_place import ledger_place, sqlite_url
from banana_pipeline.store.places import WEB, place_of


def folder(environ: Mapping[str, str], name: str, default: str) -> UPath:
    """The folder that a setting names, absolute.

    Raises:
        SettingsError: it names none that outputs can be written to, or what is needed to reach it is not installed.
    """
    text = setting(environ, name) or default
    try:
        path = place_of(text)
        if path.protocol in {*WEB, "memory"}:
            raise ValueError("cannot be written; write a folder, or a URI such as s3://bucket/folder")
        str(path).encode()
    except UnicodeEncodeError as error:
        raise SettingsError(f"{name} is in a folder whose name is not UTF-8; set it to another folder") from error
    except ValueError as error:
        raise SettingsError(f"{name} is {shown_value(text)}, which {error}") from error
    try:
        check_place(path)
    except SettingsError as error:
        raise SettingsError(f"{name} cannot be used: {error}") from error
    return path


def is_anchored(environ: Mapping[str, str], name: str) -> bool:
    """Does a folder's text mean the same wherever a program is started?"""
    text = setting(environ, name) or "data"
    return "://" in text or text.lower().startswith("file:/") or Path(text).is_absolute() or text.startswith("~")


def require_folder(path: Path) -> None:
    """A folder named from the working folder must be there: one made here would hold a ledger that knows of nothing.

    Raises:
        SettingsError: it is not.
    """
    if not path.is_dir():
        raise SettingsError(
            f"There is no data folder {path}; make it if this is the first run, or set BANANA_DATA_DIR to the absolute "
            "path of the one that earlier runs used, because with another ledger everything would be bought again"
        )


def dagster_home(environ: Mapping[str, str]) -> Path | None:
    """Where Dagster keeps runs and events; None where nothing is said.

    Raises:
        SettingsError: it is relative, or no folder.
    """
    name = "DAGSTER_HOME"
    text = setting(environ, name)
    if text is None:
        return None
    if not is_anchored({"": text}, ""):
        raise SettingsError(f"{name} is {text!r}; write the absolute path, such as {Path(text).absolute()}")
    home = folder(environ, name, text)
    if not is_local(home):
        raise SettingsError(f"{name} is {text!r}; write a folder of this machine")
    path = Path(home.path)
    if path.exists() and not path.is_dir():
        raise SettingsError(f"{name} is {text!r}, which is a file; write the path of a folder")
    return path


def ledger_url(environ: Mapping[str, str]) -> str | None:
    """The ledger that is asked for; None where nothing is said.

    Raises:
        SettingsError: it could not be found again.
    """
    text = setting(environ, "BANANA_LEDGER_URL", is_secret=True)
    try:
        return None if text is None else ledger_place(text).render_as_string(hide_password=False)
    except LedgerError as error:
        raise SettingsError(str(error)) from error


def ledger_default(data_dir: UPath) -> str:
    """The ledger in the data folder.

    Raises:
        SettingsError: an object store cannot hold one.
    """
    if not is_local(data_dir):
        raise SettingsError(
            f"BANANA_DATA_DIR is {data_dir}, which cannot hold a ledger; set BANANA_LEDGER_URL to "
            "sqlite:////a/local/file.sqlite or postgresql+psycopg://user@host/database"
        )
    return sqlite_url(f"{data_dir.path}/ledger.sqlite")
