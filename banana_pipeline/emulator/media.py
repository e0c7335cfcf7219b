"""The files served without a key: pictures under `/h/`, uploads under `/kieai/` (sections 6, 8, 9).

Here: who is still kept, drawing on demand in a worker thread, the faults of downloads.
Not here: how a picture is drawn (pictures), how links are signed (links).
"""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from banana_pipeline.emulator import answers
from banana_pipeline.emulator.books import Books
from banana_pipeline.emulator.faults import FaultSwitch
from banana_pipeline.emulator.links import is_good_link
from banana_pipeline.emulator.pictures import Drawing, draw
from banana_pipeline.emulator.sizes import pixel_size
from banana_pipeline.emulator.tasks import Task

_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


class Media:
    """The handlers of the file hosts."""

    def __init__(self, books: Books, faults: FaultSwitch) -> None:
        self._books = books
        self._faults = faults

    async def picture(self, request: Request) -> Response:
        """`GET /h/<name>`: 404 when unknown or deleted after 14 days, 410 when the link has expired."""
        task = self._books.find_media(request.path_params["name"])
        if task is None:
            return PlainTextResponse("Not Found", 404)
        if not self._is_open(request, task):
            return PlainTextResponse("Gone", 410)
        fault = self._faults.of_download()
        if fault == "download_html_502":
            return answers.html_502()
        if fault == "download_drop":
            return await answers.drop(request)
        content = await anyio.to_thread.run_sync(draw, self._drawing(task))
        self._books.counters["downloads"] += 1
        picture = Response(content, media_type=_TYPES[task.order.output_format])
        return answers.cut(picture) if fault == "download_cut" else picture

    async def upload(self, request: Request) -> Response:
        """`GET /kieai/<accountId>/<path>/<name>`: 404 when unknown or older than 3 days."""
        upload = self._books.uploads.get(f"kieai/{request.path_params['path']}")
        if upload is None or not self._books.is_kept(upload):
            return PlainTextResponse("Not Found", 404)
        return Response(upload.content, media_type=upload.mime_type)

    def _is_open(self, request: Request, task: Task) -> bool:
        now, config = self._books.now(), self._books.config
        query = request.query_params
        if "signature" not in query:
            return now < task.completes_at + config.result_url_kept_s
        return is_good_link(
            task.media_name,
            expires=query.get("expires", ""),
            signature=query["signature"],
            now=now,
            secret=str(config.seed),
        )

    def _drawing(self, task: Task) -> Drawing:
        is_plain = not self._books.config.is_drawing
        found = [self._books.upload_at(url) for url in task.order.image_input]
        first = found[0].pixel_size if found and found[0] else None
        return Drawing(
            prompt="" if is_plain else task.order.prompt,
            key=task.task_id[:1] if is_plain else task.task_id,
            size=pixel_size(task.order.aspect_ratio, task.order.resolution, first),
            output_format=task.order.output_format,
            references=() if is_plain else tuple(upload.content for upload in found if upload),
            is_plain=is_plain,
        )
