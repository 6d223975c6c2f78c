"""The setting of errors that go to Sentry. It is checked without sentry-sdk, which only `bot.sentry` needs."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

SENTRY_SHOULD_BE = {
    "SENTRY_DSN": "the DSN of a Sentry project, such as https://key@sentry.example.com/1, or empty",
}


class SentrySettings(BaseSettings):
    """A part of `bot.settings.Settings`."""

    sentry_dsn: SecretStr | None = None

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, dsn: SecretStr | None) -> SecretStr | None:
        """A key, a host, and a path that ends with the number of a project."""
        if dsn is None:
            return None
        text = dsn.get_secret_value().strip()
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not (parts.username and parts.hostname) or not text.isascii():
            raise ValueError("no DSN")
        int(parts.path.rpartition("/")[2])
        return SecretStr(text)
