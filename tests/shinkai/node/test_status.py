from __future__ import annotations

from dataclasses import fields

from p2pstack.shinkai.node import NodeStatus
from tests.shinkai.node.pairs import ALICE, QUICK, directory, running


async def test_a_status_tells_every_side_of_a_node() -> None:
    async with running(ALICE, directory(), config=QUICK) as node:
        status = await node.status()
        told = {field.name for field in fields(NodeStatus) if getattr(status, field.name)}
        assert {"name", "profile", "listening", "addresses", "peer_ids", "libp2p"} <= told
        assert status.refused == status.sent == status.received == {}
        assert all(address.endswith(status.peer_ids[0]) for address in status.addresses)
