"""The settings of the chat model that improves prompts."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from bot import secret_files
from bot.wire_config import ChatModelConfig

HELPER_SHOULD_BE = {
    "PROMPT_HELPER_URL": "the http(s) address of an API with /chat/completions, such as https://openrouter.ai/api/v1",
    "PROMPT_HELPER_MODEL": "the name of a chat model there",
    "PROMPT_HELPER_KEY": "the key for PROMPT_HELPER_URL, or empty",
    "PROMPT_HELPER_PER_DAY": "a whole number from 1 to 10000",
}


class PromptHelperSettings(BaseSettings):
    """A part of `bot.settings.Settings`."""

    prompt_helper_url: str | None = None
    prompt_helper_model: str | None = None
    prompt_helper_key: SecretStr | None = None
    prompt_helper_per_day: int = Field(default=20, ge=1, le=10_000)

    @field_validator("prompt_helper_url")
    @classmethod
    def _chat_api(cls, url: str | None) -> str | None:
        url = (url or "").strip().rstrip("/")
        scheme, _, rest = url.partition("://")
        if url and (scheme not in {"http", "https"} or not rest or any(char.isspace() for char in url)):
            raise ValueError("no http address")
        return url or None

    @field_validator("prompt_helper_key")
    @classmethod
    def _chat_key(cls, secret: SecretStr | None) -> SecretStr | None:
        return secret and SecretStr(secret_files.one_word(secret.get_secret_value()))

    def helper_faults(self) -> dict[str, str]:
        """One sentence for a setting that another one needs, by its name."""
        if self.prompt_helper_url and not self.prompt_helper_model:
            return {"PROMPT_HELPER_MODEL": _missing("PROMPT_HELPER_MODEL")}
        if (self.prompt_helper_model or self.prompt_helper_key) and not self.prompt_helper_url:
            return {"PROMPT_HELPER_URL": _missing("PROMPT_HELPER_URL")}
        return {}

    @property
    def prompt_helper(self) -> ChatModelConfig | None:
        """None where the operator names no chat model."""
        if self.prompt_helper_url is None or self.prompt_helper_model is None:
            return None
        key = None if self.prompt_helper_key is None else self.prompt_helper_key.get_secret_value()
        return ChatModelConfig(self.prompt_helper_url, self.prompt_helper_model, key, self.prompt_helper_per_day)


def _missing(name: str) -> str:
    return f"{name} is missing: it should be {HELPER_SHOULD_BE[name]}."
