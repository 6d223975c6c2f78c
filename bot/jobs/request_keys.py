"""The key of a paid request: a UUID that also tells, without a secret in it, which request it was made for.

Its last 48 bits are a digest of the provider's account and of all that is sent but the pictures, salted with the rest.
So a request is sent again under its key only where it is the same one: another catalog, address or account in the
meantime would pay once more.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict

from bot.providers.protocols import CreateRequest
from bot.wire_config import ProviderConfig

_SALT, _DIGEST = 10, 6
"""Bytes of a UUID: chance, then the digest."""


def key_for(config: ProviderConfig, request: CreateRequest) -> str:
    """The request's own key where that was made for it, else a new one."""
    return request.key if is_for(config, request) else str(_made(config, request, uuid.uuid4().bytes))


def is_for(config: ProviderConfig, request: CreateRequest) -> bool:
    """Whether the request's key was made for this very request, to be sent to this provider's account."""
    try:
        key = uuid.UUID(request.key)
    except ValueError:
        return False
    return _made(config, request, key.bytes) == key


def _made(config: ProviderConfig, request: CreateRequest, salt: bytes) -> uuid.UUID:
    left_out = ("key", "picture", "picture_url", "last_image_url", "sent_at", "max_usd")
    sent = asdict(request) | dict.fromkeys(left_out) | {"last_image": request.last_image is not None}
    told = json.dumps([config.wire, config.dialect, config.url, config.key, sent], sort_keys=True, default=str)
    digest = hashlib.blake2b(told.encode("utf-8", "backslashreplace"), key=salt[:_SALT], digest_size=_DIGEST).digest()
    return uuid.UUID(bytes=salt[:_SALT] + digest, version=4)
