"""The operator's settings, from the environment or `.env`. Each problem is one sentence that names its variable."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from bot import database_address, misspelt_settings, secret_files
from bot.catalog import Catalog, load_catalog
from bot.errors import SettingsError
from bot.models import Keeping, Limit, Limits, Period
from bot.operator_settings import OPERATOR_SECRETS, OPERATOR_SHOULD_BE, OperatorSettings
from bot.prompt_helper_settings import HELPER_SHOULD_BE, PromptHelperSettings
from bot.sentry_settings import SENTRY_SHOULD_BE, SentrySettings
from bot.shard_settings import SHARDS_SHOULD_BE, ShardSettings

Credits = Annotated[int, Field(ge=0, le=1_000_000)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Seconds = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)]

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})

_DURATION = re.compile(r"(?P<number>\d{1,6}(\.\d{1,3})?) ?(?P<unit>[mhd]?)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

_SHOULD_BE = {
    "DISCORD_TOKEN": "the bot's token from the Discord developer portal",
    "DISCORD_API_URL": "an http(s) address, such as https://discord.com/api/v10",
    "ALLOWED_GUILDS": "ids of servers, separated by commas, or empty for any server",
    "VIDEO_API_KEY": "the key from your provider ({key} works, too)",
    "VIDEO_API_URL": "an http(s) address, such as https://gptproto.com/v1",
    "VIDEO_API_AUTH": "auto, raw or bearer",
    "VIDEO_CATALOG": "the name of a catalog that comes with the bot, or the path of a catalog file",
    "VIDEO_DOWNLOAD_HOSTS": "names of hosts, separated by commas, or empty",
    "DATABASE_URL": "sqlite:/// and a path, such as sqlite:///data/animate.db, or a postgresql:// address",
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
    "BACKUP_EVERY": "hours, or a time such as 30m, 6h or 1d, from 1m to 366d, or empty to turn it off",
    "BACKUP_KEEP": "a whole number from 1 to 1000",
    "HTTP_HOST": "an address of this machine, such as 127.0.0.1",
    "HTTP_PORT": "a port from 1 to 65535, or 0 to turn it off",
    "PUBLIC_URL": "the https address of HTTP_PORT as the internet sees it, such as https://bot.example.com, or empty",
    **OPERATOR_SHOULD_BE,
    "LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "LOG_FORMAT": "text or json",
    **SENTRY_SHOULD_BE,
    **HELPER_SHOULD_BE,
} | SHARDS_SHOULD_BE
"""What each setting should be; the sentence about a wrong one ends with it."""

_SECRETS = ("DISCORD_TOKEN", "VIDEO_API_KEY", *OPERATOR_SECRETS, "SENTRY_DSN", "PROMPT_HELPER_KEY")
"""Settings that may also be in a file of their own. The keys that the catalog names come on top."""
_TWO_KEYS = "VIDEO_API_KEY and {key} are both set and differ: both are for {provider}. Remove one of them."
"""One may be left over from another provider. With VIDEO_API_URL, VIDEO_API_KEY is for that address."""


class Settings(OperatorSettings, SentrySettings, ShardSettings, PromptHelperSettings):
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
    video_api_key: SecretStr | None = None
    video_api_url: str | None = None
    video_api_auth: Literal["auto", "raw", "bearer"] | None = None
    video_catalog: Path = Path("gptproto")
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
    backup_every: timedelta | None = None
    backup_keep: int = Field(default=7, ge=1, le=1_000)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535)
    public_url: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    _catalog: Catalog = PrivateAttr()
    _provider_keys: dict[str, SecretStr] = PrivateAttr(default_factory=dict)

    @field_validator("discord_token", "video_api_key")
    @classmethod
    def _one_word(cls, secret: SecretStr | None) -> SecretStr | None:
        return secret and _one_word(secret)

    @field_validator("discord_api_url", "video_api_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is None:
            return None
        url = url.strip().rstrip("/")
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in {"http", "https"} or not rest or any(char.isspace() for char in url):
            raise ValueError("no http address")
        return f"{scheme.lower()}://{rest}"

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        """Without https the picture could be read on its way; within this machine there is no way."""
        if url is None:
            return None
        url = url.strip().rstrip("/")
        parts = urlsplit(url)
        is_secret = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
        if not is_secret or not parts.hostname or parts.username or parts.query or parts.fragment or " " in url:
            raise ValueError("no https address")
        return url

    @field_validator("allowed_guilds", "video_download_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator(
        "quota_default_period",
        "budget_period",
        "video_api_auth",
        "log_format",
        mode="before",
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("quota_default_period", "budget_period", mode="before")
    @classmethod
    def _total(cls, value: object) -> object:
        """`total` was once called `ever`."""
        return Period.TOTAL if isinstance(value, str) and value.strip().lower() == "ever" else value

    @field_validator("backup_every", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        matched = _DURATION.fullmatch(value.strip().lower())
        if matched is None:
            raise ValueError("no duration")
        duration = float(matched["number"]) * _UNITS[matched["unit"] or "h"]
        if duration and not timedelta(minutes=1) <= duration <= timedelta(days=366):
            raise ValueError("too short or too long")
        return duration or None

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    _database_url = field_validator("database_url")(database_address.normal)

    @property
    def database_path(self) -> Path | None:
        """The SQLite file; None with PostgreSQL."""
        return database_address.path_of(self.database_url)

    @property
    def database(self) -> Path | str:
        """As `Store.open` takes it."""
        return database_address.database_of(self.database_url)

    @property
    def catalog(self) -> Catalog:
        """The one that VIDEO_CATALOG names, as it was when the settings were read."""
        return self._catalog

    @property
    def provider_keys(self) -> dict[str, SecretStr]:
        """The keys that are set of those that the catalog names, by their variable."""
        return self._provider_keys

    def variable(self, name: str) -> str | None:
        """A key that is no setting of ours, from the environment, `.env` or its file. Raises SettingsError."""
        return read_secret(name)

    @property
    def key_names(self) -> list[str]:
        """The variables that the catalog names for keys."""
        return [provider.key for provider in self._catalog.providers.values() if provider.key is not None]

    @property
    def secrets(self) -> list[str]:
        """What no line of the log may hold."""
        ours = [value for _, value in self if isinstance(value, SecretStr)]
        keys = [value.get_secret_value() for value in [*ours, *self._provider_keys.values()]]
        return [*keys, *database_address.passwords(self.database_url)]

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
        """Reads the environment, `.env` and the catalog.

        Raises SettingsError with one sentence per fault, never with a value.
        """
        variables = read_variables(overrides.get("_env_file", ".env"))
        faults: dict[str, str] = {}
        catalog = _catalog(overrides.get("video_catalog") or variables.get("VIDEO_CATALOG"), faults)
        first, *others = catalog.providers.values()
        for name in dict.fromkeys((*_SECRETS, *(p.key for p in catalog.providers.values()))):
            if name is not None and name.lower() not in overrides:
                _read_file(name, variables, faults)
        overrides = {n.lower(): variables[n] for n in _SECRETS if n in variables} | overrides
        names = {str(each.key) for each in others} & variables.keys()
        given = {variables[name].strip() for name in ("VIDEO_API_KEY", first.key) if name in variables}
        if len(given) > 1 and not (overrides.get("video_api_url") or "VIDEO_API_URL" in variables):
            faults["VIDEO_API_KEY"] = _TWO_KEYS.format(key=first.key, provider=first.name)
        if first.key in variables and "VIDEO_API_KEY" not in variables:
            overrides.setdefault("video_api_key", variables[first.key])
            names.discard(first.key)  # it belongs to where VIDEO_API_URL leads
        names.discard("VIDEO_API_KEY")  # so does this, whoever else names it
        if first.key is not None and not ("video_api_key" in overrides or faults.keys() & {"VIDEO_API_KEY", first.key}):
            faults["VIDEO_API_KEY"] = _missing("VIDEO_API_KEY")
        keys = _keys(names, variables, faults)
        settings: Self | None = None
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            faults = _faults(error) | faults
        else:
            faults |= settings.helper_faults()
            faults |= settings.shard_faults(several_processes=settings.database_path is None)
            faults |= database_address.faults(settings.database_url, is_backed_up=settings.backup_every is not None)
        if settings is None or faults:
            ordered = sorted(faults.items(), key=lambda fault: [*_SHOULD_BE, fault[0]].index(fault[0]))
            raise SettingsError([sentence.format(key=first.key) for _, sentence in ordered])
        settings._catalog, settings._provider_keys = catalog, keys
        return settings

    @classmethod
    def load_spelled(cls) -> Self:
        """As `load`, and a name in `.env` that is a setting spelled wrong is a fault too.

        The environment is shared with other programs, so what looks like one there is only said beside other faults;
        `misspelt_in_environment` has it for the log.
        """
        try:
            written = dotenv_values(".env", interpolate=False) if Path(".env").is_file() else {}
        except (UnicodeDecodeError, OSError) as error:
            raise _unreadable(error) from error
        try:
            settings = cls.load()
        except SettingsError as error:
            slips = _misspelt(written, ".env")
            raise SettingsError([*error.sentences, *slips, *misspelt_in_environment()]) from None
        if slips := _misspelt(written, ".env", settings.key_names):
            raise SettingsError(slips)
        return settings


def _unreadable(error: Exception) -> SettingsError:
    reason = "this user may not read it" if isinstance(error, PermissionError) else str(error)
    return SettingsError([f".env cannot be read: {reason}."])


def misspelt_in_environment(keys: Iterable[str] = ()) -> list[str]:
    """One sentence for each variable of the environment that looks like a setting spelled wrong.

    `keys` are the variables that the catalog names.
    """
    return _misspelt(os.environ, "the environment", keys)


def _misspelt(names: Iterable[str], place: str, keys: Iterable[str] = ()) -> list[str]:
    secrets = (*_SECRETS, "GPTPROTO_API_KEY", *keys)
    settings = (*_SHOULD_BE, *secrets, *(name + secret_files.ENDING for name in secrets))
    return [
        misspelt_settings.sentence(name, nearest, place)
        for name, nearest in misspelt_settings.misspelt(names, settings).items()
    ]


def read_variables(env_file: Any = ".env") -> dict[str, str]:
    """What is set in the environment, and where it is not, in the file; names in capitals. Raises SettingsError."""
    try:
        written = dotenv_values(env_file, interpolate=False) if env_file is not None else {}
    except (UnicodeDecodeError, OSError) as error:
        raise _unreadable(error) from error
    return {name.upper(): value for name, value in [*written.items(), *os.environ.items()] if value}


def read_secret(name: str) -> str | None:
    """A key from the environment, `.env`, or the file that NAME_FILE names. Raises SettingsError."""
    try:
        return secret_files.read(name, read_variables())
    except ValueError as error:
        raise SettingsError([str(error)]) from error


def _catalog(name: Any, faults: dict[str, str]) -> Catalog:
    """The one named; the packaged one where that is wrong, so that whatever else is wrong is told too."""
    try:
        return load_catalog(name)
    except SettingsError as error:
        faults["VIDEO_CATALOG"] = error.sentences[0].replace("{", "{{").replace("}", "}}")
        return load_catalog()


def _read_file(name: str, variables: dict[str, str], faults: dict[str, str]) -> None:
    """What the secret's file says, as if it stood in the variable."""
    try:
        value = secret_files.read(name, variables)
    except ValueError as error:
        variables.pop(name, None)
        faults[name] = str(error)
    else:
        if value is not None:
            variables[name] = value


def _keys(names: Iterable[str], variables: Mapping[str, str], faults: dict[str, str]) -> dict[str, SecretStr]:
    """The keys of the providers after the first."""
    keys: dict[str, SecretStr] = {}
    for name in names:
        try:
            keys[name] = _one_word(SecretStr(variables[name]))
        except ValueError:
            faults[name] = f"{name} is wrong: it should be a key of a provider in the catalog."
    return keys


def _one_word(secret: SecretStr) -> SecretStr:
    return SecretStr(secret_files.one_word(secret.get_secret_value()))


def _missing(name: str) -> str:
    return f"{name} is missing: it should be {_SHOULD_BE[name]}."


def _faults(error: ValidationError) -> dict[str, str]:
    faults: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(fault["loc"][0]).upper()
        is_missing = fault["type"] == "missing"
        faults.setdefault(name, _missing(name) if is_missing else f"{name} is wrong: it should be {_SHOULD_BE[name]}.")
    return faults
