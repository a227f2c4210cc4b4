"""Peers that come, claim names, and leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import GatedError
from p2pstack.host.events import EventStream
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.services.ping import PING
from p2pstack.shinkai.directory.errors import DirectoryUnavailable
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.relayer.events import NodeRegistered, NodeUnregistered, RegistrationRefused
from tests.aio.shell import until
from tests.shinkai.relayer.people import (
    ALICE,
    BOB,
    CAROL,
    LOCAL,
    QUICK,
    RELAY,
    ack,
    directory,
    letter,
    local_keys,
    member,
    name_of,
    record,
    relaying,
)


async def comes(events: EventStream, kind: type, where: Callable[[Any], bool] = lambda _: True) -> Any:
    async for event in events:
        if isinstance(event, kind) and where(event):
            return event
    raise AssertionError(f"the relay ended before {kind.__name__}")


class Moody:
    """A directory that may not answer, or not at once."""

    def __init__(self) -> None:
        self.inner = directory()
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0
        self.at_once = 0
        self.most = 0

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            return await self.inner.lookup(name)
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        """Nothing to do."""


@pytest.mark.req("SHK-101")
async def test_a_node_is_registered_by_the_name_that_its_key_has() -> None:
    async with relaying() as relayer, relayer.events() as events, member(relayer, ALICE) as alice:
        event = await comes(events, NodeRegistered)
        assert (event.peer, event.name, event.local) == (alice.peer, ALICE, False)
        found = relayer.registered(alice.peer)
        assert found is not None
        assert found.record == record(ALICE)
        assert relayer.usage()["max_named"].current == 1


@pytest.mark.req("SHK-101")
@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [(ALICE, 77, "wrong-key"), ("@@dave.shinkai", 77, "unknown-identity"), (RELAY, 77, "our-name")],
)
async def test_a_spoofed_name_is_not_given(name: str, number: int, reason: str) -> None:
    own = local_keys(number)
    async with relaying() as relayer, relayer.events() as events, member(relayer, name, own) as spoofer:
        event = await comes(events, RegistrationRefused)
        assert (event.peer, event.name, event.reason) == (spoofer.peer, name, reason)
        assert relayer.registrations == []
        assert relayer.counters[f"registration-refused.{reason}"] >= 1
        # Its connection stays: it may still want a circuit.
        assert relayer.host.connections(spoofer.peer)


@pytest.mark.req("SHK-101")
async def test_a_spoofer_takes_nothing_from_who_has_the_name() -> None:
    async with (
        relaying() as relayer,
        relayer.events() as events,
        member(relayer, ALICE, answer=ack(ALICE, BOB)) as alice,
        member(relayer, ALICE, local_keys(78)) as spoofer,
        member(relayer, BOB) as bob,
    ):
        await comes(events, RegistrationRefused)
        await until(lambda: len(relayer.registrations) == 2)
        assert (await bob.told(letter(BOB, ALICE))).content == "ACK"
        assert (len(alice.asked), len(spoofer.asked)) == (1, 0)


@pytest.mark.req("SHK-101")
async def test_nodes_without_a_name_are_registered_by_their_ids() -> None:
    async with (
        relaying() as relayer,
        relayer.events() as events,
        member(relayer, LOCAL, local_keys(100)) as first,
        member(relayer, "@@localhost.shinkai", local_keys(101)) as second,
    ):
        for _ in range(2):
            assert (await comes(events, NodeRegistered)).local
        assert {each.peer for each in relayer.registrations} == {first.peer, second.peer}
        assert relayer.usage()["max_local"].current == 2


@pytest.mark.req("SHK-101")
async def test_a_key_that_no_node_has_is_not_registered() -> None:
    key = PrivateKey.generate(KeyType.SECP256K1)
    async with relaying() as relayer, relayer.events() as events, member(relayer, LOCAL, key=key):
        assert (await comes(events, RegistrationRefused)).reason == "wrong-key"


@pytest.mark.req("SHK-101", "SHK-110")
async def test_a_flood_of_registrations_meets_the_limit_and_names_still_have_room() -> None:
    config = replace(QUICK, max_local=3)
    async with relaying(config=config) as relayer, relayer.events(RegistrationRefused) as events:
        async with (
            member(relayer, LOCAL, local_keys(200)),
            member(relayer, LOCAL, local_keys(201)),
            member(relayer, LOCAL, local_keys(202)),
        ):
            await until(lambda: len(relayer.registrations) == 3)
            async with member(relayer, LOCAL, local_keys(203)), member(relayer, ALICE):
                assert (await comes(events, RegistrationRefused)).reason == "max_local"
                await until(lambda: relayer.usage()["max_named"].current == 1)
        await until(lambda: len(relayer.registrations) == 0)


@pytest.mark.req("SHK-102")
async def test_who_leaves_is_not_registered_any_more() -> None:
    async with relaying() as relayer, relayer.events() as events:
        async with member(relayer, ALICE) as alice:
            await comes(events, NodeRegistered)
            second = await alice.host.dial_direct(alice.relay, relayer.addresses, timeout=5.0)
            await until(lambda: len(relayer.host.connections(alice.peer)) == 2)
            await second.close()
            await until(lambda: len(relayer.host.connections(alice.peer)) == 1)
            assert relayer.registered(alice.peer) is not None
        event = await comes(events, NodeUnregistered)
        assert (event.name, event.reason) == (ALICE, "disconnected")
        assert relayer.counters["unregistered"] == 1


@pytest.mark.req("SHK-102")
async def test_when_the_directory_has_another_key_its_owner_takes_the_place() -> None:
    known = directory()
    config = replace(QUICK, recheck_interval=60.0)
    async with (
        relaying(known, config=config) as relayer,
        relayer.events() as events,
        member(relayer, ALICE) as old,
    ):
        await comes(events, NodeRegistered)
        known.add(record(ALICE, 55))
        async with member(relayer, ALICE, local_keys(55)) as new:
            gone = await comes(events, NodeUnregistered)
            assert (gone.peer, gone.reason) == (old.peer, "replaced")
            assert (await comes(events, NodeRegistered)).peer == new.peer
            await until(lambda: not relayer.host.connections(old.peer))


@pytest.mark.req("SHK-102")
async def test_a_name_is_taken_back_when_the_directory_has_another_key_or_none() -> None:
    known = directory()
    async with (
        relaying(known) as relayer,
        relayer.events() as events,
        member(relayer, ALICE),
        member(relayer, BOB),
    ):
        await until(lambda: len(relayer.registrations) == 2)
        known.add(record(ALICE, 55))
        known.remove(name_of(BOB))
        gone = {event.name: event.reason for event in [await comes(events, NodeUnregistered) for _ in range(2)]}
        assert gone == {ALICE: "wrong-key", BOB: "unknown-identity"}


@pytest.mark.req("SHK-101", "SHK-102")
async def test_without_the_directory_nobody_new_comes_and_nobody_goes() -> None:
    known = Moody()
    async with relaying(known) as relayer, relayer.events() as events, member(relayer, ALICE):  # type: ignore[arg-type]
        await comes(events, NodeRegistered)
        known.error = DirectoryUnavailable("nobody answers")
        async with member(relayer, BOB):
            assert (await comes(events, RegistrationRefused, lambda event: event.name == BOB)).reason == (
                "directory-unavailable"
            )
            asked = known.asked
            await until(lambda: known.asked > asked + 3)
            assert [each.name for each in relayer.registrations] == [name_of(ALICE)]
            known.error = None
            # It is tried again, without a word of the node's.
            assert (await comes(events, NodeRegistered)).name == BOB


@pytest.mark.req("SHK-101")
async def test_a_directory_that_hangs_holds_up_nobody_else() -> None:
    known = Moody()
    known.gate.clear()
    config = replace(QUICK, lookup_timeout=0.2, settle_timeout=0.1, max_lookups=1)
    async with (
        relaying(known, config=config) as relayer,  # type: ignore[arg-type]
        relayer.events() as events,
        member(relayer, ALICE) as alice,
        member(relayer, BOB),
        member(relayer, LOCAL, local_keys()),
    ):
        assert (await comes(events, NodeRegistered)).local
        assert await alice.ask(letter(ALICE, BOB)) == b""
        assert relayer.counters["refused.unregistered"] == 1
        await comes(events, RegistrationRefused, lambda event: event.reason == "directory-unavailable")
        assert known.most == 1
        known.gate.set()
        await until(lambda: len(relayer.registrations) == 3)


@pytest.mark.req("SHK-101")
async def test_who_is_gone_when_the_directory_answers_is_not_registered() -> None:
    known = Moody()
    known.gate.clear()
    async with relaying(known) as relayer:  # type: ignore[arg-type]
        async with member(relayer, ALICE):
            await until(lambda: known.asked == 1)
        await until(lambda: not relayer.host.connections())
        known.gate.set()
        await until(lambda: known.at_once == 0)
        async with member(relayer, BOB):
            await until(lambda: relayer.registrations)
            assert [each.name for each in relayer.registrations] == [name_of(BOB)]


@pytest.mark.req("SHK-109")
async def test_a_peer_that_does_not_answer_pings_is_disconnected() -> None:
    config = replace(QUICK, ping_interval=0.02, ping_timeout=0.05, ping_failures=3)
    async with (
        relaying(config=config) as relayer,
        relayer.events() as events,
        member(relayer, ALICE) as alice,
        member(relayer, BOB) as bob,
        member(relayer, CAROL) as carol,
    ):
        hanging = asyncio.Event()

        async def hang(stream: object) -> None:
            del stream
            await hanging.wait()

        alice.host.handle(PING, hang)
        carol.host.unhandle(PING)
        event = await comes(events, NodeUnregistered)
        assert (event.peer, event.reason) == (alice.peer, "disconnected")
        assert relayer.counters["dead"] == 1
        for peer in (bob.peer, carol.peer):
            assert relayer.registered(peer) is not None
        hanging.set()


@pytest.mark.req("SHK-102")
async def test_after_a_restart_everybody_is_there_again() -> None:
    known: MemoryDirectory = directory()
    async with relaying(known) as first:
        address = first.addresses[0]
    async with relaying(known, listen=[str(address).partition("/p2p/")[0]]) as again, member(again, ALICE) as alice:
        assert again.addresses == [address]
        await until(lambda: again.registered(alice.peer))


@pytest.mark.req("SHK-102")
async def test_those_whose_end_nobody_was_told_of_are_forgotten_as_well() -> None:
    """So many come and go at once that the relay loses events."""
    config = replace(QUICK, host=replace(QUICK.host, event_queue=1), max_local=64)
    async with relaying(config=config) as relayer:
        async with contextlib.AsyncExitStack() as stack:
            for number in range(200, 224):
                await stack.enter_async_context(member(relayer, LOCAL, local_keys(number)))
            await until(lambda: len(relayer.registrations) == 24)
            hosts = relayer.host.connections()
            for connection in hosts:
                connection.abort(GatedError("all at once"))
            await until(lambda: len(relayer.registrations) == 0)
        assert relayer.counters["unregistered"] == 24


@pytest.mark.req("SHK-101")
async def test_a_peer_that_was_tried_a_moment_ago_is_not_looked_up_for_each_message() -> None:
    known = Moody()
    config = replace(QUICK, try_interval=60.0)
    async with (
        relaying(known, config=config) as relayer,  # type: ignore[arg-type]
        member(relayer, ALICE, local_keys(77)) as spoofer,
    ):
        for _ in range(5):
            assert await spoofer.ask(letter(ALICE, BOB)) == b""
        assert known.asked == 1
        assert relayer.counters["refused.unregistered"] == 5
