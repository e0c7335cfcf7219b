"""createTask and recordInfo over HTTP, and the small account calls beside them (sections 2, 3, 5 and 8).

Here: the order of the checks, the refusals, the faults of these calls.
Not here: uploads, files, admin; what an order or a record contains (orders, records).
"""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from banana_pipeline.emulator import answers
from banana_pipeline.emulator.answers import Envelope
from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.courier import Courier
from banana_pipeline.emulator.faults import FaultSwitch
from banana_pipeline.emulator.links import sign_link
from banana_pipeline.emulator.orders import (
    IMAGE_TYPES,
    WRONG_FILE_TYPE,
    Order,
    RefusedError,
    param_text,
    read_order,
)
from banana_pipeline.emulator.prices import price_page
from banana_pipeline.emulator.records import record
from banana_pipeline.emulator.tasks import Account, Task

SHORT_OF_CREDITS = "The current credits are insufficient. Please top up."
NO_RECORD = "recordInfo is null"
MAINTENANCE = "The server is currently being maintained, please try again later~"


def bearer_key(request: Request) -> str:
    """The key of `Authorization: Bearer <key>`, "" when there is none (section 1)."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme == "Bearer" else ""


class _MalformedError(Exception):
    """The body is not JSON."""


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _MalformedError from None


class Jobs:
    """The handlers of the API host."""

    def __init__(self, books: Books, faults: FaultSwitch, courier: Courier) -> None:
        self._books = books
        self._faults = faults
        self._courier = courier
        self._config = books.config
        self._envelope = Envelope(
            has_real_statuses=self._config.has_real_statuses, message_key=self._config.message_key
        )

    async def create_task(self, request: Request) -> Response:
        """`POST /api/v1/jobs/createTask`. No await stands between a check and what it allows."""
        raw = await request.body()
        try:
            account = self._admit(request)
            body = _decoded(raw)
            order = self._order_of(body)
            answer = self._sell(request, account, order, body)
        except RefusedError as refusal:
            answer = self._refuse(refusal.code, refusal.text)
        except _MalformedError:
            self._books.refusals[400] += 1
            answer = answers.bare(400, "The request body is not valid JSON")
        await self._wait()
        return await answers.drop(request) if answer is None else answer

    async def record_info(self, request: Request) -> Response:
        """`GET /api/v1/jobs/recordInfo?taskId=...`."""
        self._books.counters["polls"] += 1
        fault = self._faults.of_poll()
        answer = self._record_answer(request) if fault is None else self._poll_fault(fault)
        await self._wait()
        return await answers.drop(request) if answer is None else answer

    async def credit(self, request: Request) -> Response:
        """`GET /api/v1/chat/credit`: the balance, a float."""
        await self._wait()
        account = self._account(request)
        if account is None:
            return self._refuse(401, answers.NO_ACCESS)
        return self._envelope.ok(float(self._books.balance(account)))

    async def download_url(self, request: Request) -> Response:
        """`POST /api/v1/common/download-url`: a link of 20 minutes to a picture made here."""
        raw = await request.body()
        if self._account(request) is None:
            return self._refuse(401, answers.NO_ACCESS)
        try:
            name = urlsplit(str(_decoded(raw)["url"])).path.removeprefix("/h/")
        except (_MalformedError, ValueError, TypeError, KeyError):
            name = ""
        if self._books.find_media(name) is None:
            return self._refuse(422, "url is wrong")
        expires_at = self._books.now() + self._config.download_link_kept_s
        link = sign_link(name, expires_at=expires_at, secret=str(self._config.seed))
        return self._envelope.ok(answers.base_url(request) + link)

    async def prices(self, request: Request) -> Response:
        """`POST /client/v1/model-pricing/page`: the price list, without a key (section 8)."""
        raw = await request.body()
        try:
            asked = _decoded(raw)
        except _MalformedError:
            return answers.bare(400, "The request body is not valid JSON")
        return self._envelope.ok(price_page(self._config.prices_credits, asked if isinstance(asked, dict) else {}))

    def _account(self, request: Request) -> Account | None:
        return self._books.accounts.admitted(bearer_key(request))

    def _admit(self, request: Request) -> Account:
        account = self._account(request)
        if account is None:
            raise RefusedError(401, answers.NO_ACCESS)
        if not self._books.accounts.admit_creation(account.account_id, self._books.now()):
            raise RefusedError(429, answers.RATE_LIMITED)
        return account

    def _order_of(self, body: Any) -> Order:
        order = read_order(body, max_prompt_chars=self._config.max_prompt_chars, max_images=self._config.max_images)
        for url in order.image_input:
            upload = self._books.upload_at(url)
            if upload is not None and upload.mime_type not in IMAGE_TYPES:
                raise RefusedError(500, WRONG_FILE_TYPE)
        return order

    def _sell(self, request: Request, account: Account, order: Order, body: dict[str, Any]) -> Response | None:
        books = self._books
        if books.balance(account) < self._config.prices_credits[order.resolution]:
            raise RefusedError(402, SHORT_OF_CREDITS)
        key = books.input_key(account, order)
        earlier = books.posts_by_input[key]
        books.posts_by_input[key] = earlier + 1
        fault = self._faults.of_creation(prompt=order.prompt, digest=key[1], earlier=earlier)
        if fault is not None:
            books.counters[f"fault_{fault}"] += 1
        if fault is not None and fault.endswith("_before_store"):
            return self._fault_answer(fault)
        task = books.create(
            account,
            order,
            param=param_text(body),
            call_back_url=body.get("callBackUrl"),
            base_url=answers.base_url(request),
        )
        self._courier.expect(task)
        return self._created(task) if fault is None else self._fault_answer(fault, task)

    def _created(self, task: Task) -> Response:
        return self._envelope.ok({"taskId": task.task_id, "recordId": task.task_id})

    def _fault_answer(self, fault: str, task: Task | None = None) -> Response | None:
        if fault.startswith("html_502"):
            return answers.html_502()
        if fault.startswith("exception_500"):
            return self._refuse(500, answers.SERVER_EXCEPTION)
        if fault.startswith("forbidden_1010"):
            return answers.forbidden_1010()
        if fault.startswith("maintenance_455"):
            return self._refuse(455, MAINTENANCE)
        if fault == "no_task_id":
            return self._envelope.ok({})
        if fault == "cut_json" and task is not None:
            return answers.cut(self._created(task))
        return None

    def _poll_fault(self, fault: str) -> Response | None:
        self._books.counters[f"fault_{fault}"] += 1
        if fault == "poll_html_502":
            return answers.html_502()
        if fault == "poll_exception_500":
            return self._refuse(500, answers.SERVER_EXCEPTION)
        if fault == "poll_rate_429":
            return self._refuse(429, answers.RATE_LIMITED)
        return self._envelope.ok(None) if fault == "poll_no_data" else None

    def _record_answer(self, request: Request) -> Response:
        account = self._account(request)
        if account is None:
            return self._refuse(401, answers.NO_ACCESS)
        task_id = request.query_params.get("taskId")
        if not task_id:
            return self._refuse(400, "taskId parameter is required")
        now = self._books.now()
        if not self._books.accounts.admit_query(account.account_id, now):
            return self._refuse(429, answers.RATE_LIMITED)
        task = self._books.find_task(account, task_id)
        if task is None:
            return self._refuse(422, NO_RECORD)
        if task.failure and task.failure.is_envelope and now >= task.completes_at:
            return self._refuse(int(task.failure.code), task.failure.text)
        data = record(
            task,
            now=now,
            base_url=answers.base_url(request),
            fields=self._config.record_fields,
            is_generating_skipped=self._config.is_generating_skipped,
        )
        return self._envelope.ok(data)

    def _refuse(self, code: int, text: str) -> Response:
        self._books.refusals[code] += 1
        return self._envelope.refuse(code, text)

    async def _wait(self) -> None:
        delay_s = self._config.answer_delay_s + self._faults.slow_s()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
