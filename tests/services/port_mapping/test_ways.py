from __future__ import annotations

import pytest

from p2pstack.services.port_mapping import asking, ways
from p2pstack.services.port_mapping.config import PortMappingConfig
from p2pstack.services.port_mapping.direct import NatPmpGateway, PcpGateway
from p2pstack.services.port_mapping.gateway import Gateway, PortMappingError
from p2pstack.services.port_mapping.ways import gateways
from tests.services.port_mapping.gateways import on_linux, router

pytestmark = on_linux


class NoUpnp:
    """In the place of :class:`UpnpGateway`: tests send no searches into the network."""

    @classmethod
    async def find(cls, timeout: float) -> Gateway:
        raise PortMappingError(f"nobody within {timeout:g} s")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "UpnpGateway", NoUpnp)
    monkeypatch.setattr(asking, "FIRST_REPEAT", 0.02)


async def found(config: PortMappingConfig) -> list[tuple[str, object]]:
    return [
        (name, str(each) if isinstance(each, PortMappingError) else type(each)) async for name, each in gateways(config)
    ]


async def test_the_order() -> None:
    async with router() as fake:
        config = PortMappingConfig(gateway=fake.address, timeout=5, upnp_timeout=7)
        assert await found(config) == [
            ("PCP", PcpGateway),
            ("NAT-PMP", NatPmpGateway),
            ("UPnP", "nobody within 7 s"),
        ]


@pytest.mark.req("PMAP-03")
async def test_natpmp_where_there_is_no_pcp() -> None:
    async with router(speaks=("NAT-PMP",)) as fake:
        config = PortMappingConfig(gateway=fake.address, timeout=5, upnp=False)
        assert await found(config) == [("PCP", "it does not speak PCP"), ("NAT-PMP", NatPmpGateway)]


async def test_no_gateway_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "default_gateway", lambda: None)
    reason = "where the gateway is can't be told here; the configuration can say it"
    assert await found(PortMappingConfig(upnp=False)) == [("PCP and NAT-PMP", reason)]


async def test_that_of_the_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    async with router() as fake:
        monkeypatch.setattr(ways, "default_gateway", lambda: fake.address)
        assert [name for name, _ in await found(PortMappingConfig(timeout=5))] == ["PCP", "NAT-PMP", "UPnP"]


async def test_ways_are_tried_one_after_the_other() -> None:
    async with router() as fake:
        looking = gateways(PortMappingConfig(gateway=fake.address, timeout=5))
        name, gateway = await anext(looking)
        assert (name, type(gateway)) == ("PCP", PcpGateway)
        assert fake.asked == ["announce"], "nothing is asked that may not be needed"
        await looking.aclose()
