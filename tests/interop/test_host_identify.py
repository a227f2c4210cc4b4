"""What go and rust learn of an in-process host through identify, and what it learns of them."""

from __future__ import annotations

import pytest

from p2pstack import Host, PeerId, Stream
from tests.interop.addresses import peer_of, tcp_endpoint, without_peer
from tests.interop.harness import Event, Peers
from tests.interop.pairs import each_other_kind

pytestmark = pytest.mark.interop

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
OWN_PROTOCOL = "/interop/own/1.0.0"
LATE_PROTOCOL = "/interop/late/1.0.0"


async def ignore(stream: Stream) -> None:
    await stream.close()


def check_own(seen: Event, host: Host) -> None:
    """``seen`` is what a peer says of ``host``."""
    assert seen["peer"] == str(host.peer_id)
    assert seen["agent"].startswith("p2pstack")
    assert set(seen["protocols"]) == set(host.protocols)
    assert {"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", OWN_PROTOCOL} <= set(seen["protocols"])
    assert {without_peer(address) for address in seen["listen_addrs"]} == set(map(str, host.addresses))


@each_other_kind
@pytest.mark.req("IDN-01", "IDN-02", "IDN-07")
async def test_a_peer_that_was_dialled_sees_who_we_are(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host(listen=[LOOPBACK]) as host:
        host.handle(OWN_PROTOCOL, ignore)
        await host.connect(node.address)
        seen = await node.event("identified", peer=str(host.peer_id))
        check_own(seen, host)
        # the address at which we see the peer is the one we dialled
        assert without_peer(seen["observed"]) == without_peer(node.address)
        if kind == "go":
            assert seen["signed_peer_record"]


@each_other_kind
@pytest.mark.req("IDN-01", "IDN-02", "IDN-07")
async def test_a_peer_that_dialled_sees_who_we_are(peers: Peers, kind: str) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        host.handle(OWN_PROTOCOL, ignore)
        seen = await peers.dial(kind, str(host.full_addresses[0]), "identify")
        check_own(seen, host)
        address, port = tcp_endpoint(seen["observed"])
        assert address == "127.0.0.1"
        assert port not in [tcp_endpoint(str(own))[1] for own in host.addresses]


@each_other_kind
@pytest.mark.req("IDN-01")
async def test_we_see_who_the_peer_is(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        connection = await host.connect(node.address)
        await host.identify.wait(connection)
        known = host.peerstore.get(PeerId.from_string(node.peer_id))
        assert known is not None
        assert known.agent.startswith({"go": "peer-go/", "rust": "rust-libp2p/"}[kind])
        assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/echo/1.0.0"} <= set(known.protocols or ())
        assert without_peer(node.address) in map(str, known.addresses)
        assert (known.record is not None) == (kind == "go")  # this rust sends none


@each_other_kind
@pytest.mark.req("IDN-10", "IDN-14")
async def test_protocols_that_come_and_go_later_are_pushed(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host(listen=[LOOPBACK]) as host:
        host.handle(OWN_PROTOCOL, ignore)
        await host.connect(node.address)
        await node.event("identified", peer=str(host.peer_id))
        host.handle(LATE_PROTOCOL, ignore)
        pushed = await node.event("identified", where=lambda event: LATE_PROTOCOL in event["protocols"])
        check_own(pushed, host)  # go takes a push for the whole truth: all fields have to be there
        count = node.count("identified")
        host.unhandle(LATE_PROTOCOL)
        await node.until(lambda: node.count("identified") > count, "second push")
        check_own([event for event in node.events if event["event"] == "identified"][-1], host)


@each_other_kind
async def test_a_host_that_does_not_listen_is_identified_too(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        await host.connect(node.address)
        seen = await node.event("identified", peer=str(host.peer_id))
        assert seen["listen_addrs"] == []


async def test_two_hosts_identify_each_other() -> None:
    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far:
        far.handle(OWN_PROTOCOL, ignore)
        connection = await near.connect(far.full_addresses[0])
        await near.identify.wait(connection)
        [backward] = far.connections(near.peer_id)
        await far.identify.wait(backward)
        assert set(near.peerstore.protocols(far.peer_id) or ()) == set(far.protocols)
        assert set(far.peerstore.protocols(near.peer_id) or ()) == set(near.protocols)
        assert peer_of(str(far.full_addresses[0])) == str(far.peer_id)
        known = near.peerstore.get(far.peer_id)
        assert known is not None
        assert known.record is not None
