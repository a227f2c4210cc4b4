"""mDNS on the loopback, with a service of the test's own: nothing leaves the machine, and no other test is heard."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.names import private_service
from p2pstack.mdns.segment import Segment
from p2pstack.services.mdns.interfaces import Interface, interfaces, segments
from p2pstack.services.mdns.sockets import GROUPS, PORT, open_socket

__all__ = ["CONFIG", "loopback", "loopback_segment", "own_config", "stranger"]

CONFIG = MdnsConfig(ipv6=False)


def loopback() -> Interface:
    return next(each for each in interfaces() if each.loopback)


def loopback_segment() -> Segment:
    return segments([loopback()], CONFIG)[0]


def own_config(**changes: Any) -> MdnsConfig:
    service = private_service(secrets.token_bytes(8))
    return MdnsConfig(service=service, interfaces=(loopback().name,), ipv6=False, **changes)


@contextmanager
def stranger() -> Iterator[tuple[socket.socket, tuple[str, int]]]:
    """A socket on the loopback's group, which hears everything there, and where to send to."""
    with open_socket(loopback_segment()) as opened:
        yield opened, (GROUPS[4], PORT)
