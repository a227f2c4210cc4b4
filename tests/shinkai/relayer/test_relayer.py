"""The relay as a whole: what it says of itself, how it starts and ends."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import DecodeError, LocalError
from p2pstack.relay.protocols import HOP
from p2pstack.services.standard import Host
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL, identity_of_agent
from p2pstack.shinkai.relayer import ShinkaiRelayer
from tests.aio.shell import descriptors, needs_proc, until
from tests.shinkai.relayer.people import ALICE, BOB, LOOPBACK, RELAY, ack, directory, keys, letter, member, relaying


def new(name: str = RELAY, **options: object) -> ShinkaiRelayer:
    return ShinkaiRelayer(name, keys(RELAY), directory=directory(), **options)  # type: ignore[arg-type]


@pytest.mark.req("SHK-100")
async def test_what_identify_tells_is_what_nodes_look_for() -> None:
    async with relaying() as relayer, Host() as host:
        connection = await host.connect(relayer.addresses[0])
        info = await host.identify.wait(connection)
        assert info.peer == keys(RELAY).signature.peer_id
        name, _, version = info.agent.rpartition("/")
        assert name == f"shinkai-relayer/{RELAY}"
        assert version[0].isdigit()
        assert identity_of_agent(info.agent) == RELAY
        assert info.protocol_version == "/shinkai/1.0.0"
        assert {HOP, MESSAGE_PROTOCOL} <= set(info.protocols)
        assert await host.ping(relayer.peer_id) > 0


@pytest.mark.req("SHK-100")
async def test_reservations_tell_where_it_is_reached_from_outside() -> None:
    async with relaying(external=["/ip4/5.10.0.1/tcp/8080"]) as relayer:
        assert f"/ip4/5.10.0.1/tcp/8080/p2p/{relayer.peer_id}" in map(str, relayer.addresses)


async def test_it_is_started_once() -> None:
    async with relaying() as relayer:
        with pytest.raises(LocalError, match="once"):
            await relayer.start()


@needs_proc
async def test_an_address_that_is_taken_leaves_nothing_behind() -> None:
    async with relaying() as relayer:
        before = descriptors()
        with pytest.raises(OSError, match="in use"):
            async with new(listen=[LOOPBACK, str(relayer.host.addresses[0])]):
                pass
        assert descriptors() == before


async def test_events_end_with_it() -> None:
    async with relaying() as relayer:
        events = relayer.events()
    assert [event async for event in events] == []
    await relayer.close()


def test_what_it_can_not_be() -> None:
    with pytest.raises(InvalidName):
        new("@@a-b.shinkai")
    with pytest.raises(DecodeError):
        new(external=["somewhere"])


async def test_it_ends_while_a_message_is_under_way() -> None:
    async with relaying() as relayer, member(relayer, ALICE) as alice, member(relayer, BOB) as bob:
        hanging = asyncio.Event()
        begun = asyncio.Event()

        async def hang(stream: object) -> None:
            del stream
            begun.set()
            await hanging.wait()

        bob.host.handle(MESSAGE_PROTOCOL, hang)
        await until(lambda: len(relayer.registrations) == 2)
        asking = asyncio.create_task(alice.ask(letter(ALICE, BOB)))
        await begun.wait()
        await relayer.close()
        await asyncio.wait([asking])
        assert asking.exception() is not None
        hanging.set()


@pytest.mark.req("SHK-102", "SHK-104")
async def test_messages_pass_again_when_the_relay_was_restarted() -> None:
    async with relaying() as first:
        listen = [str(address) for address in first.host.addresses]
    async with (
        relaying(listen=listen) as again,
        member(again, ALICE) as alice,
        member(again, BOB, answer=ack(BOB, ALICE)),
    ):
        await until(lambda: len(again.registrations) == 2)
        assert (await alice.told(letter(ALICE, BOB))).content == "ACK"


def test_its_usage_names_every_limit() -> None:
    usage = new().usage()
    assert {"max_named", "max_local", "direct.max_requests", "relay.max_reservations", "host.connections"} <= set(usage)
    assert usage["relay.max_reservations"].limit == 1_024
