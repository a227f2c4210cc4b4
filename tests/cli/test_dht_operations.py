"""Operations by name: what comes out, and why nothing does."""

from __future__ import annotations

from hashlib import sha256

import pytest

from p2pstack.cli.dht_operations import OPERATIONS, Wish, operate
from p2pstack.identity.multiaddrs import parse
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message
from p2pstack.services.kad.messenger import frame_of
from tests.kad.making import peer
from tests.services.kad.nodes import liar, network, node

KEY = b"\x12\x20" + sha256(b"content").digest()


async def test_every_operation_goes_well_in_a_network() -> None:
    async with network(3) as nodes:
        _, dht = nodes[1]
        wishes = {
            "find-peer": Wish(operation="find-peer", peer=nodes[2][0].peer_id),
            "closest": Wish(operation="closest", key=b"key"),
            "put": Wish(operation="put", key=b"/test/x", value=b"v"),
            "get": Wish(operation="get", key=b"/test/x"),
            "provide": Wish(operation="provide", key=KEY),
            "find-providers": Wish(operation="find-providers", key=KEY),
        }
        assert tuple(wishes) == OPERATIONS
        found = {}
        for name, wish in wishes.items():
            asker = nodes[2][1] if name == "find-providers" else dht
            found[name] = await operate(asker, wish, 5.0)
            assert found[name].ok, found[name].reason
            assert found[name].progress is not None
        assert [each for each, _ in found["find-peer"].peers] == [nodes[2][0].peer_id]
        assert len(found["closest"].peers) == 2
        assert found["put"].accepted == found["provide"].accepted == 2
        assert found["get"].value == b"v"
        assert [each for each, _ in found["find-providers"].peers] == [nodes[1][0].peer_id]


async def test_as_many_providers_as_are_wanted() -> None:
    async with network(4) as nodes:
        for _, dht in nodes[1:]:
            assert (await operate(dht, Wish(operation="provide", key=KEY), 5.0)).ok
        for count in (1, 2, 20):
            outcome = await operate(nodes[0][1], Wish(operation="find-providers", key=KEY, count=count), 5.0)
            assert len(outcome.peers) == min(count, 3)


async def test_an_announcement_is_repeated_where_that_is_wanted() -> None:
    async with network(2) as nodes:
        _, dht = nodes[1]
        for republish in (False, True):
            assert (await operate(dht, Wish(operation="provide", key=KEY, republish=republish), 5.0)).ok
            assert dht.usage()["max_publications"].current == int(republish)


async def test_why_nothing_comes_out() -> None:
    async with node() as (_, dht):
        for wish, reason in (
            (Wish(operation="find-peer", peer=peer(1)), "was not found"),
            (Wish(operation="closest", key=b"key"), "nobody answered"),
            (Wish(operation="get", key=b"/test/x"), "no value"),
            (Wish(operation="put", key=b"/no/x"), "no validator"),
            (Wish(operation="provide", key=b""), "1 to 80 bytes"),
            (Wish(operation="find-providers", key=KEY), "no provider"),
        ):
            outcome = await operate(dht, wish, 1.0)
            assert not outcome.ok
            assert reason in outcome.reason
        with pytest.raises(TypeError):
            await operate(dht, Wish(operation="find-peer"), 1.0)


async def test_hearsay_is_no_success() -> None:
    async def lie(request: Message, stream: object) -> None:
        closer = (Contact(peer(7), (parse("/ip4/127.0.0.1/tcp/9"),)),)
        stream.write(frame_of(Message(type=request.type, closer=closer)))  # type: ignore[attr-defined]

    async with liar(lie) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])], refresh=False)
        outcome = await operate(dht, Wish(operation="find-peer", peer=peer(7)), 2.0)
        assert not outcome.ok
        assert "could not be reached" in outcome.reason
        assert outcome.peers
