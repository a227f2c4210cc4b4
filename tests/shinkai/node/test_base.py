from __future__ import annotations

import pytest

from p2pstack.errors import HostClosed
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.network.profiles import Profile
from tests.shinkai.node.pairs import ALICE, TCP_ONLY, directory, new_node, running


async def test_before_the_start_there_is_nothing_but_what_was_said() -> None:
    node = new_node(ALICE, directory(), listen="127.0.0.1:9552", profile=Profile.BOTH)
    assert node.listen_address == Endpoint("127.0.0.1", 9552)
    assert node.libp2p_managers == ()
    for look in (lambda: node.messages, lambda: node.queue, lambda: node.jobs, node.usage):
        with pytest.raises(HostClosed):
            look()
    with pytest.raises(HostClosed):
        await node.status()
    await node.close()
    await node.close()


async def test_a_node_without_libp2p_says_so() -> None:
    async with running(ALICE, directory(), config=TCP_ONLY) as node:
        status = await node.status()
        assert (status.libp2p, status.libp2p_error, status.peers) == (False, "it is switched off", ())
        assert status.listening == str(node.listen_address)
        assert set(node.usage()) == {"storage_pending", "ack_waiters", "sending", "tcp_connections"}
        assert (await node.jobs.stats()).rows == 0


async def test_events_end_with_the_node() -> None:
    async with running(ALICE, directory(), config=TCP_ONLY) as node:
        events = node.events()
    assert [event async for event in events] == []
