"""The text of a setting, as env files, shells and service managers hand it over.

Lives here: which texts cannot be meant (a kept quote, a carriage return, a variable that nobody filled in), each told
in a sentence that names the setting and never repeats a secret. Does not live here: what a setting means
(``settings``).

The same line of an env file is read by a shell, by systemd and by ``docker run --env-file``, and each keeps or drops
quotes, blanks, comments and backslashes in its own way. What they would read differently is refused, because a data
folder or a ledger under a second spelling is a second memory of what was bought.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from banana_pipeline.core.failures import SettingsError

_QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_DOLLAR = re.compile(r"\$(?:\w+|[{(].*)")
_DOLLAR_ONLY = re.compile(r"\$(?:\w+|\{.*\}|\(.*\))")
# %NAME%, but not the %C3%A9 of an address.
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})[A-Za-z_]\w*%|%[A-Za-z_]\w*%(?![0-9A-Fa-f]{2})")
_PERCENT_ONLY = re.compile(r"%[A-Za-z_]\w*%")


def setting(environ: Mapping[str, str], name: str, *, is_secret: bool = False, is_random: bool = False) -> str | None:
    """The value of a setting; None where it is not set, empty, or blanks alone.

    Args:
        environ, name: where it stands.
        is_secret: the sentence must not show it.
        is_random: any visible character may be meant, such as in a signing key; ``$`` and ``\\`` inside are kept.

    Raises:
        SettingsError: the text cannot be meant.
    """
    text = environ.get(name) or ""
    if not text.strip():
        return None
    problem = _problem(name, text, is_random=is_random)
    if problem is None:
        return text
    shown = "" if is_secret else f" is {shown_value(text)} and"
    raise SettingsError(f"{name}{shown} {problem}")


def shown_value(text: str) -> str:
    """A value as a sentence may show it: without the user and password that an address may hold."""
    return repr(re.sub(r"//[^/\s]*@", "//...@", text))


def api_keys(text: str, name: str = "KIE_API_KEY") -> tuple[str, ...]:
    """The keys of a comma-separated list, each once; () where there is none.

    Raises:
        SettingsError: one cannot be a key; it is not repeated.
    """
    if not text.strip(" ,\t\r\n"):
        return ()
    setting({name: text}, name, is_secret=True)
    keys = tuple(dict.fromkeys(key.strip(" ") for key in text.split(",") if key.strip()))
    for key in keys:
        if re.match(r"bearer\b", key, re.IGNORECASE):
            raise SettingsError(f"{name} starts with the word Bearer; write the key alone, as kie.ai shows it")
        if not key.isascii() or not key.isprintable() or any(character in _QUOTES + " $%\\<>" for character in key):
            raise SettingsError(f"{name} has blanks, quotes or unusual characters; copy the key again from kie.ai")
    return keys


def _problem(name: str, text: str, *, is_random: bool) -> str | None:
    checks: list[Callable[[str], str | None]] = [_ends, _quotes, _invisible]
    checks += [_unfilled_whole] if is_random else [_comment, _unfilled, _backslash]
    if re.match(rf"\s*(?:(?:export|set|setx)\s+)?{name}\s*=", text):
        return f"holds its own name; write only what comes after {name}="
    return next((problem for check in checks if (problem := check(text)) is not None), None)


def _ends(text: str) -> str | None:
    if text == text.strip():
        return None
    if text.endswith(("\r", "\n")):
        return (
            "ends with a line end, as env files with Windows line ends and secrets made with echo have; "
            "write it without (for a file: dos2unix)"
        )
    return "begins or ends with a blank; write it without"


def _quotes(text: str) -> str | None:
    is_quoted = text[0] in _QUOTES or text[-1] in _QUOTES or text.count("'") > 1 or any(it in text for it in '"`')
    return "has quotes, which docker's --env-file keeps and a shell drops; write it without" if is_quoted else None


def _invisible(text: str) -> str | None:
    if text.isprintable():
        return None
    bad = next(character for character in text if not character.isprintable())
    if "\ud800" <= bad <= "\udfff":
        return "is not UTF-8; write it in UTF-8"
    return f"holds a character that cannot be seen (U+{ord(bad):04X}); type it again instead of copying it"


def _comment(text: str) -> str | None:
    has_comment = re.search(r"\s#", text) is not None
    return "has a comment behind the value; put the comment on a line of its own" if has_comment else None


def _unfilled(text: str) -> str | None:
    has_variable = _DOLLAR.search(text) is not None or _PERCENT.search(text) is not None
    is_address = "://" in text
    told = "holds a variable that nothing has filled in; write the value itself"
    return (told + (" ($ in an address as %24)" if is_address else "")) if has_variable else None


def _unfilled_whole(text: str) -> str | None:
    is_variable = _DOLLAR_ONLY.fullmatch(text) is not None or _PERCENT_ONLY.fullmatch(text) is not None
    return "is a variable that nothing has filled in; write the value itself" if is_variable else None


def _backslash(text: str) -> str | None:
    if os.name == "nt" or "\\" not in text:
        return None
    return "has a backslash, which a shell drops and docker's --env-file keeps; write it without"
