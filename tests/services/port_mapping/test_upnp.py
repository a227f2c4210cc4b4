"""UPnP by miniupnpc, with a gateway on the loopback."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from p2pstack.services.port_mapping import upnp
from p2pstack.services.port_mapping.gateway import PortMappingError
from p2pstack.services.port_mapping.upnp import OTHER_PORTS, PERMANENT, UpnpGateway, _in_thread
from tests.services.hosts import until
from tests.services.port_mapping.gateways import OUTSIDE, igd, on_linux

pytestmark = [on_linux, pytest.mark.multicast]


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches go over the loopback, instead of into the network of whoever runs the tests."""
    miniupnpc = pytest.importorskip("miniupnpc")
    monkeypatch.setattr(miniupnpc, "UPnP", functools.partial(miniupnpc.UPnP, multicastif="127.0.0.1"))
    monkeypatch.setattr(upnp, "DISCOVERY_MILLISECONDS", 200)


@pytest.mark.usefixtures("loopback")
@pytest.mark.req("PMAP-07")
async def test_a_mapping_from_its_beginning_to_its_end() -> None:
    async with igd() as fake:
        gateway = await UpnpGateway.find(10)
        assert (gateway.name, str(gateway.local)) == ("a router by UPnP", "127.0.0.1")
        lease = await gateway.map(4_001, 600, None)
        assert (lease.internal, lease.external, lease.host, lease.seconds) == (4_001, 4_001, OUTSIDE, 600)
        assert fake.mappings == {4_001: ("127.0.0.1", 4_001, 600)}
        assert await gateway.map(4_001, 900, lease) != lease
        assert fake.mappings == {4_001: ("127.0.0.1", 4_001, 900)}
        await gateway.unmap(lease)
        assert fake.mappings == {}


@pytest.mark.usefixtures("loopback")
@pytest.mark.req("PMAP-08")
async def test_a_port_that_is_taken() -> None:
    async with igd() as fake:
        fake.taken = {4_001}
        gateway = await UpnpGateway.find(10)
        lease = await gateway.map(4_001, 600, None)
        assert lease.external != 4_001
        assert fake.mappings == {lease.external: ("127.0.0.1", 4_001, 600)}
        renewed = await gateway.map(4_001, 600, lease)
        assert renewed.external == lease.external
        fake.taken = set(range(65_536))
        fake.actions.clear()
        with pytest.raises(PortMappingError, match="ConflictInMappingEntry"):
            await gateway.map(4_002, 600, None)
        assert fake.actions.count("AddPortMapping") == 1 + OTHER_PORTS


@pytest.mark.usefixtures("loopback")
@pytest.mark.req("PMAP-09")
async def test_a_gateway_without_lifetimes() -> None:
    async with igd() as fake:
        fake.permanent = True
        lease = await (await UpnpGateway.find(10)).map(4_001, 600, None)
        assert lease.seconds == PERMANENT
        assert fake.mappings == {4_001: ("127.0.0.1", 4_001, 0)}


@pytest.mark.usefixtures("loopback")
async def test_refusals_and_addresses_that_are_none() -> None:
    async with igd() as fake:
        gateway = await UpnpGateway.find(10)
        fake.error = 501
        with pytest.raises(PortMappingError, match="Action Failed"):
            await gateway.map(4_001, 600, None)
        fake.error, fake.outside = 0, "router.example"
        with pytest.raises(PortMappingError, match=r"'router\.example' is no IPv4 address"):
            await gateway.map(4_001, 600, None)


@pytest.mark.usefixtures("loopback")
async def test_no_gateway() -> None:
    with pytest.raises(PortMappingError, match="no device answers"):
        await UpnpGateway.find(10)


@pytest.mark.misbehave
@pytest.mark.usefixtures("loopback")
async def test_a_gateway_that_hangs_is_given_up() -> None:
    async with igd() as fake:
        gateway = await UpnpGateway.find(10)
        gateway._timeout = 0.1
        fake.silent = True
        started = monotonic()
        with pytest.raises(PortMappingError, match=r"no answer within 0\.1 s"):
            await gateway.map(4_001, 600, None)
        assert monotonic() - started < 2
    # Its connection has ended with the gateway, and with it the thread: others get their turn.
    assert await _in_thread(lambda: 7, 10) == 7


async def test_one_at_a_time_and_none_of_them_waits_for_ever() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang() -> int:
        begun.set()
        gate.wait(10)
        return 1

    first = asyncio.create_task(_in_thread(hang, 10))
    await until(begun.is_set)
    with pytest.raises(PortMappingError, match="no answer within"):
        await _in_thread(lambda: 2, 0.05)
    gate.set()
    assert await first == 1
    assert await _in_thread(lambda: 3, 10) == 3


async def test_one_that_nobody_waits_for_any_more_ends() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait(10)
        raise PortMappingError("too late")

    task = asyncio.create_task(_in_thread(hang, 10))
    await until(begun.is_set)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    gate.set()
    assert await _in_thread(lambda: 3, 10) == 3


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miniupnpc", None)
    with pytest.raises(PortMappingError, match=r"pip install 'p2pstack\[upnp\]'"):
        await UpnpGateway.find(1)


def test_a_gateway_that_hides_our_own_address() -> None:
    gateway: Any = SimpleNamespace(lanaddr="")
    with pytest.raises(PortMappingError, match="no IPv4 address"):
        UpnpGateway(gateway, 1)
