"""The operator's door: the books to read, the clock, the faults and the accounts to change.

Here: the `/admin` calls, which belong to the emulator and not to KIE's protocol. Not here: the sums (report).
"""

import html
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.faults import FaultSwitch
from banana_pipeline.emulator.report import books_report, tasks_report
from banana_pipeline.emulator.tasks import Account

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>KIE emulator</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td,th{{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}}</style></head>
<body><h1>KIE emulator</h1><table>{rows}</table>
<p><a href="/admin/books.json">books.json</a> <a href="/admin/tasks.json">tasks.json</a></p></body></html>"""


class Admin:
    """The handlers of `/admin`. A wrong body is answered with HTTP 400 and `{"error": ...}`."""

    def __init__(self, books: Books, faults: FaultSwitch) -> None:
        self._books = books
        self._faults = faults

    async def page(self, request: Request) -> Response:
        """`GET /admin`: the report as a small page."""
        return HTMLResponse(_PAGE.format(rows=_rows(books_report(self._books))))

    async def books_json(self, request: Request) -> Response:
        """`GET /admin/books.json`: all counters and sums."""
        return _ascii_json(books_report(self._books))

    async def tasks_json(self, request: Request) -> Response:
        """`GET /admin/tasks.json`: every task."""
        return _ascii_json(tasks_report(self._books))

    async def clock(self, request: Request) -> Response:
        """`POST /admin/clock` with `{"advance_s": 3600}`: move the emulator's time forward."""
        try:
            self._books.advance(float((await _fields(request))["advance_s"]))
        except (ValueError, TypeError, KeyError) as error:
            return _wrong(error)
        return JSONResponse({"now": self._books.now()})

    async def faults(self, request: Request) -> Response:
        """`POST /admin/faults` with some fields of `Faults`: put them in force; answers all of them."""
        try:
            return JSONResponse(self._faults.set(await _fields(request)))
        except (ValueError, TypeError) as error:
            return _wrong(error)

    async def accounts(self, request: Request) -> Response:
        """`POST /admin/accounts` with `key` or `account`, and `balance_credits` and/or `is_revoked`."""
        try:
            fields = await _fields(request)
            account = self._named(fields)
            if "balance_credits" in fields:
                credits = float(fields["balance_credits"])
                self._books.accounts.set_balance(account.account_id, credits, self._books.now())
            if "is_revoked" in fields:
                self._books.accounts.set_revoked(account.account_id, bool(fields["is_revoked"]))
        except (ValueError, TypeError, KeyError) as error:
            return _wrong(error)
        return JSONResponse({"account": account.account_id, "balance_credits": self._books.balance(account)})

    def _named(self, fields: dict[str, Any]) -> Account:
        accounts = self._books.accounts
        return accounts.of_key(str(fields["key"])) if "key" in fields else accounts.get(fields["account"])


async def _fields(request: Request) -> dict[str, Any]:
    fields = json.loads(await request.body())
    if not isinstance(fields, dict):
        raise ValueError("the body must be a JSON object")
    return fields


def _wrong(error: Exception) -> Response:
    return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)


def _ascii_json(value: Any) -> Response:
    """JSON in ASCII, so that even half a surrogate in a prompt survives."""
    return Response(json.dumps(value), media_type="application/json")


def _rows(values: dict[str, Any]) -> str:
    cells = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in values.items())
    return "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in cells)
