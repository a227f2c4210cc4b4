"""Hosts with ports."""

from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.shinkai.endpoints import Endpoint


@pytest.mark.req("SHK-31")
@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9552", "127.0.0.1", 9552),
        ("[::1]:80", "::1", 80),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("node.example.com:0", "node.example.com", 0),
        ("127.211.18.52:65535", "127.211.18.52", 65535),
    ],
)
def test_texts_there_and_back(text: str, host: str, port: int) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.host, endpoint.port) == (host, port)
    assert str(endpoint) == text


@pytest.mark.req("SHK-31")
@pytest.mark.parametrize(
    "text", ["", "a", ":1", "a:", "a:65536", "a:-1", "::1:80", "a b:1", "a:1\n", "a:٣", "x" * 254 + ":1"]
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Endpoint.parse(text)
    assert caught.value.requirement == "SHK-31"
