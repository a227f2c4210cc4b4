"""PCP and NAT-PMP with a gateway on the loopback."""

from __future__ import annotations

import pytest

from p2pstack.services.port_mapping import asking
from p2pstack.services.port_mapping.direct import NatPmpGateway, PcpGateway
from p2pstack.services.port_mapping.gateway import PortMappingError
from tests.services.port_mapping.gateways import OUTSIDE, on_linux, router

pytestmark = on_linux

KINDS = (PcpGateway, NatPmpGateway)
Kind = type[PcpGateway] | type[NatPmpGateway]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=["pcp", "natpmp"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_REPEAT", 0.02)


@each_kind
@pytest.mark.req("PMAP-01", "PMAP-02", "PMAP-05", "PMAP-06", "PMAP-07")
async def test_a_mapping_from_its_beginning_to_its_end(kind: Kind) -> None:
    async with router() as fake:
        fake.ports, fake.lifetime = [5_000], 120
        gateway = await kind.find(fake.address, 5)
        assert gateway.name == f"{fake.address} by {kind.protocol}"
        assert str(gateway.local) == "127.0.0.1"
        lease = await gateway.map(4_001, 600, None)
        assert (lease.internal, lease.external, lease.host, lease.seconds) == (4_001, 5_000, OUTSIDE, 120)
        assert fake.mappings == {5_000: 4_001}
        fake.lifetime = 7_200
        renewed = await gateway.map(4_001, 600, lease)
        assert (renewed.external, renewed.seconds, renewed.key) == (5_000, 600, lease.key)
        await gateway.unmap(renewed)
        assert fake.mappings == {}
        assert len(set(fake.nonces)) == (kind is PcpGateway)
        other = await gateway.map(4_002, 600, None)
        assert other.external == 4_002
        assert other.key != lease.key or kind is NatPmpGateway


@each_kind
@pytest.mark.req("PMAP-01", "PMAP-02")
async def test_a_gateway_that_refuses(kind: Kind) -> None:
    async with router() as fake:
        gateway = await kind.find(fake.address, 5)
        fake.result = 2
        with pytest.raises(PortMappingError, match="switched off"):
            await gateway.map(4_001, 600, None)
        with pytest.raises(PortMappingError, match="switched off"):
            await kind.find(fake.address, 5)


@each_kind
@pytest.mark.misbehave
@pytest.mark.req("PMAP-05")
async def test_no_time_is_no_mapping(kind: Kind) -> None:
    async with router() as fake:
        gateway = await kind.find(fake.address, 5)
        fake.lifetime = 0
        with pytest.raises(PortMappingError, match="no time"):
            await gateway.map(4_001, 600, None)


@pytest.mark.req("PMAP-03")
async def test_a_gateway_of_natpmp_alone() -> None:
    async with router(speaks=("NAT-PMP",)) as fake:
        with pytest.raises(PortMappingError, match="does not speak PCP"):
            await PcpGateway.find(fake.address, 20)
        assert (await NatPmpGateway.find(fake.address, 5)).protocol == "NAT-PMP"


@each_kind
async def test_a_gateway_that_speaks_neither(kind: Kind) -> None:
    async with router(speaks=()) as fake:
        with pytest.raises(PortMappingError, match="no answer"):
            await kind.find(fake.address, 0.1)
