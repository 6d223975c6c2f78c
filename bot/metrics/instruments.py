"""What is counted and timed for Prometheus. Labels name models and providers of the catalog, never people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from bot.catalog import Catalog
from bot.models import FailureKind, JobState, LedgerKind
from bot.store.jobs import Moved
from bot.store.ledger import Booked

OTHER = "other"
QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
ANSWER_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0)
CALL_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
WAIT_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0)
RENDER_S = (10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1_200.0, 1_800.0)
FAILURES_OF_PROVIDERS = (
    FailureKind.PROVIDER,
    FailureKind.GONE,
    FailureKind.TIMED_OUT,
    FailureKind.RESULT_GONE,
    FailureKind.BUSY,
    FailureKind.LOST_ANSWER,
)
"""An alert counts these."""
CALLS = ("settle_auth", "check", "create", "settle", "status", "download", "cancel")


class Instruments:
    """Every counter and histogram, each with its labels from the start: an alert sees the first event, too."""

    def __init__(self, registry: CollectorRegistry, catalog: Catalog) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client's own
        self._catalog = catalog
        where = ["provider", "model"]
        self.transitions = Counter(
            "animate_job_transitions", "Jobs that came into this state.", ["state", *where], registry=registry
        )
        self.failures = Counter(
            "animate_job_failures",
            "Jobs that ended without a video, by the reason.",
            [*where, "reason"],
            registry=registry,
        )
        self.queue_wait = Histogram(
            "animate_queue_wait_seconds",
            "From the reservation of a video to its first submission.",
            ["provider"], buckets=WAIT_S, registry=registry,
        )  # fmt: skip
        self.render = Histogram(
            "animate_render_seconds",
            "From the submission of a video to the moment when the provider is known to be done with it.",
            ["provider"], buckets=RENDER_S, registry=registry,
        )  # fmt: skip
        self.reserved = Counter("animate_credits_reserved", "Credits that members reserved.", registry=registry)
        self.refunded = Counter("animate_credits_refunded", "Credits that went back to members.", registry=registry)
        self.first_answer = Histogram(
            "animate_first_answer_seconds",
            "From an interaction, by its id, to the moment when Discord has taken its first answer.",
            buckets=ANSWER_S, registry=registry,
        )  # fmt: skip
        self.provider_calls = Counter(
            "animate_provider_calls",
            "Calls of a provider by what came of them. A status call is one poll.",
            ["provider", "call", "result"], registry=registry,
        )  # fmt: skip
        self.provider_call = Histogram(
            "animate_provider_call_seconds",
            "How long calls of a provider take.",
            ["provider", "call"], buckets=CALL_S, registry=registry,
        )  # fmt: skip
        self.downloaded = Counter(
            "animate_download_bytes", "Bytes of videos fetched from a provider.", ["provider"], registry=registry
        )
        self.discord_requests = Counter(
            "animate_discord_requests",
            "Requests to Discord by kind, by whose token they were authorized (transport), and by result.",
            ["kind", "transport", "result"], registry=registry,
        )  # fmt: skip
        self.uploaded = Counter(
            "animate_discord_upload_bytes", "Bytes of uploads that Discord took.", ["transport"], registry=registry
        )
        self.gateway = Counter(
            "animate_gateway_events", "Connects, resumes and disconnects of shards.", ["event"], registry=registry
        )
        self.loop_lag = Histogram(
            "animate_event_loop_lag_seconds",
            "How late the event loop is, looked at twice a second.",
            buckets=QUICK_S, registry=registry,
        )  # fmt: skip
        self.batch_units = Histogram(
            "animate_database_batch_units", "Units of one transaction.", buckets=(1, 2, 4, 8, 16), registry=registry
        )
        self.batch = Histogram(
            "animate_database_batch_seconds",
            "How long a transaction takes, with its COMMIT.",
            buckets=QUICK_S, registry=registry,
        )  # fmt: skip
        self.batch_failures = Counter(
            "animate_database_failures", "Transactions that could not be begun or committed.", registry=registry
        )
        self.begin_at_zero()

    def begin_at_zero(self) -> None:
        """Every series that an alert looks at, of the catalog as it is now: the first event is an increase then."""
        for model in self._catalog.models:
            for state in JobState:
                self.transitions.labels(state, model.provider, model.id)
            for reason in FAILURES_OF_PROVIDERS:
                self.failures.labels(model.provider, model.id, reason)
        for provider in self.providers:
            for call in CALLS:
                self.provider_calls.labels(provider, call, "ok")
        for event in ("connect", "resume", "disconnect"):
            self.gateway.labels(event)

    @property
    def providers(self) -> list[str]:
        """Of the catalog as it is now."""
        return sorted({model.provider for model in self._catalog.models})

    def provider_label(self, provider: str) -> str:
        """The name as a label: an older job's provider may not be in the catalog any more."""
        return provider if any(model.provider == provider for model in self._catalog.models) else OTHER

    def model_label(self, model: str) -> str:
        """As `provider_label`."""
        return OTHER if self._catalog.model(model) is None else model

    def committed(self, event: object) -> None:
        """What the store has just committed."""
        match event:
            case Moved():
                self._moved(event)
            case Booked(LedgerKind.RESERVE, credits):
                self.reserved.inc(-credits)
            case Booked(LedgerKind.REFUND, credits):
                self.refunded.inc(credits)
            case _:
                pass

    def _moved(self, moved: Moved) -> None:
        job = moved.job
        provider, model = self.provider_label(job.provider), self.model_label(job.spec.model)
        self.transitions.labels(job.state, provider, model).inc()
        if job.failure is not None and job.state in ENDS_WITHOUT_VIDEO:
            self.failures.labels(provider, model, job.failure).inc()
        if job.state is JobState.SUBMITTING and job.first_sent_at == job.last_sent_at:
            self.queue_wait.labels(provider).observe((job.state_at - job.created_at).total_seconds())
        if job.state is JobState.DELIVERING and job.last_sent_at is not None:
            self.render.labels(provider).observe((job.state_at - job.last_sent_at).total_seconds())

    def batched(self, units: int, seconds: float, committed: bool) -> None:  # noqa: FBT001 - a callback
        """A transaction has ended; called on the store's thread."""
        if not committed:
            self.batch_failures.inc()
        self.batch_units.observe(units)
        self.batch.observe(seconds)


ENDS_WITHOUT_VIDEO = (JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN, JobState.TIMED_OUT)
