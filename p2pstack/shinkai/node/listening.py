"""Reading where a node shall listen (SHK-84)."""

from __future__ import annotations

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.multiaddrs import parse, tcp_endpoint, without_peer
from p2pstack.shinkai.endpoints import Endpoint

__all__ = ["listen_endpoint", "second_endpoint"]


def listen_endpoint(text: str) -> Endpoint:
    """Read ``host:port`` or a multiaddr of TCP; the host is an IP address.

    Raises:
        ConfigError: it is neither.
    """
    try:
        if text.startswith("/"):
            found = tcp_endpoint(without_peer(parse(text)))
            return Endpoint(found.host, found.port)
        endpoint = Endpoint.parse(text)
    except DecodeError as error:
        raise ConfigError(f"{text!r} is no address to listen on: {error}") from error
    host = "127.0.0.1" if endpoint.host == "localhost" else endpoint.host
    return Endpoint(host, endpoint.port)


def second_endpoint(first: Endpoint, configured: str | None) -> Endpoint:
    """Return where the second host of a node listens: as configured, or on the port after the first one's.

    Raises:
        ConfigError: what is configured is no address.
    """
    if configured is not None:
        return listen_endpoint(configured)
    return Endpoint(first.host, first.port + 1 if 0 < first.port < 65_535 else 0)
