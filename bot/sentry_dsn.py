"""What a DSN of Sentry is made of. `bot.sentry` uses it; the settings are checked without sentry-sdk."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr


def _checked(dsn: SecretStr) -> SecretStr:
    """A key, a host, and a path that ends with the number of a project. Raises ValueError."""
    text = dsn.get_secret_value().strip()
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not (parts.username and parts.hostname) or not text.isascii():
        raise ValueError("no DSN")
    int(parts.path.rpartition("/")[2])
    return SecretStr(text)


SentryDSN = Annotated[SecretStr, AfterValidator(_checked)]
