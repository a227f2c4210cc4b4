from __future__ import annotations

import errno

import pytest

from p2pstack.host.leaving import is_taken, listener_beside
from p2pstack.identity.multiaddrs import parse, tcp_endpoint

LOOPBACK = parse("/ip4/127.0.0.1/tcp/4001")
LAN = parse("/ip4/192.168.1.2/tcp/4002")
ANY = parse("/ip4/0.0.0.0/tcp/4003")
ANY6 = parse("/ip6/::/tcp/4004")


@pytest.mark.req("DCUTR-07")
@pytest.mark.parametrize(
    ("bound", "target", "expected"),
    [
        ([LOOPBACK], "/ip4/127.0.0.9/tcp/1", ("127.0.0.1", 4001)),
        ([LOOPBACK], "/ip4/5.10.0.1/tcp/1", None),
        ([LAN], "/ip4/127.0.0.1/tcp/1", None),
        ([LOOPBACK, LAN], "/ip4/5.10.0.1/tcp/1", ("192.168.1.2", 4002)),
        ([LAN, ANY], "/ip4/5.10.0.1/tcp/1", ("0.0.0.0", 4003)),
        ([ANY], "/ip4/127.0.0.1/tcp/1", ("0.0.0.0", 4003)),
        ([ANY], "/ip6/2a00::1/tcp/1", None),
        ([ANY, ANY6], "/ip6/2a00::1/tcp/1", ("::", 4004)),
        ([parse("/dns4/example.org/tcp/1"), parse("/ip4/1.2.3.4/udp/1")], "/ip4/5.10.0.1/tcp/1", None),
        ([], "/ip4/5.10.0.1/tcp/1", None),
    ],
)
def test_the_listener_that_a_dial_can_leave_from(
    bound: list[object], target: str, expected: tuple[str, int] | None
) -> None:
    assert listener_beside(bound, tcp_endpoint(parse(target))) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "taken"),
    [(errno.EADDRINUSE, True), (errno.EADDRNOTAVAIL, True), (errno.ECONNREFUSED, False), (None, False)],
)
def test_when_another_port_is_to_be_tried(number: int | None, taken: bool) -> None:
    error = OSError(number, "it failed") if number is not None else TimeoutError("no answer")
    assert is_taken(error) is taken
