"""Data that a page reads from a folder: JavaScript files that call one function with one JSON literal.

Lives here: writing such a file so that no text in it can end the script or the literal. Does not live here: what is in
it (``index``). A browser does not let a page that was opened from a folder read a JSON file; a script it loads.
"""

import json

FUNCTION = "bananaGallery"
# Inside a JSON text these stand in strings only. Escaped, no string can hold `</script>`, `<!--` or `]]>`.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def call(message: object) -> bytes:
    """A script that hands ``message`` to the page: ASCII only, so that no guess of an encoding can change it.

    Keys of objects must be our own words. In JavaScript, unlike in JSON, a key ``__proto__`` is no mere key.

    Raises:
        ValueError: a number is infinite or not a number, which JSON cannot hold.
    """
    text = json.dumps(message, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"{FUNCTION}({text.translate(_ESCAPES)});\n".encode("ascii")
