"""One place, one spelling: what a person writes for a folder or a file, as a path.

Lives here: local paths, ``file:`` URIs and the URIs of object stores, in the one form in which everything else keeps
them. Does not live here: reading and writing there (``files``), what a table is (``tables``).

Two spellings of one place would be two warehouses, and two ledgers.
"""

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from upath import UPath
from upath.registry import available_implementations

from banana_pipeline.store.files import as_location

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")
_SPELLINGS = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs", "local": "file"}
_AZURE = "dfs.core.windows.net"
WEB = ("http", "https")


def place_of(text: str) -> UPath:
    """The place that ``text`` means: an absolute path of this machine, or a URI without empty steps.

    ``~`` is the home folder; ``file:`` URIs are the paths they stand for; ``s3a`` is ``s3``, and so on.

    Raises:
        ValueError: it means no place; the text is the end of a sentence that begins with what was written.
    """
    scheme = _SCHEME.match(text)
    if scheme is None or not text[scheme.end() :].startswith(("/", ":")):
        return _local(text)
    name = scheme[1].lower()
    rest = text[scheme.end() :]
    if rest.startswith(":"):
        raise ValueError("is a chain of file systems; write the place itself, such as s3://bucket/folder")
    if _SPELLINGS.get(name, name) == "file":
        return _file(rest)
    if _SPELLINGS.get(name, name) not in available_implementations():
        raise ValueError(f"begins with {scheme[0]}, which is not known; write a folder, or a URI such as s3://bucket/x")
    if not rest.startswith("//"):
        raise ValueError(f"has one slash after {scheme[0]}; write {name}://{rest.lstrip('/')}")
    return _web(text, name) if name in WEB else _remote(name, rest.removeprefix("//"))


def place_text(place: UPath) -> str:
    """The text that `place_of` makes this place of again, with the Azure account that a path's own text leaves out."""
    account = place.storage_options.get("account_name") if place.protocol == "abfs" else None
    if account is None:
        return str(place)
    container, _, rest = place.path.partition("/")
    return f"abfs://{container}@{account}.{_AZURE}/{rest}"


def shown_text(text: str) -> str:
    """A name or path that every terminal and file can take: what is not UTF-8 or has no form is escaped."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(it if it.isprintable() else repr(it)[1:-1] for it in clean)


def shown_place(place: UPath) -> str:
    """How a sentence names a place: without the query of a web address, which may be a signature."""
    text = as_location(place)
    return shown_text(text.split("?")[0] if place.protocol in WEB else text)


def _local(text: str) -> UPath:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("begins with ~ and a name that no user here has; write the folder itself") from error
    if "\0" in text:
        raise ValueError("holds a zero byte, which no path has; write the folder itself")
    if os.name == "posix" and str(path).startswith("//"):
        path = Path("/" + str(path).lstrip("/"))
    # Only where it must be: a link that a person has chosen stays the name that records show.
    return UPath(_as_stored(path.resolve() if ".." in path.parts else path.absolute()))


def _as_stored(path: Path) -> Path:
    """The path with its accents in the form (NFC or NFD) that the disk has, where it has them in one form only."""
    try:
        if path.exists() or str(path).isascii():
            return path
        found = Path(path.anchor)
        for step in path.parts[1:]:
            forms = (step, *(unicodedata.normalize(form, step) for form in ("NFC", "NFD")))
            found = next((it for it in (found / form for form in forms) if it.exists()), found / step)
    except OSError:  # a name that is too long: whoever reads it will say so
        return path
    return found


def _file(rest: str) -> UPath:
    parts = urlsplit(f"file:{rest}")
    if parts.netloc.lower() not in {"", "localhost"}:
        raise ValueError(f"names the machine {parts.netloc!r}; write the path, or file:/// with three slashes")
    path = unquote(rest.removeprefix(f"//{parts.netloc}") if rest.startswith("//") else rest)
    if os.name == "nt":
        path = path.lstrip("/")
    return _local(path)


def _remote(scheme: str, rest: str) -> UPath:
    root, *steps = rest.split("/")
    steps = [step for step in steps if step]
    if not root:
        raise ValueError(f"names no bucket; write {scheme}://bucket/folder")
    if {".", ".."} & {root, *steps}:
        raise ValueError("has a step . or .., which object stores do not know; write it without")
    path = UPath("/".join([f"{_SPELLINGS.get(scheme, scheme)}://{root}", *steps]))
    if UPath(place_text(path)).storage_options != path.storage_options or ("@" in root and path.protocol != "abfs"):
        raise ValueError("names a machine or a user, which cannot be kept with it; use a folder or an object store")
    return path


def _web(text: str, scheme: str) -> UPath:
    parts = urlsplit(text)
    try:
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(f"names no host; write {scheme}://host/file.parquet")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password, which outputs would record; use an address that works without")
    return UPath(parts._replace(scheme=scheme).geturl())
