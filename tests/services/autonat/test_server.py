from __future__ import annotations

import pytest

from p2pstack.autonat.protocols import DIAL_REQUEST, V1
from p2pstack.autonat.v1 import Dial, Status
from p2pstack.autonat.v2 import DialResponse, DialStatus
from p2pstack.autonat.v2 import Status as StatusV2
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.autonat.config import AutonatServerConfig
from p2pstack.services.autonat.server import AutonatServer
from p2pstack.services.standard import Host
from tests.services.autonat.world import at, keep_nonces, request_v1, request_v2, server
from tests.services.hosts import connected


@pytest.mark.req("AUTONAT1-01", "AUTONAT2-01")
async def test_both_versions_are_served_side_by_side() -> None:
    async with connected(BaseHost(listen=[at(1)]), server()) as (near, far, connection):
        assert {V1, DIAL_REQUEST} <= set(far.protocols)
        keep_nonces(near)
        assert (await request_v1(connection, Dial.of(near.peer_id, tuple(near.addresses)))).status == Status.OK
        response, _ = await request_v2(connection, near.addresses)
        assert response == DialResponse(StatusV2.OK, 0, DialStatus.OK)


@pytest.mark.req("AUTONAT1-02", "AUTONAT2-02")
async def test_peers_behind_relays_are_not_served() -> None:
    async with BaseHost() as host:
        assert AutonatServer(host).config == AutonatServerConfig()
        assert not any(host._handlers[protocol].relayed for protocol in (V1, DIAL_REQUEST))


class Gate(ConnectionGate):
    """Refuses to dial anybody."""

    def allow_dial(self, peer: PeerId | None, address: Multiaddr) -> bool:
        return False


async def test_the_gate_of_the_host_holds_for_dial_backs() -> None:
    far = Host(listen=[at(2)], gate=Gate())
    AutonatServer(far, AutonatServerConfig(private=True))
    async with connected(BaseHost(listen=[at(1)]), far) as (near, _, connection):
        nonces = keep_nonces(near)
        response, _ = await request_v2(connection, near.addresses)
        assert response == DialResponse(StatusV2.OK, 0, DialStatus.E_DIAL_ERROR)
        assert nonces == []
