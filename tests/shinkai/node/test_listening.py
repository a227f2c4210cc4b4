from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.node.listening import listen_endpoint, second_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("0.0.0.0:9552", Endpoint("0.0.0.0", 9552)),
        ("[::1]:9552", Endpoint("::1", 9552)),
        ("localhost:1", Endpoint("127.0.0.1", 1)),
        ("/ip4/127.0.0.1/tcp/9552", Endpoint("127.0.0.1", 9552)),
        ("/ip6/::/tcp/0", Endpoint("::", 0)),
    ],
)
def test_where_to_listen(text: str, endpoint: Endpoint) -> None:
    assert listen_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["", "9552", "/ip4/1.2.3.4/udp/1", "1.2.3.4:99999", "/nonsense"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        listen_endpoint(text)


def test_the_second_host_has_the_next_port() -> None:
    assert second_endpoint(Endpoint("::1", 9552), None) == Endpoint("::1", 9553)
    assert second_endpoint(Endpoint("::1", 0), None).port == 0
    assert second_endpoint(Endpoint("::1", 65_535), None).port == 0
    assert second_endpoint(Endpoint("::1", 9552), "127.0.0.1:7") == Endpoint("127.0.0.1", 7)
