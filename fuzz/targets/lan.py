"""Packets of mDNS, as anybody on the local network may send them."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, tcp_endpoint
from p2pstack.mdns.advert import MAX_SENT, peer_name
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.discovery import Discovery
from p2pstack.mdns.packet import MAX_RECORDS, decode, encode
from p2pstack.mdns.segment import Segment

_OWN = PrivateKey.from_seed(b"\x06" * 32).peer_id
_NETWORK = ip_network("192.168.1.0/24")
_SEGMENT = Segment("eth0", 2, 4, frozenset({ip_address("192.168.1.1")}), (_NETWORK,))
_CONFIG = MdnsConfig(max_peers=3, max_peers_per_source=2, max_addresses=2)


def packets(data: bytes) -> None:
    """Packets are sound or break a named rule; few peers are believed in, all on the network or this machine."""
    source = Source(data)
    machine = Discovery(_OWN, _CONFIG, name=peer_name(bytes(40)), chance=random.Random(1).random)
    machine.join(_SEGMENT, 0.0)
    machine.advertise([parse("/ip4/192.168.1.1/tcp/4001")], 0.0)
    now, known, local = 0.0, set(), False
    while source:
        where = ip_address(f"192.168.1.{source.byte()}")
        local = local or where in _SEGMENT.own
        now += source.byte() / 16
        packet = source.piece() if source.byte() & 1 else source.rest()
        _check(packet)
        machine.receive(_SEGMENT.key, packet, where, now)
        machine.handle_timeout(now)
        sent = machine.packets()
        assert len(sent) <= 2
        assert all(len(each) <= MAX_SENT for _, each in sent)
        for change in machine.changes():
            if change.addresses:
                known.add(change.peer)
            else:
                known.remove(change.peer)
        assert known == set(machine.table)
    peers = machine.table.peers()
    assert len(peers) <= _CONFIG.max_peers
    assert _OWN not in peers
    for addresses in peers.values():
        ips = [ip_address(tcp_endpoint(address).host) for address in addresses]
        assert all(ip in _NETWORK or (local and ip.is_loopback) for ip in ips)


def _check(data: bytes) -> None:
    error = caught(DecodeError, decode, data)
    if error is not None:
        assert error.requirement == "MDNS-04"
        return
    packet = decode(data)
    if packet is not None:
        assert len(packet.answers) + len(packet.additional) <= MAX_RECORDS
        assert encode(packet)
