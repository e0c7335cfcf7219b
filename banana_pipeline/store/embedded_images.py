"""Reference images whose bytes stand in a prompt table: kept once per content until they are uploaded.

Lives here: their names and places under ``<data>/reference``. Does not live here: checking them and files
(``references``), uploading (``uploads``).

A table is read in one step and its pictures are uploaded in another, often on another machine and after a crash. Found
again in the table they would cost a pass over a whole row group for each; here they are files like any other reference.
"""

import hashlib
import re

from upath import UPath

from banana_pipeline.core.failures import BananaError, ReadFailed
from banana_pipeline.core.requests import ReferenceImage
from banana_pipeline.store.files import read_bytes, write_bytes

_NAME = re.compile(r"\.embedded/[0-9a-f]{64}\.(?:png|jpg|webp)")


def embedded_name(sha256: str, data: bytes) -> str:
    """Where a picture is kept, relative to ``<data>/reference``."""
    ending = "png" if data.startswith(b"\x89PNG") else "jpg" if data.startswith(b"\xff\xd8") else "webp"
    return f".embedded/{sha256}.{ending}"


def is_embedded(image: ReferenceImage) -> bool:
    """True for a reference that `embedded_name` named."""
    return image.is_local and _NAME.fullmatch(image.source) is not None


def keep_embedded(path: UPath, data: bytes) -> None:
    """Put a picture at its place, if it is not there unharmed.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        is_there = read_bytes(path) == data
    except OSError:
        is_there = False
    if not is_there:
        # Not durable: it is made again at no cost whenever the table is read.
        write_bytes(path, data, is_durable=False)


def read_embedded(image: ReferenceImage, kept_in: UPath) -> bytes:
    """The bytes of a kept picture.

    Raises:
        ReadFailed: it is gone or changed.
    """
    try:
        data = read_bytes(kept_in / image.source)
    except (OSError, BananaError) as error:
        reason = f"cannot be read ({error})"
    else:
        if hashlib.sha256(data).hexdigest() == image.sha256:
            return data
        reason = "has changed"
    raise ReadFailed(f"the picture {image.source} of the table {reason}; materialize the prompts again")
