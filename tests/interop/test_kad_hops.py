"""The DHT's verbs across several hops, for each pair: who asks enters at one end, what it asks for is at the other.

Four servers in a line, of which each knows its neighbours alone. The one that asks, as a client, is called the dialer;
the first and the third server are of its kind, the second and the last, at which things are, of the listener's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.records import Record
from p2pstack.services.kad.config import Mode
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.kad.service import Kademlia
from tests.interop.harness import EVENT_SECONDS, Peer, Peers
from tests.interop.pairs import each_pair
from tests.interop.test_kad import ask, chain, contact_of, content, ids, providing
from tests.services.kad.nodes import node, settings

pytestmark = pytest.mark.interop

NAME, VALUE = b"/test/far", b"v"
KEY = content("far")


class Last:
    """The server at the far end, as one sees it who speaks with nobody else."""

    def __init__(self, server: Peer, dht: Kademlia) -> None:
        self._contact = contact_of(server)
        self._messenger = dht._engine.messenger

    async def ask(self, request: Message) -> Message:
        return await self._messenger.request(self._contact, request.type, frame_of(request))

    async def tell(self, message: Message) -> None:
        await self._messenger.tell(self._contact, message.type, frame_of(message))

    async def value(self) -> bytes | None:
        answer = await self.ask(Message(type=MessageType.GET_VALUE, key=NAME))
        return answer.record.value if answer.record is not None else None

    async def providers(self) -> set[PeerId]:
        """Who provides the key; rust does not name who asks."""
        return {each.peer for each in (await self.ask(Message(type=MessageType.GET_PROVIDERS, key=KEY))).providers}


@contextlib.asynccontextmanager
async def line(peers: Peers, dialer: str, listener: str) -> AsyncIterator[tuple[Peer, Peer]]:
    """The first server and the last one."""
    async with chain(peers, (dialer, listener, dialer, listener)) as servers:
        yield servers[0], servers[-1]


@each_pair
@pytest.mark.req("KAD-04", "KAD-12")
async def test_find_peer_and_closest(peers: Peers, dialer: str, listener: str) -> None:
    async with line(peers, dialer, listener) as (near, far):
        found = await ask(peers, dialer, near.address, "find-peer", far.peer_id)
        assert ids(found) == [far.peer_id]
        assert found["requests"] >= 3
        closest = ids(await ask(peers, dialer, near.address, "closest", NAME.hex()))
        assert len(closest) == 4
        assert {near.peer_id, far.peer_id} < set(closest)


@each_pair
@pytest.mark.req("KAD-05", "KAD-16")
async def test_put_and_get(peers: Peers, dialer: str, listener: str) -> None:
    """What is put comes to the last one, and what the last one alone has is got."""
    async with line(peers, dialer, listener) as (near, far), node(settings(mode=Mode.CLIENT)) as (_, dht):
        last = Last(far, dht)
        record = Record(key=NAME, value=VALUE)
        await last.ask(Message(type=MessageType.PUT_VALUE, key=NAME, record=record))
        got = await ask(peers, dialer, near.address, "get", NAME.hex())
        assert got["value_hex"] == VALUE.hex()
        assert (await ask(peers, dialer, near.address, "put", NAME.hex(), (VALUE * 2).hex()))["ok"]
        async with asyncio.timeout(EVENT_SECONDS):
            while await last.value() != VALUE * 2:
                pass


@each_pair
@pytest.mark.req("KAD-06", "KAD-16")
async def test_provide_and_find_providers(peers: Peers, dialer: str, listener: str) -> None:
    """Who provides is known to the last one, and who is known to the last one alone is found."""
    async with line(peers, dialer, listener) as (near, far), node(settings(mode=Mode.CLIENT)) as (host, dht):
        last = Last(far, dht)
        own = Contact(host.peer_id, tuple(host.addresses))
        await last.tell(Message(type=MessageType.ADD_PROVIDER, key=KEY, providers=(own,)))
        found = await ask(peers, dialer, near.address, "find-providers", KEY.hex())
        assert ids(found) == [str(host.peer_id)]
        async with providing(peers, dialer, near.address, KEY), asyncio.timeout(EVENT_SECONDS):
            while not await last.providers() - {host.peer_id}:
                pass
