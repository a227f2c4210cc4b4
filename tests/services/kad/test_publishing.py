"""Values and announcements: who takes them, what is corrected, what is sent again."""

from __future__ import annotations

import asyncio
from time import time

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, LocalError, ProtocolViolation, StreamReset
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.config import KadConfig
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.records import Record
from p2pstack.kad.signed_records import SignedRecord
from p2pstack.kad.validators import public_key_key
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host
from tests.services.hosts import until
from tests.services.kad.nodes import honest, liar, network, node, settings

KEY = b"/test/key"
CONTENT = b"\x12\x20" + bytes(32)


def held(dht: Kademlia, key: bytes = KEY) -> bytes | None:
    record = dht._engine.values.record(key, time())
    return None if record is None else record.value


@pytest.mark.req("KAD-05")
async def test_a_value_goes_to_the_nearest_and_comes_back() -> None:
    async with network(5) as nodes:
        sent = await nodes[1][1].put_value(KEY, b"value")
        assert len(sent.accepted) == 4
        assert not sent.refused
        assert all(held(dht) == b"value" for _, dht in nodes)
        found = await nodes[4][1].get_value(KEY)
        assert found.value == b"value"
        assert found.holders == 5
        assert found.outdated == 0
        quick = await nodes[4][1].get_value(KEY, quorum=1)
        assert quick.progress.requests == 0


@pytest.mark.req("KAD-05")
async def test_who_has_a_worse_value_is_corrected() -> None:
    async with network(4) as nodes:
        for number, (_, dht) in enumerate(nodes[:3]):
            dht._engine.values.put(Record(key=KEY, value=b"%d" % number), time())
        found = await nodes[0][1].get_value(KEY)
        assert found.value == b"2"
        assert found.holders == 3
        assert found.outdated == 2
        await until(lambda: all(held(dht) == b"2" for _, dht in nodes))
        await until(lambda: not nodes[0][1].usage()["max_corrections"].current)
        assert nodes[0][1].counters["correction"] == 2


@pytest.mark.req("KAD-05")
async def test_invalid_values_are_none() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        record = Record(key=KEY, value=b"bad") if request.type is MessageType.GET_VALUE else None
        stream.write(frame_of(Message(type=request.type, key=request.key, record=record)))

    async with liar(lie) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        with pytest.raises(LookupFailed, match="no value"):
            await dht.get_value(KEY)
        sent = await dht.put_value(KEY, b"good", quorum=0)
        assert sent.accepted == ()
        assert isinstance(sent.refused[far.host.peer_id], ProtocolViolation)


@pytest.mark.req("KAD-17")
async def test_who_does_not_answer_in_time_has_refused() -> None:
    async def slow(request: Message, stream: Stream) -> None:
        if request.type is MessageType.PUT_VALUE:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(slow) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        sent = await dht.put_value(KEY, b"value", quorum=0, timeout=0.3)
        assert sent.accepted == ()
        assert isinstance(sent.refused[far.host.peer_id], DeadlineExceeded)


@pytest.mark.req("KAD-09")
async def test_echoes_of_another_value_and_refusals_are_no_yes() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        if request.type is not MessageType.PUT_VALUE:
            await honest(request, stream)
        elif len([each for each in far.requests if each.type is MessageType.PUT_VALUE]) == 1:
            stream.write(frame_of(Message(type=request.type, key=KEY, record=Record(key=KEY, value=b"other"))))
        else:
            stream.reset()

    async with liar(lie) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        with pytest.raises(LookupFailed, match="0 of 1 peers took the value"):
            await dht.put_value(KEY, b"value")
        sent = await dht.put_value(KEY, b"value", quorum=0)
        assert isinstance(sent.refused[far.host.peer_id], StreamReset)


@pytest.mark.req("KAD-14")
async def test_values_that_nobody_may_store() -> None:
    async with node() as (_, dht):
        with pytest.raises(DecodeError, match="validator"):
            await dht.put_value(b"/unknown/x", b"v")
        with pytest.raises(DecodeError, match="validator"):
            await dht.get_value(b"/unknown/x")
        with pytest.raises(DecodeError, match="bad value"):
            await dht.put_value(KEY, b"bad")
        await dht.put_value(KEY, b"2", quorum=0)
        with pytest.raises(LocalError, match="better value"):
            await dht.put_value(KEY, b"1")


@pytest.mark.req("KAD-14", "KAD-19")
async def test_public_keys_and_signed_records() -> None:
    async with network(3) as nodes:
        host, dht = nodes[1]
        await dht.put_value(public_key_key(host.peer_id), host.key.public_key.to_protobuf())
        found = await nodes[2][1].get_value(public_key_key(host.peer_id))
        assert found.value == host.key.public_key.to_protobuf()
        key = PrivateKey.generate()
        for seq in (1, 2):
            record = SignedRecord(key.public_key, b"name", seq, b"data %d" % seq)
            await dht.put_value(record.key, record.seal(key))
        value = (await nodes[2][1].get_value(record.key)).value
        assert SignedRecord.open(record.key, value).data == b"data 2"


@pytest.mark.req("KAD-06", "KAD-09")
async def test_an_announcement_has_arrived_when_provide_returns() -> None:
    async with network(4) as nodes:
        sent = await nodes[1][1].provide(CONTENT)
        assert len(sent.accepted) == 3
        for _, dht in nodes:
            assert [each.peer for each in dht._engine.providers.get(CONTENT, time())] == [nodes[1][0].peer_id]


async def test_what_can_not_be_provided() -> None:
    async with node() as (_, dht):
        for key in (b"", bytes(81)):
            with pytest.raises(LocalError, match="1 to 80 bytes"):
                await dht.provide(key)
        with pytest.raises(LookupFailed, match="0 of 1 peers took the announcement"):
            await dht.provide(CONTENT)
    async with node(listen=False) as (_, dht):
        with pytest.raises(LocalError, match="no address"):
            await dht.provide(CONTENT)


@pytest.mark.req("KAD-06", "KAD-15")
async def test_what_is_published_is_sent_again_until_it_is_withdrawn() -> None:
    kad = KadConfig(value_interval=0.05, provider_interval=0.05)
    async with node() as (far, other), node(settings(kad=kad)) as (_, dht):
        await dht.bootstrap([str(far.full_addresses[0])])
        await dht.put_value(KEY, b"value")
        await dht.provide(CONTENT)
        await until(lambda: other.counters["served.PUT_VALUE"] >= 3 and other.counters["served.ADD_PROVIDER"] >= 3)
        assert dht.usage()["max_publications"].current == 1
        dht.withdraw(KEY)
        dht.withdraw(CONTENT)
        assert dht.usage()["max_publications"].current == 0
        await dht.put_value(b"/test/once", b"value", republish=False)
        assert dht.usage()["max_publications"].current == 0


async def test_sending_again_goes_on_where_it_fails() -> None:
    kad = KadConfig(value_interval=0.02)
    async with node(settings(kad=kad)) as (_, dht):
        await dht.put_value(KEY, b"1", quorum=0)
        dht._engine.values.put(Record(key=KEY, value=b"2"), time())
        await until(lambda: dht.counters["republished"] >= 2)


async def test_a_host_without_a_network_holds_its_own_values() -> None:
    host = Host()
    async with host, Kademlia(host, settings(), validators={}) as dht:
        key = public_key_key(host.peer_id)
        await dht.put_value(key, host.key.public_key.to_protobuf(), quorum=0)
        assert (await dht.get_value(key)).holders == 1
