from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import HandlerConfig
from p2pstack.shinkai.node.config import SendConfig
from p2pstack.shinkai.node.parts import NodeParts
from tests.shinkai.node.pairs import ALICE, BOB, QUICK, TCP_ONLY, directory, new_node, running


def parts_of(node: object) -> NodeParts:
    parts = node._parts  # type: ignore[attr-defined]
    assert isinstance(parts, NodeParts)
    return parts


@pytest.mark.req("SHK-86")
async def test_frames_of_an_address_that_floods_are_not_looked_at() -> None:
    config = replace(TCP_ONLY, handler=HandlerConfig(messages_per_second=0.001, message_burst=1))
    async with running(ALICE, directory(), config=config) as node:
        parts = parts_of(node)
        for _ in range(2):
            await parts.on_frame(Endpoint("192.0.2.1", 9), b"rubbish")
        refused = (await node.status()).refused
        assert (refused["malformed"], refused["flooding"]) == (1, 1)


async def test_a_directory_that_hangs_is_given_up() -> None:
    class Hanging(MemoryDirectory):
        async def lookup(self, name: ShinkaiName) -> IdentityRecord:
            await asyncio.Event().wait()
            raise AssertionError

    config = replace(QUICK, send=SendConfig(lookup_timeout=0.01))
    async with new_node(ALICE, Hanging(), config=config) as node:
        with pytest.raises(TimeoutError):
            await parts_of(node).lookup(ShinkaiName.parse(BOB))
        result = await node.send_text(BOB, "x")
        assert not result
        with pytest.raises(DeadlineExceeded):
            await parts_of(node).outgoing.route(ShinkaiName.parse(BOB))
