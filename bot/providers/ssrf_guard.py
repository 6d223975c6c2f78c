"""Which addresses a download may connect to; checked on the socket's own address, so no name can lie.

Through a proxy it is the proxy that connects: there a name is looked up here first, and has to be public throughout.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from yarl import URL

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not public, although Python 3.11 calls some of them global; 168.63.129.16 is a cloud's metadata service.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20")
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether this is an address of the open internet, also when an IPv4 one is wrapped in IPv6."""
    try:
        parsed = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _GLOBAL_IPV6:
        return False
    refused = any(parsed.version == network.version and parsed in network for network in _REFUSED)
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or refused)


def public_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """A socket factory for `aiohttp.TCPConnector` that refuses every address that is not public."""
    family, kind, proto, _, address = address_info
    if not is_public(str(address[0])):
        raise PermissionError(errno.EACCES, "address is not public")
    return socket.socket(family, kind, proto)


def socket_factory(url: URL, endpoint: URL, hosts: frozenset[str]) -> Callable[[Any], socket.socket] | None:
    """How a connection for this address is to be made; None means without a check. Raises PermissionError."""
    if is_trusted(url, endpoint, hosts):
        return None
    if url.scheme != "https":
        raise PermissionError(errno.EACCES, f"{url.scheme or 'no scheme'} is not allowed there")
    return public_socket


async def check_name(url: URL) -> None:
    """Whether a proxy may be asked for this address. Raises PermissionError, or OSError where its name is not known."""
    found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    if not found or not all(is_public(str(address[0])) for *_, address in found):
        raise PermissionError(errno.EACCES, "address is not public")


def is_trusted(url: URL, endpoint: URL, hosts: frozenset[str]) -> bool:
    """The operator named this place: the endpoint's own host and port, or a host allowed for downloads."""
    if url.scheme not in ("http", "https") or not url.host:
        return False
    if (url.host, url.port) == (endpoint.host, endpoint.port):
        return True
    return url.host.lower() in hosts or f"{url.host.lower()}:{url.port}" in hosts


def same_origin(url: URL, other: URL) -> bool:
    """Scheme, host and port; a port that is the scheme's own may be left out."""
    return (url.scheme, url.host, url.port) == (other.scheme, other.host, other.port)


def _unwrapped(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
