"""The settings of what the bot tells its operator, and of the shop or script that may give bonus credits."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

SHORTEST_SECRET = 32
OPERATOR_SHOULD_BE = {
    "OPERATOR_WEBHOOK_URL": "the http(s) address of a Discord webhook, or empty",
    "OPERATOR_DIRECT_MESSAGES": "on or off",
    "CREDITS_SECRET": f"at least {SHORTEST_SECRET} letters and digits that nobody can guess, or empty",
}
OPERATOR_SECRETS = ("OPERATOR_WEBHOOK_URL", "CREDITS_SECRET")


class OperatorSettings(BaseSettings):
    """A part of `bot.settings.Settings`."""

    operator_webhook_url: SecretStr | None = None
    operator_direct_messages: Literal["on", "off"] = "on"
    credits_secret: SecretStr | None = None

    @field_validator("operator_direct_messages", mode="before")
    @classmethod
    def _in_small_letters(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("operator_webhook_url")
    @classmethod
    def _webhook(cls, secret: SecretStr | None) -> SecretStr | None:
        url = None if secret is None else _word(secret)
        if url is not None and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
            raise ValueError("no http address")
        return None if url is None else SecretStr(url)

    @field_validator("credits_secret")
    @classmethod
    def _credits(cls, secret: SecretStr | None) -> SecretStr | None:
        word = None if secret is None else _word(secret)
        if word is not None and len(word) < SHORTEST_SECRET:
            raise ValueError("too short")
        return None if word is None else SecretStr(word)


def _word(secret: SecretStr) -> str:
    value = secret.get_secret_value().strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("blank, or with characters that no secret has")
    return value
