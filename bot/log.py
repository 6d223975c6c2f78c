"""Log set-up: one event a line, as text or JSON, on standard error."""

from __future__ import annotations

import json
import logging
import sys
import time

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class _JsonFormatter(logging.Formatter):
    """One JSON object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's own signature
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class _TextFormatter(_JsonFormatter):
    """Readable lines; a line break in somebody's text cannot forge a second event."""

    def format(self, record: logging.LogRecord) -> str:
        text = logging.Formatter.format(self, record)
        head, mark, trace = text.partition("\nTraceback ")
        return head.replace("\n", "\\n") + mark + trace


def set_up(level: str, log_format: str) -> None:
    """Replaces the root logger's handlers. discord.py stays at INFO: its DEBUG lines hold tokens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("discord", "aiohttp", "aiosqlite", "PIL"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(level)))
    logging.captureWarnings(True)
