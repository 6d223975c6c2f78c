"""Settings of a local provider that may be changed while it runs. By default nothing goes wrong."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class ProviderSettings:
    """How long jobs take and how requests are paced. A wire adds its own in a subclass."""

    render_seconds: float | None = 6.0  # shortest time of a job; None: jobs end only when told
    lifetime_seconds: float = 3600  # of a video, from its completion
    max_running: int | None = None  # creates over it are answered 429
    retry_after: str = "2"  # seconds or an HTTP date, sent with every 429
    slow_seconds: float = 5.0  # what "slow" and "drip" take
