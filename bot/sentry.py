"""Errors, sent to Sentry or a server of its kind. Loaded only where SENTRY_DSN is set.

What is sent is put together here, piece by piece: the sentence as it stands in the source, without what was put into
it; what it is about, as far as `TOLD` names it; and where the error was raised, without its own text. An error's text
and the variables around it may hold a prompt, an address with a token or a provider's answer, so they stay here.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bot.errors import SettingsError
from bot.log import named
from bot.log_context import current
from bot.version import VERSION

if TYPE_CHECKING:
    from sentry_sdk import Client

TOLD = ("job", "interaction", "provider", "model", "state", "kind", "failure")
"""Ids of jobs and commands, and words of the catalog and of the source. Members and servers are not named."""
SENT = (
    "event_id",
    "timestamp",
    "level",
    "logger",
    "platform",
    "release",
    "environment",
    "sdk",
    "logentry",
    "tags",
    "exception",
)
"""Whatever else a version of sentry-sdk adds to an event is left out."""
OURS = ("bot", "cogs")
"""Loggers whose sentences have no value in them as they stand in the source; of others the name alone is sent."""
OTHERS = ("discord", "asyncio", "aiohttp")
LONGEST = 200
CAUSES = 10
ENDS_WITHIN_S = 1.5

_MISSING = "SENTRY_DSN is set, but sentry-sdk is not installed: install the extra `sentry`, or leave SENTRY_DSN empty."


def begin(dsn: str, clean: Callable[[str], str]) -> Callable[[], None]:
    """From here on each line of the log at ERROR is an event at Sentry, too; a thread sends them, at most 100 wait.

    `clean` takes secrets out of a text. What is returned waits for the last events, up to `ENDS_WITHIN_S`. Raises
    SettingsError where the extra is not installed.
    """
    client = client_class()(
        dsn,
        release=f"animate-bot@{VERSION}",
        before_send=_allowed,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        spotlight=False,
        debug=False,
    )
    handler = _Handler(client.capture_event, clean)
    for name in (*OURS, *OTHERS):  # the root's handlers are replaced when a key is read anew
        logging.getLogger(name).addHandler(handler)
    return lambda: client.flush(timeout=ENDS_WITHIN_S)


def client_class() -> type[Client]:
    """Of the extra. Raises SettingsError where it is not installed."""
    try:
        from sentry_sdk import Client
    except ModuleNotFoundError:
        raise SettingsError([_MISSING]) from None
    return Client


class _Handler(logging.Handler):
    """Makes events of records."""

    def __init__(self, capture: Callable[[Any], object], clean: Callable[[str], str]) -> None:
        super().__init__(logging.ERROR)
        self._capture = capture
        self._clean = clean

    def emit(self, record: logging.LogRecord) -> None:
        """Puts the event into the queue of the thread that sends."""
        try:
            self._capture(self._event(record))
        except Exception:  # noqa: BLE001 - the line itself is in the log already
            self.handleError(record)

    def _event(self, record: logging.LogRecord) -> dict[str, object]:
        is_ours = record.name.partition(".")[0] in OURS
        about = {**current(), **(named(record) if is_ours else {})}
        sentence = record.msg if is_ours and isinstance(record.msg, str) else f"an error of {record.name}"
        event: dict[str, object] = {
            "level": "error",
            "logger": self._clean(record.name),
            "logentry": {"message": self._clean(sentence)},
            "tags": {name: self._clean(str(about[name]))[:LONGEST] for name in TOLD if about.get(name) is not None},
        }
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = {"values": [_told(error) for error in reversed([*_causes(record.exc_info[1])])]}
        return event


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of, the newest first."""
    cause: BaseException | None = error
    for _ in range(CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _told(error: BaseException) -> dict[str, object]:
    """Its kind, and where it was raised: modules, functions and lines, no paths of this machine."""
    frames = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        frames.append(
            {
                "module": module,
                "function": frame.f_code.co_qualname,
                "filename": module.replace(".", "/") + ".py",
                "lineno": line,
                "in_app": module.partition(".")[0] in OURS,
            }
        )
    return {"type": type(error).__qualname__, "module": type(error).__module__, "stacktrace": {"frames": frames}}


def _allowed(event: Any, _: object) -> Any:
    return {name: event[name] for name in SENT if name in event}
