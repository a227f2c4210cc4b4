"""Whole networks of machines, without sockets."""

from __future__ import annotations

import itertools
import random
from ipaddress import ip_address

import pytest

from p2pstack.mdns.advert import Wanted, peer_name
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.discovery import Discovery
from p2pstack.mdns.names import private_service
from tests.mdns.lan import PACKETS, Lan, addresses, advert, peer_of, segment

STRANGER = ip_address("192.168.1.99")


def alone(config: MdnsConfig | None = None) -> Discovery:
    machine = Discovery(peer_of(1), config or MdnsConfig(), name=peer_name(bytes(40)), chance=random.Random(1).random)
    machine.join(segment("192.168.1.1/24"), 0.0)
    return machine


@pytest.mark.req("MDNS-01", "MDNS-07")
def test_two_nodes_find_each_other_within_two_seconds_and_say_goodbye() -> None:
    lan = Lan()
    first = lan.add(1)
    lan.run(100)
    second = lan.add(2)
    lan.run(2)
    for node, other in ((first, second), (second, first)):
        ((when, change),) = node.history
        assert change.peer == other.peer
        assert change.addresses == addresses(f"/ip4/{other.ip}/tcp/4001")
        assert when - 1_100 < 1.2
    lan.remove(second, goodbye=True)
    lan.run(0.01)
    assert first.known == set()
    assert first.history[-1][1].peer == second.peer


@pytest.mark.req("MDNS-07")
def test_who_is_cut_off_expires_and_who_stays_does_not() -> None:
    lan = Lan()
    nodes = [lan.add(number) for number in range(1, 6)]
    lan.run(30)
    lan.remove(nodes[4], goodbye=False)
    lan.run(500)
    everybody = {node.peer for node in nodes}
    for node in nodes[:4]:
        assert node.known == everybody - {node.peer, nodes[4].peer}
        assert [change.peer for _, change in node.history if not change.addresses] == [nodes[4].peer]
        assert len(node.history) == 5


@pytest.mark.req("MDNS-09")
def test_thirty_nodes_do_not_shout() -> None:
    lan = Lan()
    nodes = [lan.add(number) for number in range(1, 31)]
    lan.run(300)
    assert all(len(node.known) == 29 for node in nodes)
    calm = lan.now
    lan.run(300)
    packets = sum(when > calm for node in nodes for when, _ in node.sent)
    assert packets / 30 / 300 < 0.1, "packets a node and second"
    assert all(len(node.known) == 29 for node in nodes)
    for node in nodes:
        times = [when for when, data in node.sent if data[2] & 0x80]
        assert all(later - earlier >= 0.999 for earlier, later in itertools.pairwise(times))


@pytest.mark.req("MDNS-04")
def test_a_private_network_is_not_seen_by_others() -> None:
    lan = Lan()
    private = MdnsConfig(service=private_service(bytes(16)))
    one, other = lan.add(1, private), lan.add(2, private)
    stranger = lan.add(3)
    lan.run(10)
    assert (one.known, other.known, stranger.known) == ({other.peer}, {one.peer}, set())


@pytest.mark.req("MDNS-04", "MDNS-10")
def test_what_is_ignored() -> None:
    machine = alone()
    key = machine.segments[0].key
    itself = advert("/ip4/192.168.1.1/tcp/4001", number=1).answer(Wanted.PEERS, 0)
    other = advert("/ip4/192.168.1.99/tcp/4001", number=2).answer(Wanted.PEERS, 0)
    far = advert("/ip4/8.8.8.8/tcp/4001", number=3).answer(Wanted.PEERS, 0)
    for data in (itself, far, b"", bytes(4) + b"\xc0" * 100, bytes(2) + b"\x28" + bytes(9)):
        machine.receive(key, data, STRANGER, 0.0)
    machine.receive(key, other, ip_address("8.8.8.8"), 0.0)
    machine.receive(key, other[:2] + b"\x00\x00" + other[4:], STRANGER, 0.0)
    assert machine.changes() == []
    assert (machine.malformed, machine.foreign) == (2, 1)
    machine.receive(key, other, STRANGER, 0.0)
    assert [change.peer for change in machine.changes()] == [peer_of(2)]


@pytest.mark.req("MDNS-11")
def test_a_flood_of_peers_is_bounded() -> None:
    machine = alone()
    key = machine.segments[0].key
    for number in range(2, 3_000):
        data = advert("/ip4/192.168.1.99/tcp/4001", number=number).answer(Wanted.PEERS, 0)
        machine.receive(key, data, STRANGER, number / 10_000)
    assert len(machine.table) == machine.config.max_peers_per_source
    assert machine.dropped > 1_500
    data = advert("/ip4/192.168.1.7/tcp/4001", number=1_000_000).answer(Wanted.PEERS, 0)
    machine.receive(key, data, ip_address("192.168.1.7"), 5.0)
    assert peer_of(1_000_000) in machine.table


@pytest.mark.req("MDNS-06", "MDNS-08")
def test_segments_come_and_go() -> None:
    machine = alone()
    lan = machine.segments[0]
    assert machine.next_timeout() == 0.0
    machine.advertise(addresses("/ip4/192.168.1.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"), 0.0)
    machine.join(segment("10.0.0.1/8", name="wlan0"), 0.0)
    machine.handle_timeout(0.0)
    said = {key: data for key, data in machine.packets() if data[2] & 0x80}
    assert set(said) == {("eth0", 4), ("wlan0", 4)}
    assert b"/ip4/10.0.0.1/tcp" not in said["eth0", 4]
    assert b"/ip4/192.168.1.1/tcp" not in said["wlan0", 4]
    assert not any(b"127.0.0.1" in data for data in said.values())
    machine.receive(lan.key, PACKETS["go: answer to a query"], ip_address("192.168.1.20"), 1.0)
    assert machine.changes() == []
    machine.receive(lan.key, advert("/ip4/192.168.1.7/tcp/1", number=2).answer(Wanted.PEERS, 0), STRANGER, 1.0)
    assert len(machine.changes()) == 1
    machine.leave(lan.key)
    assert [change.addresses for change in machine.changes()] == [()]
    assert [each.interface for each in machine.segments] == ["wlan0"]
    machine.leave(("wlan0", 4))
    machine.handle_timeout(50.0)
    assert machine.next_timeout() is None


@pytest.mark.req("MDNS-07")
def test_who_listens_nowhere_any_more_says_goodbye() -> None:
    machine = alone()
    machine.advertise(addresses("/ip4/192.168.1.1/tcp/1"), 0.0)
    machine.packets()
    machine.advertise((), 1.0)
    ((_, data),) = machine.packets()
    assert data[2] & 0x80
    machine.close()
    assert machine.packets() == []
