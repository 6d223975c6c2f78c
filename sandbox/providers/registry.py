"""All local providers by the names of `--provider`. A new wire is a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_api import LocalComfyAPI
from sandbox.providers.comfy_router import LocalComfyRouter
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openrouter import LocalGPTProto, LocalOpenRouter
from sandbox.providers.queue_wire import LocalFal


@dataclass(frozen=True, slots=True)
class Choice:
    """What people read of a provider, a word or two and a sentence, and how it is made."""

    label: str
    make: Callable[[], LocalProvider]
    meaning: str = ""


PROVIDERS: Mapping[str, Choice] = {
    "openai": Choice("OpenAI", LocalOpenAI, "/v1/videos, as GPTProto and OpenAI-compatible servers have it."),
    "openrouter": Choice("OpenRouter", LocalOpenRouter, "/api/v1/videos, as OpenRouter has it."),
    "gptproto": Choice("GPTProto", LocalGPTProto, "/api/v3/videos, GPTProto's newer API."),
    "fal": Choice("fal", LocalFal, "The queue of fal."),
    "comfy-router": Choice("Comfy Router", LocalComfyRouter, "The queue of Comfy Router, with keys and quotes."),
    "comfyui": Choice("ComfyUI", LocalComfyUI, "The routes of ComfyUI itself, as on one's own GPU."),
    "comfy-api": Choice("Comfy API", LocalComfyAPI, "The API v2 of comfy-api-proxy and Comfy Cloud."),
}
DEFAULT_PROVIDER = "openai"


def make_provider(name: str = DEFAULT_PROVIDER, providers: Mapping[str, Choice] = PROVIDERS) -> LocalProvider:
    """A provider that knows its name."""
    provider = providers[name].make()
    provider.name = name
    return provider
