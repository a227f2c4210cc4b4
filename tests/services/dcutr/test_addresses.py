"""The addresses of both ends, by the network that the relay is in."""

from __future__ import annotations

import pytest

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import LocalError
from p2pstack.identity.circuits import circuit_address, split_circuit
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.dcutr.addresses import choose, own_addresses, relay_scope, told_addresses
from p2pstack.services.scope import Scope
from p2pstack.services.standard import Host
from tests.services.dcutr.behind import LOOPBACK, PUBLIC_RELAY, key, relayed

CONFIG = DcutrConfig()
PUBLIC = parse("/ip4/5.10.0.7/tcp/4001")


def hosts() -> tuple[Host, Host]:
    return Host(key(1), listen=[LOOPBACK]), Host(key(2), listen=[LOOPBACK])


@pytest.mark.req("DCUTR-05")
async def test_behind_a_relay_on_this_machine_loopback_addresses_are_of_use() -> None:
    near, far = hosts()
    async with relayed(near, far) as pair:
        assert relay_scope(near, pair.outbound) is Scope.LOOPBACK
        assert own_addresses(near, pair.outbound, CONFIG) == near.addresses
        assert told_addresses(near, pair.outbound, far.addresses, CONFIG) == far.addresses
        assert choose(near, pair.outbound, CONFIG, [each.to_bytes() for each in far.addresses]) == far.addresses


@pytest.mark.req("DCUTR-05")
async def test_behind_a_public_relay_only_public_ones_are() -> None:
    near, far = hosts()
    async with relayed(near, far, PUBLIC_RELAY) as pair:
        assert relay_scope(near, pair.outbound) is Scope.PUBLIC
        with pytest.raises(LocalError, match="no address"):
            own_addresses(near, pair.outbound, CONFIG)
        assert told_addresses(near, pair.outbound, [*far.addresses, PUBLIC], CONFIG) == [PUBLIC]
        near.advertise("test", [PUBLIC, circuit_address(PUBLIC_RELAY, key(30).peer_id)])
        assert own_addresses(near, pair.outbound, CONFIG) == [PUBLIC]


@pytest.mark.req("DCUTR-05")
async def test_where_peers_see_us_is_told_first_and_never_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = hosts()
    seen = parse("/ip4/5.10.0.8/tcp/4002")
    async with relayed(near, far, PUBLIC_RELAY) as pair:
        near.advertise("test", [PUBLIC])
        monkeypatch.setattr(near.identify, "candidates", lambda: [seen])
        assert own_addresses(near, pair.outbound, CONFIG) == [seen, PUBLIC]
        assert told_addresses(near, pair.outbound, [seen, *near.addresses], CONFIG) == []


async def test_a_relay_whose_address_is_not_in_the_way_is_where_we_are_connected_to_it() -> None:
    near, far = hosts()
    async with relayed(near, far) as pair:
        pair.outbound.circuit = circuit_address(None, split_circuit(pair.circuit).relay)
        assert relay_scope(near, pair.outbound) is Scope.LOOPBACK
        pair.outbound.circuit = circuit_address(None, key(9).peer_id)
        assert relay_scope(near, pair.outbound) is Scope.PUBLIC
