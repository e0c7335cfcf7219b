"""The emulator's memory: tasks, uploads and counters, the accounts they belong to, and the clock.

Here: what was sold, what is still kept at this hour, and what counts as the same purchase. Pure Python.
Not here: HTTP, KIE's JSON (records), money (accounts), sums for people (report), the file (shelf).
"""

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from banana_pipeline.emulator import fate
from banana_pipeline.emulator.accounts import Accounts
from banana_pipeline.emulator.config import EmulatorConfig
from banana_pipeline.emulator.orders import Order
from banana_pipeline.emulator.pictures import image_size
from banana_pipeline.emulator.shelf import Shelf
from banana_pipeline.emulator.tasks import Account, Task, Upload
from banana_pipeline.emulator.window import SlidingWindow

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class Books:
    """The state of one emulator. `clock` returns epoch seconds; `advance` moves the emulator's time forward.

    Written by one thread (the server's), readable from any.
    """

    def __init__(self, config: EmulatorConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.counters: Counter[str] = Counter()
        self.refusals: Counter[int] = Counter()
        self.tasks: dict[str, Task] = {}
        self.uploads: dict[str, Upload] = {}
        self.tasks_by_input: Counter[tuple[str, str]] = Counter()
        self.posts_by_input: Counter[tuple[str, str]] = Counter()
        self.created = SlidingWindow(width_s=config.rate_window_s, limit=None)
        self._clock = clock
        self._clock_offset_s = 0.0
        self._media: dict[str, Task] = {}
        self._shelf = Shelf(config.books_path)
        self.accounts = Accounts(config, self._shelf)
        self._recall()

    def now(self) -> float:
        """Epoch seconds on the emulator's clock."""
        return self._clock() + self._clock_offset_s

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock forward. Raises ValueError for a negative number."""
        if not seconds >= 0:
            raise ValueError("the clock only moves forward")
        self._clock_offset_s += seconds
        self._shelf.put("clock", "clock", {"offset_s": self._clock_offset_s})

    def close(self) -> None:
        """Close the books' file."""
        self._shelf.close()

    def balance(self, account: Account) -> float:
        """Credits the account can still spend."""
        return self.accounts.balance(account.account_id, self.now())

    def input_key(self, account: Account, order: Order) -> tuple[str, str]:
        """What makes two purchases the same: account, model and input; uploaded images count by content."""
        uploads = [(url, self.upload_at(url)) for url in order.image_input]
        return account.account_id, order.digest(tuple(u.content_sha256 if u else url for url, u in uploads))

    def create(self, account: Account, order: Order, *, param: str, call_back_url: str | None, base_url: str) -> Task:
        """Sell one task: its fate is decided and its price held. The caller has checked the balance."""
        key = self.input_key(account, order)
        earlier = self.tasks_by_input[key]
        latency_s = fate.latency_s(self.config, digest=key[1], earlier=earlier)
        outcome = fate.outcome(self.config, prompt=order.prompt, digest=key[1], earlier=earlier)
        now = self.now()
        task = Task(
            task_id=uuid.uuid4().hex,
            account_id=account.account_id,
            order=order,
            param=param,
            call_back_url=call_back_url,
            base_url=base_url,
            price_credits=self.config.prices_credits[order.resolution],
            input_digest=key[1],
            outcome=self._image_trouble(order, base_url) or outcome,
            media_name=f"{uuid.uuid4().hex}_{int(now + latency_s)}.{self._ending(order)}",
            created_at=now,
            visible_at=now + self.config.visible_after_s,
            starts_at=now + latency_s * self.config.waiting_share,
            completes_at=now + latency_s,
        )
        self._enter(task)
        self.created.admit(now)
        self._shelf.put("task", task.task_id, task.to_json())
        return task

    def find_task(self, account: Account, task_id: str) -> Task | None:
        """The account's task; None when unknown, not visible yet, or past the record's life (section 8)."""
        task = self.tasks.get(task_id)
        if task is None or task.account_id != account.account_id:
            return None
        return task if task.visible_at <= self.now() < task.created_at + self.config.record_kept_s else None

    def find_media(self, name: str) -> Task | None:
        """The finished task whose picture has this file name; None when there is none, or none any more."""
        task = self._media.get(name)
        age_s = self.now() - task.completes_at if task else -1.0
        return task if 0 <= age_s < self.config.media_kept_s else None

    def save_upload(self, path: str, content: bytes, mime_type: str) -> Upload:
        """Keep a file under `kieai/...`, in place of an earlier one of the same path."""
        digest = hashlib.sha256(content).hexdigest()
        upload = Upload(
            path=path,
            content=content,
            content_sha256=digest,
            mime_type=mime_type,
            pixel_size=image_size(content),
            uploaded_at=self.now(),
        )
        self.uploads[path] = upload
        self.counters["uploads"] += 1
        self._shelf.put("upload", path, upload.to_json())
        return upload

    def is_kept(self, upload: Upload) -> bool:
        """Whether an upload is still within its life (section 8)."""
        return self.now() < upload.uploaded_at + self.config.upload_kept_s

    def upload_at(self, url: str) -> Upload | None:
        """The file a URL names, kept or not, on whatever port the emulator was when it was uploaded."""
        return self.uploads.get(unquote(urlsplit(url).path.removeprefix("/")))

    def _ending(self, order: Order) -> str:
        return self.config.jpg_ending if order.output_format == "jpg" else order.output_format

    def _image_trouble(self, order: Order, base_url: str) -> str | None:
        """How the references spoil the task (section 6). Nothing is fetched: foreign URLs count as fine."""
        if not all(self._is_foreign(url, base_url) or self._has_image(url) for url in order.image_input):
            return "fetch"
        uploads = [self.upload_at(url) for url in order.image_input]
        return "internal" if any(upload and upload.pixel_size == (1, 1) for upload in uploads) else None

    def _is_foreign(self, url: str, base_url: str) -> bool:
        parts = urlsplit(url)
        return parts.netloc != urlsplit(base_url).netloc and parts.hostname not in LOOPBACK_HOSTS

    def _has_image(self, url: str) -> bool:
        upload = self.upload_at(url)
        if upload is not None:
            return self.is_kept(upload)
        return self.find_media(urlsplit(url).path.removeprefix("/h/")) is not None

    def _enter(self, task: Task) -> None:
        self.tasks[task.task_id] = task
        self.tasks_by_input[task.account_id, task.input_digest] += 1
        if task.has_media:
            self._media[task.media_name] = task
        self.accounts.charge(task)

    def _recall(self) -> None:
        for values in self._shelf.each("clock"):
            self._clock_offset_s = values["offset_s"]
        for values in self._shelf.each("upload"):
            upload = Upload.from_json(values)
            self.uploads[upload.path] = upload
        for task in sorted(map(Task.from_json, self._shelf.each("task")), key=lambda task: task.created_at):
            self._enter(task)
        self.posts_by_input = self.tasks_by_input.copy()
