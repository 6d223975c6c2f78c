"""Which proxy a request goes through: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say, and nothing else.

aiohttp's own `trust_env` would also read ~/.netrc, and put what stands there in the place of our key.
"""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

from dotenv import dotenv_values
from yarl import URL

VARIABLES = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"})


class UnusableProxyError(ValueError):
    """The variable names something that we cannot speak to; nothing is sent round it."""


def read_env_file() -> None:
    """Like every setting these may stand in `.env`; what the environment itself says comes first."""
    path = Path(".env")
    if path.is_file():
        for name, value in dotenv_values(path, interpolate=False).items():
            if name.upper() in VARIABLES and value:
                os.environ.setdefault(name.upper(), value)


def proxy_for(url: URL) -> URL | None:
    """What this address is to be reached through, with name and password, if any. Raises UnusableProxyError."""
    named = _named(url.scheme)
    if not named or not url.host or urllib.request.proxy_bypass(f"{url.host_subcomponent}:{url.port}"):
        return None
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
    except ValueError as exc:
        raise UnusableProxyError(f"{url.scheme.upper()}_PROXY is not an address") from exc
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise UnusableProxyError(f"{url.scheme.upper()}_PROXY has to begin with http:// or https://")
    return proxy


def _named(scheme: str) -> str | None:
    """In small letters first, as everywhere. `urllib` reads the whole environment to find that, and is not asked."""
    name = f"{scheme}_proxy"
    return os.environ.get(name, os.environ.get(name.upper()))
