"""A catalog with a model of each of several local providers: `on-fal` is the one of fal."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sandbox.providers.base import LocalProvider
from sandbox.providers.openrouter import LocalGPTProto

QUEUE = """
body = { prompt = "{prompt}", image_url = "{picture}", duration = "{seconds}" }
result = "video.url"
"""
WORKFLOW = """
workflow = "wan-2.2.json"
fps = 24
"""
SPEAKS = {
    "openai": ('wire = "openai"', "bearer", "sora-2", ""),
    "openrouter": ('wire = "openrouter"', "bearer", "alibaba/wan-2.6", ""),
    "gptproto": ('wire = "openrouter"', "bearer", "wan/wan-2.6", ""),
    "fal": ('wire = "queue"\ndialect = "fal"', "key", "some/model", QUEUE),
    "comfy-router": ('wire = "queue"\ndialect = "comfy-router"', "x-api-key", "some/model", QUEUE),
    "comfyui": ('wire = "comfyui"', "bearer", "wan-2.2", WORKFLOW),
    "comfy-api": ('wire = "comfyui"\ndialect = "api-v2"', "bearer", "wan-2.2", WORKFLOW),
}
"""Its wire, how it takes its key, the name of its model there, and what else its model needs."""


def catalog(
    providers: Collection[LocalProvider],
    *,
    models: Mapping[str, str | None] | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """The TOML. `models`: another id for a provider's model, None for no model; `more`: lines for a model."""
    return "".join(
        _provider(each)
        + _model(each.name, (models or {}).get(each.name, f"on-{each.name}"), (more or {}).get(each.name, ""))
        for each in providers
    )


def settings(providers: Collection[LocalProvider]) -> dict[str, str]:
    """What the bot has to know beside the catalog: the keys, and hosts that videos lie at."""
    found = {variable(each.name): each.key for each in providers}
    hosts = [each.elsewhere.partition("//")[2] for each in providers if isinstance(each, LocalGPTProto)]
    return found | ({"VIDEO_DOWNLOAD_HOSTS": ",".join(hosts)} if hosts else {})


def variable(name: str) -> str:
    """Of the key of a provider."""
    return f"KEY_OF_{name.replace('-', '_').upper()}"


def _provider(provider: LocalProvider) -> str:
    name = provider.name
    wire, auth, _, _ = SPEAKS[name]
    return f"""
[providers.{name}]
{wire}
url = "{provider.url}"
key = "{variable(name)}"
auth = "{auth}"
"""


def _model(provider: str, model: str | None, more: str) -> str:
    _, _, name, body = SPEAKS[provider]
    return (
        ""
        if model is None
        else f"""
[[models]]
id = "{model}"
provider = "{provider}"
name = "{name}"
seconds = [4]
sizes = ["720x1280", "1280x720"]
credits = 1
{body}
{more}
"""
    )
