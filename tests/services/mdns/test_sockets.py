"""The sockets: shared with others, deaf to what is not theirs."""

from __future__ import annotations

import select
import socket
from dataclasses import replace

import pytest

from p2pstack.services.mdns.sockets import GROUPS, HOPS, PORT, open_socket
from tests.services.mdns.loopback import loopback_segment, stranger

pytestmark = pytest.mark.multicast

SECONDS = 5.0


def heard(opened: socket.socket, wanted: bytes) -> tuple[str, int]:
    """Where a packet comes from; those of others on the loopback are passed over."""
    while True:
        ready, _, _ = select.select([opened], [], [], SECONDS)
        assert ready, "nothing was heard"
        data, source = opened.recvfrom(9_000)
        if data == wanted:
            return source


@pytest.mark.req("MDNS-01", "MDNS-08")
def test_what_is_sent_comes_from_the_port_to_all_that_share_it() -> None:
    with stranger() as (one, group), stranger() as (other, _):
        one.sendto(b"an mDNS test", group)
        for each in (one, other):
            assert heard(each, b"an mDNS test") == ("127.0.0.1", PORT)
        assert one.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == HOPS


def test_answers_to_others_are_not_taken() -> None:
    with stranger() as (ours, group), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        theirs.bind(("127.0.0.1", PORT))
        ours.sendto(b"to one alone", ("127.0.0.1", PORT))
        heard(theirs, b"to one alone")
        ours.sendto(b"to all", group)
        data = b""
        while data != b"to all":
            assert select.select([ours], [], [], SECONDS)[0]
            data = ours.recvfrom(9_000)[0]
            assert data != b"to one alone"


def test_an_interface_that_is_gone() -> None:
    for version in (4, 6):
        with pytest.raises(OSError, match=r".+"):
            open_socket(replace(loopback_segment(), index=999_999, version=version))


def test_a_socket_for_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with open_socket(replace(loopback_segment(), version=6)) as opened:
        assert opened.getsockname()[:2] == (GROUPS[6], PORT)
        assert opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS) == HOPS
