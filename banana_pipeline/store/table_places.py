"""Places of tables that are not on this machine: whether they can be reached, and what is wrong if not, in words.

Lives here: the first look at a store or a web server, a copy of a table from the web, sentences for what stores raise.
Does not live here: how a place is spelt (``places``), outputs (``files``), what is in a table (``tables``).
"""

import atexit
import contextlib
import hashlib
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from upath import UPath

from banana_pipeline.core.failures import BananaError, TableError
from banana_pipeline.store.files import check_place, is_local, local_path
from banana_pipeline.store.places import WEB, place_text, shown_place

_PATIENCE_S = 15.0
_COPY_PATIENCE_S = 1_800.0
# The first look gives up early; whatever is read or written later has its store's own patience.
_QUICK: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 1}}},
}
_WORDS = (
    (r"unable to locate credentials|no credentials|anonymous caller|default credentials", "there are no credentials"),
    (
        r"\b(403|forbidden|access ?denied|unauthorized|401|invalidaccesskey|signature)",
        "this machine has no right to it",
    ),
    (r"endpoint|connect|name or service|getaddrinfo|resolve|timed? ?out|timeout", "it cannot be reached"),
)


@contextlib.contextmanager
def told_of_stores(path: UPath) -> Iterator[None]:
    """Each store raises errors of its own kind; they become sentences. What a local disk raises stays as it is.

    Raises:
        TableError: the store cannot be read.
    """
    try:
        yield
    except BananaError:
        raise
    except FileNotFoundError as error:
        if is_local(path):
            raise
        raise TableError(f"{shown_place(path)} does not exist; check the address.") from error
    except Exception as error:
        if is_local(path):
            raise
        raise TableError(_sentence(path, error)) from error


def is_there(path: UPath) -> bool:
    """Does something stand at ``path``? A store that does not answer is told within a quarter of a minute.

    Of the web only what it takes to ask is looked at: `web_copy` asks, and says what was answered.

    Raises:
        SettingsError: a package for it is not installed.
        TableError: it cannot be reached, or may not be read.
    """
    if is_local(path):
        return path.exists()
    check_place(path)
    if path.protocol in WEB:
        return True
    with told_of_stores(path):
        return _within(_PATIENCE_S, _quick(path).exists)


def web_copy(path: UPath) -> UPath:
    """A table from the web as a file here, fetched anew: web servers need not allow reading the end of a file first.

    Raises:
        SettingsError, TableError: as `is_there`.
    """
    check_place(path)
    folder = _copies() / hashlib.sha256(str(path).encode()).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    target = folder / (path_name(path) or "table")
    part = folder / f".{threading.get_ident()}.part"
    with told_of_stores(path):
        try:
            _within(_COPY_PATIENCE_S, lambda: _quick(path).fs.get_file(path.path, str(part)))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return UPath(target)


def path_name(path: UPath) -> str:
    """The last step of a path, without the query that a web address may have."""
    return re.split(r"[?#]", path.name)[0] if path.protocol in WEB else path.name


def _quick(path: UPath) -> UPath:
    if path.protocol in WEB:
        timeout = __import__("aiohttp").ClientTimeout(total=None, sock_connect=10, sock_read=20)
        return UPath(str(path), client_kwargs={"timeout": timeout, "trust_env": True})
    return UPath(path, **_QUICK.get(path.protocol, {}))


def _within(limit_s: float, call: Callable[[], Any]) -> Any:
    """The result of ``call``. What does not come back in time is left alone, in a thread that nobody waits for."""
    found: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not found:
        raise TimeoutError(f"timed out after {limit_s:g} s")
    return found[0]


@cache
def _copies() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="banana-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _sentence(path: UPath, error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    text = re.sub(r"\?[^\s'\")]*", "", text)[:300]  # the query of an address may hold a signature
    kind = "this machine has no right to it" if isinstance(error, PermissionError) else ""
    kind = kind or next((words for pattern, words in _WORDS if re.search(pattern, text, re.IGNORECASE)), "")
    told = f"{kind} ({text})" if kind else text
    return (
        f"{shown_place(path)} cannot be read: {told}. Check that the place exists and that this machine may read there."
    )


def is_same_place(one: UPath, other: UPath) -> bool:
    """Do two paths lead to the same file or folder, however they are spelt?"""
    if place_text(one) == place_text(other):  # also a link that leads nowhere
        return True
    if not (is_local(one) and is_local(other)):
        return False
    try:
        return local_path(one).samefile(local_path(other))
    except OSError:
        return False
