"""All local providers by the names of `--provider`. A new wire is a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.providers.base import LocalProvider
from sandbox.providers.openai import LocalOpenAI


@dataclass(frozen=True, slots=True)
class Choice:
    """What people read of a provider, and how it is made."""

    label: str
    make: Callable[[], LocalProvider]


PROVIDERS: Mapping[str, Choice] = {"openai": Choice("OpenAI-compatible (/v1/videos)", LocalOpenAI)}
DEFAULT_PROVIDER = "openai"
