"""Which authorities are trusted to say who a server is.

Lives here: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, and a sentence for each way in which they cannot be used. Does not
live here: the sentence for a server that is not trusted (``kie.errors_of_http``).
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

import httpx

from banana_pipeline.core.failures import SettingsError

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


def ssl_context() -> ssl.SSLContext:
    """Trusts the authorities of the two variables, else those of the package certifi.

    Raises:
        SettingsError: a variable names what cannot be used.
    """
    file, folders = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if file is None and folders is not None:
        _check_folders(folders)  # beside a file it may say what it likes: many systems set it to what is not there
    if file is None and folders is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file, capath=folders)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise SettingsError(f"SSL_CERT_FILE is {file!r}, {_why_not(error)}; {_WAY_OUT}") from error


_WAY_OUT = "set it to a PEM file with the certificates of the authorities to trust, or leave it out"


def _why_not(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        return "which holds no certificate in PEM form"
    return f"which cannot be read ({error.strerror or error})"


def _check_folders(folders: str) -> None:
    found = [Path(folder) for folder in folders.split(os.pathsep) if Path(folder).is_dir()]
    if not found:
        raise SettingsError(f"SSL_CERT_DIR is {folders!r}, which is no folder; set it to a folder, or leave it out")
    try:
        names = [path.name for folder in found for path in folder.iterdir()]
    except OSError as error:
        raise SettingsError(f"SSL_CERT_DIR is {folders!r}, which cannot be read ({error.strerror})") from error
    if not any(_HASHED_NAME.fullmatch(name) for name in names):
        raise SettingsError(
            f"SSL_CERT_DIR is {folders!r}, which holds no certificates under the names OpenSSL looks for; run "
            "`openssl rehash` on it, or set SSL_CERT_FILE to one PEM file"
        )
