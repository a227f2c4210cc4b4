"""The service on the loopback, with real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from ipaddress import ip_address
from time import monotonic

import pytest

from p2pstack.errors import HostClosed
from p2pstack.host.events import PeerConnected
from p2pstack.identity.multiaddrs import parse
from p2pstack.mdns.advert import Advert, Wanted, peer_name
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.names import service_name
from p2pstack.mdns.segment import Segment
from p2pstack.services.mdns import service
from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
from p2pstack.services.mdns.interfaces import Interface
from p2pstack.services.mdns.service import Mdns
from p2pstack.services.mdns.sockets import open_socket
from p2pstack.services.standard import Host
from tests.mdns.lan import peer_of
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.mdns.loopback import loopback, own_config, stranger

pytestmark = pytest.mark.multicast

ELSEWHERE = parse("/ip4/127.0.0.1/tcp/9")


def told(config: MdnsConfig, number: int, ttl: int = 100) -> bytes:
    """What a peer says that is not there."""
    advert = Advert(service_name(config.service), peer_name(bytes(40)), peer_of(number), (ELSEWHERE,), ttl)
    return advert.answer(Wanted.PEERS, 0)


@pytest.mark.req("MDNS-01", "MDNS-07", "MDNS-08")
async def test_two_hosts_find_each_other_connect_and_part() -> None:
    config = own_config()
    first, second = Host(listen=[LOOPBACK]), Host(listen=[LOOPBACK])
    Mdns(first, config)
    Mdns(second, config)
    async with first:
        events = first.events(MdnsPeerFound, MdnsPeerExpired)
        connections = first.events(PeerConnected)
        started = monotonic()
        async with second:
            found = await next_event(events, MdnsPeerFound)
            assert (found.peer, list(found.addresses)) == (second.peer_id, second.addresses)
            assert monotonic() - started < 2
            assert first.peerstore.addresses(second.peer_id, monotonic()) == second.addresses
            assert (await next_event(connections, PeerConnected)).peer == second.peer_id
            await until(lambda: first.peer_id in second.services[-1].peers)
        assert (await next_event(events, MdnsPeerExpired)).peer == second.peer_id
        assert first.services[-1].peers == {}


async def test_peers_are_not_dialled_where_the_program_does_not_want_it() -> None:
    config = own_config(dial=False)
    async with Host(listen=[LOOPBACK]) as first, Host(listen=[LOOPBACK]) as second:
        events = first.events(MdnsPeerFound)
        async with Mdns(first, config) as mdns, Mdns(second, config) as other:
            await next_event(events, MdnsPeerFound)
            await until(lambda: other.peers)
            assert mdns.peers == {second.peer_id: tuple(second.addresses)}
            assert first.connections() == []
        assert mdns not in first.services
        await mdns.stop()
        with pytest.raises(HostClosed):
            await mdns.start()


@pytest.mark.req("MDNS-06")
async def test_who_listens_later_is_found_then() -> None:
    config = own_config(dial=False)
    async with Host() as first, Host() as second:
        events = first.events(MdnsPeerFound)
        async with Mdns(first, config), Mdns(second, config) as mdns:
            await mdns.start()
            await until(lambda: mdns.segments)
            (address,) = await second.listen(LOOPBACK)
            assert (await next_event(events, MdnsPeerFound)).addresses == (address,)
            (another,) = await second.listen(LOOPBACK)
            assert set((await next_event(events, MdnsPeerFound)).addresses) == {address, another}


@pytest.mark.req("MDNS-04", "MDNS-11")
async def test_hostile_packets_cost_nothing_but_themselves() -> None:
    config = own_config(dial=False, max_peers=5, packet_burst=200, packet_rate=1.0)
    async with Host() as host, Mdns(host, config) as mdns:
        await until(lambda: mdns.segments and mdns._transports)
        with stranger() as (opened, group):
            for data in (b"", b"\x00", bytes(4) + b"\xff" * 200, bytes(12) + b"\xc0\x0c" * 30, bytes(9_001)):
                opened.sendto(data, group)
            await until(lambda: mdns.counters["malformed"] >= 4)
            for number in range(1, 20):
                opened.sendto(told(config, number), group)
            await until(lambda: len(mdns.peers) == 5)
            await until(lambda: mdns.counters["refused"] >= 14)
            while not mdns.counters["dropped"]:
                opened.sendto(b"flood", group)
                await asyncio.sleep(0)
        assert len(mdns.peers) == 5


@pytest.mark.req("MDNS-07")
async def test_who_is_not_heard_any_more_expires() -> None:
    config = own_config(dial=False)
    async with Host() as host, Mdns(host, config) as mdns:
        events = host.events(MdnsPeerFound, MdnsPeerExpired)
        await until(lambda: mdns._transports)
        with stranger() as (opened, group):
            opened.sendto(told(config, 1, ttl=1), group)
            assert (await next_event(events, MdnsPeerFound)).peer == peer_of(1)
        assert (await next_event(events, MdnsPeerExpired)).peer == peer_of(1)


@pytest.mark.req("MDNS-08")
async def test_interfaces_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[Interface] = []
    monkeypatch.setattr(service, "interfaces", lambda: list(there))
    config = own_config(dial=False, interface_interval=0.02)
    async with Host(listen=[LOOPBACK]) as first, Host(listen=[LOOPBACK]) as second:
        events = first.events(MdnsPeerFound, MdnsPeerExpired)
        async with Mdns(first, config) as mdns, Mdns(second, config):
            there.append(loopback())
            await next_event(events, MdnsPeerFound)
            there.clear()
            assert (await next_event(events, MdnsPeerExpired)).peer == second.peer_id
            assert mdns.segments == []
            there.append(loopback())
            await next_event(events, MdnsPeerFound)
            there[0] = replace(loopback(), own=(*loopback().own, ip_address("127.0.0.9")))
            await next_event(events, MdnsPeerExpired)
            await next_event(events, MdnsPeerFound)
            assert ip_address("127.0.0.9") in mdns.segments[0].own


@pytest.mark.req("MDNS-08")
async def test_an_interface_that_can_not_be_used_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def refuse(segment: Segment) -> None:
        nonlocal tries
        tries += 1
        raise OSError("the port is taken")

    allowed = service.open_socket
    monkeypatch.setattr(service, "open_socket", refuse)
    caplog.set_level(logging.WARNING, logger="p2pstack.mdns")
    config = own_config(interface_interval=0.01)
    async with Host() as host, Mdns(host, config) as mdns:
        await until(lambda: tries >= 3)
        assert mdns.segments == []
        assert [record.getMessage() for record in caplog.records] == [
            f"no mDNS on {loopback().name} by IPv4: the port is taken"
        ]
        monkeypatch.setattr(service, "open_socket", allowed)
        await until(lambda: mdns.segments)


@pytest.mark.req("MDNS-08")
async def test_an_interface_that_goes_while_it_is_joined_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def opening(segment: Segment) -> socket.socket:
        nonlocal tries
        tries += 1
        opened = open_socket(segment)
        opened.close()
        return opened

    monkeypatch.setattr(service, "open_socket", opening)
    caplog.set_level(logging.WARNING, logger="p2pstack.mdns")
    async with Host() as host, Mdns(host, own_config(interface_interval=0.01)) as mdns:
        await until(lambda: tries >= 3)
        assert mdns.segments == []
        (record,) = caplog.records
        assert record.getMessage().startswith(f"no mDNS on {loopback().name} by IPv4: ")
        monkeypatch.undo()
        await until(lambda: mdns.segments and mdns._transports)


@pytest.mark.req("MDNS-08")
async def test_a_named_interface_that_is_missing_is_told_each_time_that_it_has_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0
    there: list[Interface] = []

    def look() -> list[Interface]:
        nonlocal looks
        looks += 1
        return list(there)

    monkeypatch.setattr(service, "interfaces", look)
    caplog.set_level(logging.WARNING, logger="p2pstack.mdns")
    config = replace(own_config(interface_interval=0.01), interfaces=("nope0", loopback().name))
    nope, gone = (
        f"no mDNS on {name}: there is no interface of this name that is up and has an address"
        for name in config.interfaces or ()
    )
    async with Host() as host, Mdns(host, config) as mdns:
        await until(lambda: looks >= 3)
        assert sorted(record.getMessage() for record in caplog.records) == sorted([nope, gone])
        there.append(loopback())
        await until(lambda: mdns.segments)
        caplog.clear()
        there.clear()
        await until(lambda: not mdns.segments)
        assert [record.getMessage() for record in caplog.records] == [gone]


async def test_stopping_twice_at_once() -> None:
    async with Host(listen=[LOOPBACK]) as host:
        mdns = Mdns(host, own_config())
        await mdns.start()
        await until(lambda: mdns._transports)
        await asyncio.gather(mdns.stop(), mdns.stop())
        assert mdns not in host.services


async def test_an_error_that_ends_the_watch_over_the_interfaces_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Interface]:
        raise ZeroDivisionError("by nothing")

    told: list[str] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    monkeypatch.setattr(service, "interfaces", fail)
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    try:
        async with Host() as host, Mdns(host, own_config()):
            await until(lambda: told)
    finally:
        loop.set_exception_handler(handler)
    assert told == ["a task of mDNS has ended by an error: by nothing"]
