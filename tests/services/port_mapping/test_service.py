"""The service, with a gateway on the loopback: what is mapped, told, renewed, and taken back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from ipaddress import IPv4Address
from time import monotonic
from typing import Any

import pytest

from p2pstack.errors import HostClosed
from p2pstack.host.host import BaseHost
from p2pstack.services.port_mapping import asking, service, ways
from p2pstack.services.port_mapping.config import PortMappingConfig
from p2pstack.services.port_mapping.events import PortMapped, PortMappingFailed
from p2pstack.services.port_mapping.service import PortMapping
from p2pstack.services.standard import Host
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.port_mapping.gateways import Router, on_linux, router
from tests.services.port_mapping.test_ways import NoUpnp

pytestmark = on_linux


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "UpnpGateway", NoUpnp)
    monkeypatch.setattr(asking, "FIRST_REPEAT", 0.02)


def config(fake: Router, **changes: Any) -> PortMappingConfig:
    return replace(PortMappingConfig(gateway=fake.address, timeout=0.5), **changes)


def port_of(host: BaseHost, number: int = 0) -> int:
    return int(str(host.bound_addresses[number]).rpartition("/")[2])


@pytest.mark.req("PMAP-05", "PMAP-07")
async def test_a_listen_port_is_mapped_told_and_taken_back() -> None:
    async with router() as fake:
        fake.ports = [5_000]
        async with Host(listen=[LOOPBACK]) as host:
            events = host.events(PortMapped, PortMappingFailed)
            async with PortMapping(host, config(fake)) as mapping:
                event = await next_event(events, PortMapped)
                assert event == PortMapped(
                    port=port_of(host), address=event.address, gateway=f"{fake.address} by PCP", seconds=3_600.0
                )
                assert str(event.address) == "/ip4/5.10.0.1/tcp/5000"
                assert event.address in host.advertised
                assert mapping.mapped == {port_of(host): event.address}
                assert fake.mappings == {5_000: port_of(host)}
                async with Host() as peer:
                    connection = await peer.connect(host.full_addresses[0])
                    info = await peer.identify.wait(connection, 5)
                    assert event.address in info.addresses
            assert fake.mappings == {}
            assert host.advertised == []
            assert mapping not in host.services


async def test_it_lives_with_its_host() -> None:
    async with router() as fake:
        host = Host(listen=[LOOPBACK])
        mapping = PortMapping(host, config(fake))
        async with host:
            await until(lambda: fake.mappings)
            await mapping.start()
        assert fake.mappings == {}
        await mapping.stop()
        with pytest.raises(HostClosed, match="stopped"):
            await mapping.start()


async def test_ports_that_come_and_go() -> None:
    async with router() as fake, Host() as host, PortMapping(host, config(fake, max_ports=2)) as mapping:
        for _ in range(5):
            await asyncio.sleep(0)
        assert fake.asked == [], "nothing listens, nothing is asked"
        await host.listen(LOOPBACK)
        await until(lambda: len(mapping.mapped) == 1)
        await host.listen(LOOPBACK)
        await until(lambda: len(mapping.mapped) == 2)
        await host.listen(LOOPBACK)
        await host.listen("/ip4/127.0.0.2/tcp/0")
        await until(lambda: len(host.advertised) == 2)
        assert set(fake.mappings.values()) == {port_of(host, 0), port_of(host, 1)}
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        before = fake.asked.count("map")
        async with server:
            host.share(server)
            host._servers.pop(0).close()
            host.advertise("test", ())
            host._events.emit(service.AddressesChanged(addresses=()))
            await until(lambda: port_of(host, 1) in fake.mappings.values())
        assert fake.asked.count("unmap") == 1
        assert fake.asked.count("map") == before + 1


@pytest.mark.req("PMAP-06")
async def test_mappings_are_renewed_at_half_their_time() -> None:
    async with router() as fake:
        fake.lifetime, fake.ports = 1, [5_000]
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake, min_renewal=0.1)) as mapping:
            started = monotonic()
            await until(lambda: fake.asked.count("map") == 3)
            assert 0.9 <= monotonic() - started < 3
            assert fake.mappings == {5_000: port_of(host)}
            assert len(set(fake.nonces)) == 1
            assert len(mapping.mapped) == 1


async def test_a_gateway_that_grants_little_does_not_keep_us_busy() -> None:
    async with router() as fake:
        fake.lifetime = 1
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake)) as mapping:
            await until(lambda: mapping.mapped)
            [due] = mapping._due.values()
            assert 29 < due - monotonic() <= 30


@pytest.mark.req("PMAP-05")
async def test_another_port_at_the_renewal() -> None:
    async with router() as fake:
        fake.lifetime = 1
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake, min_renewal=0.05)):
            events = host.events(PortMapped)
            first = await next_event(events, PortMapped)
            fake.mappings.clear()  # it was restarted
            fake.ports = [6_000]
            second = await next_event(events, PortMapped)
            assert (first.port, second.port) == (port_of(host), port_of(host))
            assert str(second.address) == "/ip4/5.10.0.1/tcp/6000"
            assert host.advertised == [second.address]


@pytest.mark.req("PMAP-03")
async def test_natpmp_is_tried_where_pcp_fails() -> None:
    async with router(speaks=("NAT-PMP",)) as fake, Host(listen=[LOOPBACK]) as host:
        async with PortMapping(host, config(fake)):
            event = await next_event(host.events(PortMapped), PortMapped)
            assert event.gateway == f"{fake.address} by NAT-PMP"
        assert fake.mappings == {}


async def test_without_a_gateway_the_reasons_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "p2pstack.port_mapping")
    async with router() as fake:
        pass
    host, peer = Host(listen=[LOOPBACK]), Host()
    async with host, peer, PortMapping(host, config(fake, retry=0.05, upnp_timeout=3)) as mapping:
        event = await next_event(host.events(PortMappingFailed), PortMappingFailed)
        assert event.ports == (port_of(host),)
        assert event.reasons == ("PCP: Connection refused", "NAT-PMP: Connection refused", "UPnP: nobody within 3 s")
        await until(lambda: mapping._retry_at > 0)
        first = mapping._retry_at
        await until(lambda: mapping._retry_at > first)
        assert (mapping.mapped, host.advertised) == ({}, [])
        await peer.connect(host.full_addresses[0])
    warnings = [record.message for record in caplog.records]
    assert len(warnings) == 1
    assert "PCP: Connection refused; NAT-PMP" in warnings[0]


async def test_it_is_tried_again() -> None:
    async with router() as fake:
        fake.result = 2
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake, retry=0.05)) as mapping:
            event = await next_event(host.events(PortMappingFailed), PortMappingFailed)
            assert event.reasons[:2] == ("PCP: mapping is switched off", "NAT-PMP: mapping is switched off")
            fake.result = 0
            await until(lambda: mapping.mapped)


async def test_a_gateway_that_is_lost_and_comes_back() -> None:
    async with router() as fake:
        fake.lifetime = 1
        changes = {"min_renewal": 0.05, "retry": 0.05, "timeout": 0.1}
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake, **changes)) as mapping:
            await until(lambda: host.advertised)
            fake.deaf = 1_000_000
            await until(lambda: not host.advertised)
            assert mapping.mapped == {}
            fake.deaf = 0
            await until(lambda: host.advertised)


@pytest.mark.req("PMAP-10")
@pytest.mark.parametrize("outside", ["192.168.178.20", "100.64.3.1", "0.0.0.0"])
async def test_a_gateway_behind_another_one(outside: str) -> None:
    async with router() as fake:
        fake.outside = IPv4Address(outside)
        async with Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake, upnp=False)) as mapping:
            event = await next_event(host.events(PortMappingFailed), PortMappingFailed)
            assert event.reasons == tuple(
                f"{each}: its own address {outside} is not public" for each in ("PCP", "NAT-PMP")
            )
            assert (fake.mappings, mapping.mapped, host.advertised) == ({}, {}, [])


async def test_a_host_that_does_not_face_the_gateway() -> None:
    host = Host(listen=["/ip4/127.0.0.2/tcp/0"])
    async with router() as fake, host, PortMapping(host, config(fake, upnp=False)):
        event = await next_event(host.events(PortMappingFailed), PortMappingFailed)
        text = "the host does not listen at 127.0.0.1, to which it would pass on"
        assert event.reasons == (f"PCP: {text}", f"NAT-PMP: {text}")


async def test_one_port_of_two_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with router() as fake, Host(listen=[LOOPBACK, LOOPBACK]) as host:
        mapped = fake._map

        def full(internal: int, external: int, seconds: int) -> tuple[int, int]:
            fake.result = 8 if seconds and fake.mappings else 0
            return mapped(internal, external, seconds)

        monkeypatch.setattr(fake, "_map", full)
        async with PortMapping(host, config(fake, retry=0.05)) as mapping:
            event = await next_event(host.events(PortMappingFailed), PortMappingFailed)
            assert event == PortMappingFailed(
                ports=(port_of(host, 1),), reasons=("PCP: it has no room for another mapping",)
            )
            assert list(mapping.mapped) == [port_of(host)]
            monkeypatch.undo()
            fake.result = 0
            await until(lambda: len(mapping.mapped) == 2)
            assert mapping._failure is None


async def test_the_end_does_not_wait_for_a_gateway_that_is_gone() -> None:
    async with router() as fake, Host(listen=[LOOPBACK]) as host:
        async with PortMapping(host, config(fake, stop_timeout=0.1, timeout=20)) as mapping:
            await until(lambda: mapping.mapped)
            fake.deaf = 1_000_000
            started = monotonic()
        assert monotonic() - started < 2
        assert host.advertised == []


async def test_a_gateway_that_keeps_the_mapping(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "p2pstack.port_mapping")
    async with router() as fake, Host(listen=[LOOPBACK]) as host, PortMapping(host, config(fake)) as mapping:
        await until(lambda: mapping.mapped)
        fake.result = 2
    assert "keeps the mapping" in caplog.records[-1].message
