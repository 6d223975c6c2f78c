"""Whether the bot answers at its own port: what a container asks every few seconds, so it loads next to nothing.

The answer comes from the bot's event loop: a process that hangs does not give it.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

WITHIN_S = 4.0
"""To connect, and again for the answer. A container's own limit has to be above twice this."""

_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to ask at, not to listen on


def ask(within_s: float = WITHIN_S) -> tuple[bool, str]:
    """Whether `/healthz` answers with 200, and a sentence about it. With HTTP_PORT off nothing can be asked: True."""
    host, port = _address()
    if not port.isdecimal() or not int(port):
        return True, "HTTP_PORT is not set: there is no port to ask"
    try:
        with socket.create_connection((_ALL_ADDRESSES.get(host, host), int(port)), timeout=within_s) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = connection.recv(64).split(b"\r\n", 1)[0].decode("ascii", "replace")
    except (OSError, OverflowError) as error:
        return False, f"the bot does not answer at port {port}: {error}"
    if answer.split(" ")[1:2] == ["200"]:
        return True, "the bot is running"
    return False, f"the bot does not answer at port {port} as it should: {answer!r}"


def _address() -> tuple[str, str]:
    """HTTP_HOST and HTTP_PORT, as the settings read them."""
    found: dict[str, str | None] = {}
    if Path(".env").is_file():
        from dotenv import dotenv_values

        found = {name.upper(): value for name, value in dotenv_values(".env", interpolate=False).items()}
    found |= {name.upper(): value for name, value in os.environ.items() if value}
    return (found.get("HTTP_HOST") or "127.0.0.1").strip(), (found.get("HTTP_PORT") or "0").strip()
