"""The operator's settings, from the environment or `.env`. Each problem is one sentence that names its variable."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot import spelling
from bot.errors import SettingsError
from bot.models import Keeping, Limit, Limits, Period

Credits = Annotated[int, Field(ge=0, le=1_000_000)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Seconds = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)]

_SQLITE = "sqlite:///"

_SHOULD_BE = {
    "DISCORD_TOKEN": "the bot's token from the Discord developer portal",
    "DISCORD_API_URL": "an http(s) address, such as https://discord.com/api/v10",
    "ALLOWED_GUILDS": "ids of servers, separated by commas, or empty for any server",
    "VIDEO_API_KEY": "the key from your provider (GPTPROTO_API_KEY works, too)",
    "VIDEO_API_URL": "an http(s) address, such as https://gptproto.com/v1",
    "VIDEO_API_AUTH": "auto, raw or bearer",
    "VIDEO_CATALOG": "the path of a catalog file, or empty for the one that comes with the bot",
    "VIDEO_DOWNLOAD_HOSTS": "names of hosts, separated by commas, or empty",
    "DATABASE_URL": "sqlite:/// and a path, such as sqlite:///data/animate.db",
    "DATA_DIR": "a folder",
    "QUOTA_DEFAULT_CREDITS": "a whole number from 0 to 1000000",
    "QUOTA_DEFAULT_PERIOD": "day, week, month or total",
    "DIRECT_CREDITS": "a whole number from 0 to 1000000, or empty for QUOTA_DEFAULT_CREDITS",
    "BUDGET_CREDITS": "a whole number from 0 to 1000000000",
    "BUDGET_PERIOD": "day, week, month or total",
    "MAX_CONCURRENT_JOBS": "a whole number from 1 to 10000",
    "MAX_JOBS_PER_USER": "a whole number from 1 to 10000",
    "POLL_SECONDS": "a number above 0, up to 3600",
    "PROGRESS_SECONDS": "a number above 0, up to 3600",
    "JOB_TIMEOUT_MINUTES": "a number above 0, up to 10000",
    "KEEP_DAYS": "a whole number from 1 to 36500, or 0 to keep them forever",
    "KEEP_PICTURES_DAYS": "a whole number from 0 to 36500",
    "HTTP_HOST": "an address of this machine, such as 127.0.0.1",
    "HTTP_PORT": "a port from 1 to 65535, or 0 to turn it off",
    "LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "LOG_FORMAT": "text or json",
}
"""What each setting should be; the sentence about a wrong one ends with it."""


class Settings(BaseSettings):
    """docs/configuration.md has the same names, defaults and meanings. Secrets stay inside their SecretStr."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    discord_token: SecretStr
    discord_api_url: str = "https://discord.com/api/v10"
    allowed_guilds: Annotated[frozenset[int], NoDecode] = frozenset()
    video_api_key: SecretStr = Field(validation_alias=AliasChoices("VIDEO_API_KEY", "GPTPROTO_API_KEY"))
    video_api_url: str = "https://gptproto.com/v1"
    video_api_auth: Literal["auto", "raw", "bearer"] = "auto"
    video_catalog: Path | None = None
    video_download_hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    database_url: str = "sqlite:///data/animate.db"
    data_dir: Path = Path("data")
    quota_default_credits: Credits = 20
    quota_default_period: Period = Period.DAY
    direct_credits: Credits | None = None
    budget_credits: int = Field(default=1_000, ge=0, le=1_000_000_000)
    budget_period: Period = Period.DAY
    max_concurrent_jobs: int = Field(default=20, ge=1, le=10_000)
    max_jobs_per_user: int = Field(default=2, ge=1, le=10_000)
    poll_seconds: Seconds = 5.0
    progress_seconds: Seconds = 5.0
    job_timeout_minutes: float = Field(default=30.0, gt=0, le=10_000, allow_inf_nan=False)
    keep_days: Days = 90
    keep_pictures_days: Days = 7
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("discord_token", "video_api_key")
    @classmethod
    def _one_word(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value().strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("blank, or with characters that no key has")
        return SecretStr(value)

    @field_validator("discord_api_url", "video_api_url")
    @classmethod
    def _http(cls, url: str) -> str:
        url = url.strip().rstrip("/")
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in {"http", "https"} or not rest or any(char.isspace() for char in url):
            raise ValueError("no http address")
        return f"{scheme.lower()}://{rest}"

    @field_validator("allowed_guilds", "video_download_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator("quota_default_period", "budget_period", "video_api_auth", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("quota_default_period", "budget_period", mode="before")
    @classmethod
    def _total(cls, value: object) -> object:
        """`total` was once called `ever`."""
        return Period.TOTAL if isinstance(value, str) and value.strip().lower() == "ever" else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _sqlite(cls, url: str) -> str:
        if not url.startswith(_SQLITE) or not url.removeprefix(_SQLITE):
            raise ValueError("no SQLite file")
        return url

    @property
    def database_path(self) -> Path:
        """The SQLite file; four slashes make the path absolute."""
        return Path(self.database_url.removeprefix(_SQLITE))

    @property
    def secrets(self) -> list[str]:
        """What no line of the log may hold."""
        return [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]

    @property
    def limits(self) -> Limits:
        """The operator's limits."""
        direct = self.quota_default_credits if self.direct_credits is None else self.direct_credits
        return Limits(
            default=Limit(self.quota_default_credits, self.quota_default_period),
            direct=Limit(direct, self.quota_default_period),
            budget=Limit(self.budget_credits, self.budget_period),
            jobs_per_user=self.max_jobs_per_user,
        )

    @property
    def keeping(self) -> Keeping:
        """How long prompts, addresses and pictures are kept."""
        prompts = timedelta(days=self.keep_days) if self.keep_days else None
        return Keeping(prompts, timedelta(days=self.keep_pictures_days))

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Reads the environment and `.env`. Raises SettingsError with one sentence per fault, never with a value."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from None
        except (UnicodeDecodeError, OSError) as error:
            raise _unreadable(error) from error

    @classmethod
    def load_spelled(cls) -> Self:
        """As `load`, and a name in `.env` that is a setting spelled wrong is a fault too.

        The environment is shared with other programs, so what looks like one there is only said beside other faults;
        `misspelt_in_environment` has it for the log.
        """
        try:
            slips = _misspelt(dotenv_values(".env", interpolate=False), ".env") if Path(".env").is_file() else []
        except (UnicodeDecodeError, OSError) as error:
            raise _unreadable(error) from error
        try:
            settings = cls.load()
        except SettingsError as error:
            raise SettingsError([*error.sentences, *slips, *misspelt_in_environment()]) from None
        if slips:
            raise SettingsError(slips)
        return settings


def _unreadable(error: Exception) -> SettingsError:
    reason = "this user may not read it" if isinstance(error, PermissionError) else str(error)
    return SettingsError([f".env cannot be read: {reason}."])


def misspelt_in_environment() -> list[str]:
    """One sentence for each variable of the environment that looks like a setting spelled wrong."""
    return _misspelt(os.environ, "the environment")


def _misspelt(names: Iterable[str], place: str) -> list[str]:
    settings = (*_SHOULD_BE, "GPTPROTO_API_KEY")
    return [spelling.sentence(name, nearest, place) for name, nearest in spelling.misspelt(names, settings).items()]


def _sentences(error: ValidationError) -> list[str]:
    faults: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(fault["loc"][0]).upper()
        problem = "is missing" if fault["type"] == "missing" else "is wrong"
        faults.setdefault(name, f"{name} {problem}: it should be {_SHOULD_BE[name]}.")
    return list(faults.values())
