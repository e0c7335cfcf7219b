"""Errors and names as a person reads them.

Lives here: taking groups of errors apart, one sentence for each, and texts that any terminal, log and database can
hold. Does not live here: where they are shown, exit codes (``cli``), and the error tree (``core.failures``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from banana_pipeline.core.failures import BananaError

_MOST_CHARACTERS = 300
_ODD_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}  # controls, surrogates, separators of lines and paragraphs
_TURNS_TEXT_AROUND = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside a group, at any depth; an error that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def sentences_of(error: BaseException) -> list[str]:
    """What went wrong, each thing once. A stop (Ctrl-C, a task cancelled because of another) is nothing wrong."""
    return list(dict.fromkeys(sentence_of(one) for one in leaves(error) if not is_stop(one)))


def is_stop(error: BaseException) -> bool:
    """Did somebody ask for the end, rather than something fail?"""
    return not isinstance(error, Exception)


def sentence_of(error: BaseException) -> str:
    """One sentence: an error of ours is one already, a failure of the machine is named, and all else is a fault."""
    if isinstance(error, BananaError):
        return one_line(str(error)) or type(error).__name__
    if isinstance(error, OSError):
        place = f" ({one_line(str(error.filename))})" if error.filename else ""
        return f"{error.strerror or one_line(str(error)) or type(error).__name__}{place}."
    return fault(type(error).__name__, str(error))


def fault(name: str, text: str) -> str:
    """A sentence for an error that nobody has foreseen, with what is needed to find it."""
    said = one_line(text)[:_MOST_CHARACTERS].rstrip(".: ")
    what = f"{name}: {said}" if said and not said.startswith(name) else said or name
    return f"{what}. This is a fault of banana_pipeline; please report it with what you did."


def one_line(text: str) -> str:
    """The text without line breaks, and printable."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text with everything written as escapes that a terminal obeys, or that a database or encoding refuses.

    Bytes of a file's name that are no UTF-8 become lone surrogates in Python, which neither SQLite nor readers of JSON
    take.
    """
    return "".join(_escaped(one) if _is_odd(one) else one for one in text)


def _is_odd(character: str) -> bool:
    return unicodedata.category(character) in _ODD_CATEGORIES or character in _TURNS_TEXT_AROUND


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
