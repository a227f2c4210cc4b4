"""Who gets into the table, and who leaves it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded
from p2pstack.host.host import BaseHost
from p2pstack.kad.messages import Message
from p2pstack.services.kad.config import Mode
from p2pstack.services.standard import Host
from tests.kad.making import contact, peer
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import PROTOCOL, honest, liar, network, node, settings, turns


@pytest.mark.req("KAD-03", "KAD-11")
async def test_servers_get_in_on_either_side_and_clients_do_not() -> None:
    async with node() as (far, other), node() as (host, dht), node(settings(mode=Mode.CLIENT)) as (asker, client):
        await host.connect(far.full_addresses[0])
        await asker.connect(far.full_addresses[0])
        await until(lambda: far.peer_id in dht.routing_table and host.peer_id in other.routing_table)
        await until(lambda: far.peer_id in client.routing_table and far.peerstore.protocols(asker.peer_id))
        await turns()
        assert asker.peer_id not in other.routing_table
        contact = dht.routing_table.get(far.peer_id)
        assert contact is not None
        assert contact.addresses == tuple(far.addresses)


@pytest.mark.req("KAD-11")
async def test_who_lists_the_protocol_but_does_not_answer_stays_out() -> None:
    async def refuse(request: Message, stream: Stream) -> None:
        stream.reset()

    async with liar(refuse) as far, node() as (host, dht):
        await host.connect(far.host.full_addresses[0])
        await until(lambda: far.requests)
        await until(lambda: not dht.usage()["max_probes"].current)
        assert not len(dht.routing_table)
        joined = await dht.bootstrap([str(far.host.full_addresses[0])])
        assert joined.reached == ()
        assert "does not answer" in str(next(iter(joined.failed.values())))


@pytest.mark.req("KAD-03")
async def test_who_turns_into_a_client_leaves_and_comes_back() -> None:
    async with node() as (far, other), node() as (host, dht):
        await host.connect(far.full_addresses[0])
        await until(lambda: far.peer_id in dht.routing_table)
        other.mode = Mode.CLIENT
        await until(lambda: far.peer_id not in dht.routing_table)
        other.mode = Mode.SERVER
        await until(lambda: far.peer_id in dht.routing_table)


async def test_no_more_peers_are_tried_than_may_be() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        await asyncio.Event().wait()

    async with liar(silent) as one, liar(silent) as two, node(replace(settings(), max_probes=1)) as (host, dht):
        await host.connect(one.host.full_addresses[0])
        await until(lambda: one.requests)
        await host.connect(two.host.full_addresses[0])
        await until(lambda: dht.counters["probe-skipped"])
        assert dht.usage()["max_probes"].current == 1
        assert not two.requests


async def test_a_bootstrap_peer_that_is_none() -> None:
    async with Host(listen=[LOOPBACK]) as plain, BaseHost(listen=[LOOPBACK]) as dumb, node() as (_, dht):
        addresses = [str(plain.full_addresses[0]), str(dumb.full_addresses[0])]
        joined = await dht.bootstrap(addresses, timeout=2.0)
        assert joined.reached == ()
        assert set(joined.failed) == set(addresses)
        assert joined.size == 0


async def test_admission_of_a_known_peer_is_immediate() -> None:
    async with liar(honest) as far, node() as (host, dht):
        connection = await host.connect(far.host.full_addresses[0])
        await until(lambda: len(dht.routing_table))
        requests = len(far.requests)
        assert await dht._engine.members.admit(connection, 1.0)
        assert len(far.requests) == requests


async def test_a_peer_that_never_tells_who_it_is() -> None:
    far = BaseHost(listen=[LOOPBACK])

    async def silent(stream: Stream) -> None:
        await asyncio.Event().wait()

    far.handle("/ipfs/id/1.0.0", silent)
    async with far, node() as (_, dht):
        joined = await dht.bootstrap([str(far.full_addresses[0])], timeout=0.2)
        assert joined.reached == ()
        assert all(isinstance(each, DeadlineExceeded) for each in joined.failed.values())


@pytest.mark.req("KAD-03")
async def test_protocols_are_networks_of_their_own() -> None:
    async with node() as (far, other), node(settings(protocol="/other/kad/1.0.0")) as (host, dht):
        await host.connect(far.full_addresses[0])
        await until(lambda: host.peerstore.speaks(far.peer_id, PROTOCOL) and far.peerstore.protocols(host.peer_id))
        await turns()
        assert not len(dht.routing_table)
        assert not len(other.routing_table)


@pytest.mark.req("KAD-03", "KAD-11")
async def test_who_a_lookup_asks_gets_in_by_its_answer_and_is_asked_nothing_else() -> None:
    async with network(5) as nodes, node(settings(mode=Mode.CLIENT)) as (_, dht):
        await dht.bootstrap([str(nodes[0][0].full_addresses[0])], refresh=False)
        before = dht.counters["sent.FIND_NODE"]
        found = await dht.closest(b"key")
        assert found.progress.requests == 5
        await until(lambda: len(dht.routing_table) == 5)
        assert dht.counters["sent.FIND_NODE"] - before == 5


async def test_of_those_who_have_answered_and_not_said_what_they_speak_few_are_remembered() -> None:
    async with node(replace(settings(), max_probes=2)) as (_, dht):
        members = dht._engine.members
        for number in range(3):
            members.heard(contact(number))
        assert list(members._answered) == [peer(1), peer(2)]
        assert not len(dht.routing_table)
