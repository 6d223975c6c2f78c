"""Which addresses a download may reach."""

from __future__ import annotations

import socket

import pytest
from yarl import URL

from bot.providers.ssrf_guard import is_public, is_trusted, public_socket, same_origin, socket_factory

ENDPOINT = URL("http://192.168.1.5:8000/v1")


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("0.0.0.0", "this host"),
        ("0.1.2.3", "this network"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.100.100.200", "Alibaba metadata"),
        ("169.254.169.254", "metadata, link-local"),
        ("169.254.1.1", "link-local"),
        ("168.63.129.16", "Azure's wire server, on a public address"),
        ("192.0.0.192", "Oracle metadata"),
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("203.0.113.9", "documentation"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::ffff:169.254.169.254", "IPv4-mapped"),
        ("::ffff:10.0.0.1", "IPv4-mapped"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("64:ff9b::7f00:1", "NAT64 of loopback"),
        ("64:ff9b::a9fe:a9fe", "NAT64 of metadata"),
        ("64:ff9b:1::1", "local NAT64"),
        ("2002:7f00:1::", "6to4 of loopback"),
        ("2002:a00:1::", "6to4 of a private address"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local with a zone"),
        ("fec0::1", "site-local"),
        ("fc00::1", "unique local"),
        ("fd00:ec2::254", "AWS metadata"),
        ("ff02::1", "multicast"),
        ("5f00::1", "segment routing"),
        ("not an address", "nonsense"),
        ("", "nothing"),
    ],
)
def test_everything_else_is_not(address: str, why: str) -> None:
    assert not is_public(address), why


def test_a_socket_is_made_for_public_addresses_only() -> None:
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")

    public_socket((*kind, ("8.8.8.8", 443))).close()
    with pytest.raises(PermissionError):
        public_socket((*kind, ("127.0.0.1", 443)))


@pytest.mark.parametrize(
    ("url", "hosts", "wanted"),
    [
        ("http://192.168.1.5:8000/x.mp4", (), True),
        ("http://192.168.1.5:8001/x.mp4", (), False),
        ("http://192.168.1.5/x.mp4", (), False),
        ("http://192.168.1.6:8000/x.mp4", (), False),
        ("http://MINIO.local:9000/x.mp4", ("minio.local",), True),
        ("http://minio.local:9000/x.mp4", ("minio.local:9000",), True),
        ("http://minio.local:9001/x.mp4", ("minio.local:9000",), False),
        ("https://minio.local.evil.com/x.mp4", ("minio.local",), False),
        ("https://evil.com/minio.local", ("minio.local",), False),
        ("https://minio.local@evil.com/", ("minio.local",), False),
        ("ftp://192.168.1.5:8000/x.mp4", (), False),
    ],
)
def test_only_places_the_operator_named_are_trusted(url: str, hosts: tuple[str, ...], wanted: bool) -> None:  # noqa: FBT001 - a column
    assert is_trusted(URL(url), ENDPOINT, frozenset(hosts)) is wanted


@pytest.mark.parametrize("url", ["http://example.com/a.mp4", "ftp://example.com/a", "file:///etc/passwd", "/relative"])
def test_elsewhere_only_https_is_spoken(url: str) -> None:
    with pytest.raises(PermissionError):
        socket_factory(URL(url), ENDPOINT, frozenset())
    assert socket_factory(URL("https://example.com/a.mp4"), ENDPOINT, frozenset()) is public_socket
    assert socket_factory(URL("http://192.168.1.5:8000/a"), ENDPOINT, frozenset()) is None


@pytest.mark.parametrize(
    ("url", "other", "is_same"),
    [
        ("https://a.example.com/v1", "https://A.example.com:443/other", True),
        ("http://a.example.com:80", "http://a.example.com", True),
        ("https://user:word@a.example.com/v1", "https://a.example.com/v1", True),
        ("https://a.example.com/v1", "http://a.example.com/v1", False),
        ("https://a.example.com/v1", "https://a.example.com:8443/v1", False),
        ("https://a.example.com/v1", "https://a.example.com.evil.org/v1", False),
        ("https://a.example.com/v1", "https://evil.org/a.example.com", False),
        ("https://a.example.com/v1", "https://a.example.com@evil.org/v1", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, other: str, is_same: bool) -> None:  # noqa: FBT001 - a column
    assert same_origin(URL(url), URL(other)) is is_same
