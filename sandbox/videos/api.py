"""What the API does with a request that nothing has gone wrong with; knows no sockets, no faults, no keys."""

import gzip

from sandbox.videos.faults import BUSY, VIDEO
from sandbox.videos.order import Order, OrderRefusedError, read_order
from sandbox.videos.provider_jobs import Answer, Exchange, Trouble, VideoJob
from sandbox.videos.renderer import Studio
from sandbox.videos.shapes import Body, Shape, job_body
from sandbox.videos.weather import Weather
from sandbox.videos.words import faults_of

NO_SUCH_KEY = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
XML = {"Content-Type": "application/xml"}
PAGE = "20"


class Api:
    """`origin` is where the videos lie; the server sets it when it knows its port."""

    def __init__(self, studio: Studio, weather: Weather, shape: Shape) -> None:
        self.origin = ""
        self.weather, self.shape = weather, shape
        self._studio = studio
        self._files: dict[str, VideoJob] = {}

    def found(self, exchange: Exchange) -> VideoJob | None:
        """The job a request is about; the visit goes into its account."""
        if exchange.route == "file":
            job = self._files.get(exchange.path.rpartition("/")[2])
            exchange.job_id = job.id if job else None
        else:
            job = self._studio.jobs.get(exchange.job_id or "")
        if job is None or job.is_deleted:
            return None
        if exchange.route == "poll":
            job.polls.append(exchange.at)
        elif exchange.route in {"content", "file"}:
            job.downloads.append(exchange.at)
        return job

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        if job:
            await self._studio.settled(job)
        match exchange.route:
            case "create":
                return self._created(exchange)
            case "file":
                video = self._studio.video(job) if job else None
                return Answer(200, video, VIDEO) if video else Answer(404, NO_SUCH_KEY, XML)
            case "models":
                listed = [
                    {"id": name, "object": "model", "created": 0, "owned_by": "local"} for name in self.weather.models
                ]
                return Answer(200, {"object": "list", "data": listed})
            case "list" if self.shape.lists:
                return self._listed(exchange)
            case "" | "list":
                message = f"Invalid URL ({exchange.method} {exchange.path})"
                return self.error(Trouble(404, message, "invalid_request_error"))
        if job is None:
            return self.error(self.shape.unknown)
        match exchange.route:
            case "poll":
                return self._polled(job)
            case "content":
                return self._content(exchange, job)
        return self._deleted(job)

    def error(self, trouble: Trouble) -> Answer:
        headers = {"Retry-After": self.weather.retry_after} if trouble.status == BUSY.status else {}
        return Answer(trouble.status, self.shape.error(trouble), headers)

    def video_url(self, job: VideoJob) -> str:
        return f"{self.origin}/oss/{job.file_name}"

    def _created(self, exchange: Exchange) -> Answer:
        try:
            order = read_order(exchange, self.weather, strict=self.weather.strict or self.shape.strict)
        except OrderRefusedError as refused:
            return self.error(refused.trouble)
        running = sum(not job.is_over for job in self._studio.jobs.values())
        if self.weather.max_running is not None and running >= self.weather.max_running:
            return self.error(BUSY)
        job = self._made(order)
        exchange.job_id = job.id
        body = self.shape.created(job) if self.shape.created else self._body(job)
        return Answer(self.shape.created_status, body, self._pace())

    def _made(self, order: Order) -> VideoJob:
        job = VideoJob(
            self.shape.new_id(), order.prompt, order.model, order.seconds, order.size, order.picture,
            created_at=self._studio.clock(), render_seconds=self.weather.render_seconds,
            lifetime_seconds=self.weather.lifetime_seconds, faults=faults_of(order.prompt),
        )  # fmt: skip
        self._files[job.file_name] = job
        self._studio.make(job)
        return job

    def _polled(self, job: VideoJob) -> Answer:
        body = self._body(job)
        if "id" in body:
            body["id"] = self.shape.poll_id(job.id)
        return Answer(self.shape.failed_status if job.error else 200, body, self._pace())

    def _content(self, exchange: Exchange, job: VideoJob) -> Answer:
        if job.status != "completed":
            early = self.shape.early(job)
            return self.error(early) if isinstance(early, Trouble) else early
        video = self._studio.video(job)
        if video is None:
            return self.error(Trouble(404, "Video content has expired", "invalid_request_error"))
        if self.shape.gzips and "gzip" in exchange.headers.get("accept-encoding", ""):
            return Answer(200, gzip.compress(video), VIDEO | {"Content-Encoding": "gzip"})
        return Answer(200, video, VIDEO)

    def _deleted(self, job: VideoJob) -> Answer:
        if self.shape.deletes == "no":
            return self.error(Trouble(405, "Method Not Allowed"))
        if self.shape.deletes == "ended" and not job.is_over:
            return self.error(Trouble(409, "Video is still being generated", "invalid_request_error"))
        job.is_deleted = True
        return Answer(200, {"id": job.id, "object": "video.deleted", "deleted": True})

    def _listed(self, exchange: Exchange) -> Answer:
        jobs = [job for job in self._studio.jobs.values() if not job.is_deleted]
        if exchange.query.get("order", "desc") == "desc":
            jobs.reverse()
        ids = [job.id for job in jobs]
        after = exchange.query.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        page = jobs[start : start + int(exchange.query.get("limit", PAGE))]
        for job in page:
            self._studio.settle(job)
        return Answer(200, {
            "object": "list", "data": [self._body(job) for job in page], "has_more": jobs[-1:] != page[-1:],
            "first_id": page[0].id if page else None, "last_id": page[-1].id if page else None,
        })  # fmt: skip

    def _body(self, job: VideoJob) -> Body:
        url = self.video_url(job) if job.status == "completed" else ""
        return job_body(self.shape, job, url, self.weather.status_words)

    def _pace(self) -> dict[str, str]:
        wait = self.weather.poll_after_ms
        return {} if wait is None else {"openai-poll-after-ms": str(wait)}
