"""Finding out where a node is reached."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import DeadlineExceeded
from p2pstack.shinkai.directory.errors import IdentityNotFound
from p2pstack.shinkai.directory.interface import Directory, Route, resolve
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.names import ShinkaiName
from tests.shinkai.directory.people import ALICE, BOB, record

RELAY = record("@@relay.shinkai", 2, "10.0.0.9:8080", "@@another.shinkai")


@pytest.mark.req("SHK-61")
async def test_a_proxys_addresses_stand_for_the_nodes() -> None:
    directory: Directory = MemoryDirectory([ALICE, BOB])
    route = await resolve(directory, ALICE.name)
    assert (route.record, route.proxy, str(route.address)) == (ALICE, None, "127.0.0.1:9552")
    with pytest.raises(IdentityNotFound, match="relay"):
        await resolve(directory, BOB.name)
    route = await resolve(MemoryDirectory([BOB, RELAY]), BOB.name)
    assert (route.record, route.proxy, str(route.address)) == (BOB, RELAY, "10.0.0.9:8080")


@pytest.mark.req("SHK-120")
@pytest.mark.parametrize(
    ("addresses", "listed"),
    [
        ((), ()),
        (("",), ()),
        (("a:b:c",), ()),
        (("192.0.2.1:9552",), (Endpoint("192.0.2.1", 9552),)),
        (("", "192.0.2.1"), (Endpoint("192.0.2.1", 9552),)),
    ],
)
def test_an_address_that_is_none_is_not_listed(addresses: tuple[str, ...], listed: tuple[Endpoint, ...]) -> None:
    assert Route(record("alice", 0, *addresses)).listed == listed
    assert Route(BOB, record("@@relay.shinkai", 2, *addresses)).listed == listed


async def test_it_takes_no_longer_than_it_may() -> None:
    class Silent(MemoryDirectory):
        async def lookup(self, name: ShinkaiName) -> IdentityRecord:
            await asyncio.Event().wait()
            return await super().lookup(name)

    with pytest.raises(DeadlineExceeded):
        await resolve(Silent([ALICE]), ALICE.name, timeout=0.01)
