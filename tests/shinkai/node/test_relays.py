from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, IdentityNotFound, InvalidIdentity
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import LinkConfig, ManagerConfig
from p2pstack.shinkai.network.events import RelayDown, RelayUp
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import ShinkaiNode
from p2pstack.shinkai.node.relays import relay_place
from p2pstack.shinkai.node.results import SendState
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, NOWHERE, QUICK, directory, new_node, record, running, until

PATIENT = replace(QUICK, manager=ManagerConfig(links=LinkConfig(base=0.02, cap=0.1, jitter=0.01)))
"""The relay is dialled again soon."""

ADDRESS = "/ip4/192.0.2.1/tcp/9552"


class Registry(MemoryDirectory):
    """A directory of everybody but CAROL, which may be down."""

    def __init__(self) -> None:
        super().__init__([record(ALICE), record(BOB)])
        self.down = False

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        if self.down:
            raise DirectoryUnavailable("no server answers")
        return await super().lookup(name)


@contextlib.asynccontextmanager
async def behind(known: Registry, profile: Profile = Profile.HEAD) -> AsyncIterator[ShinkaiNode]:
    """ALICE, whose relay is CAROL."""
    async with new_node(ALICE, known, config=PATIENT, profile=profile, relay=CAROL, proxy=CAROL) as node:
        yield node


def connected(node: ShinkaiNode) -> bool:
    return all(manager.relay is not None and manager.relay.connected for manager in node.libp2p_managers)


async def test_an_address_stays_one_and_a_name_is_looked_up_each_time() -> None:
    known = directory()
    assert relay_place(None, known) is None
    assert relay_place(ADDRESS, known) == ADDRESS
    assert relay_place(parse(ADDRESS), known) == parse(ADDRESS)
    for name in (CAROL, "carol.shinkai", ShinkaiName.parse(CAROL)):
        find = relay_place(name, known)
        assert callable(find)
        for host, where in (("192.0.2.1", "ip4/192.0.2.1"), ("2001:db8::1", "ip6/2001:db8::1"), ("a.b", "dns/a.b")):
            known.add(record(CAROL, f"[{host}]:9552" if ":" in host else f"{host}:9552"))
            assert str(await find()) == f"/{where}/tcp/9552"


async def test_what_is_no_name_or_leads_nowhere_is_an_error() -> None:
    known = directory()
    with pytest.raises(InvalidName):
        relay_place("no relay", known)
    with pytest.raises(InvalidName):
        new_node(ALICE, known, relay="no relay")
    for name, error in (("@@nobody.shinkai", IdentityNotFound), (CAROL, InvalidIdentity)):
        known.add(record(CAROL, "carol:port"))
        find = relay_place(name, known)
        assert callable(find)
        with pytest.raises(error):
            await find()


@pytest.mark.req("SHK-76")
@pytest.mark.parametrize("profile", [Profile.HEAD, Profile.BOTH])
async def test_a_relay_that_the_directory_does_not_know_yet_is_found_once_it_does(profile: Profile) -> None:
    known = Registry()
    async with behind(known, profile) as alice:
        manager = alice.libp2p_manager
        assert manager is not None
        notices = manager.notices(RelayDown, RelayUp)
        for _ in range(2):
            down = await anext(notices)
            assert isinstance(down, RelayDown)
            assert (down.address, down.retry_in > 0) == (None, True)
        status = await alice.status()
        assert status.libp2p
        assert status.relay_error == "nobody is known as @@carol.shinkai"
        async with running(CAROL, known, profile=profile):
            await until(lambda: connected(alice))
            assert (await alice.status()).relay_error == ""


@pytest.mark.req("SHK-76")
async def test_a_directory_that_is_down_at_the_start_is_asked_again_and_the_relay_followed_to_another_port() -> None:
    known = Registry()
    known.down = True
    async with behind(known) as alice:
        manager = alice.libp2p_manager
        assert manager is not None
        assert manager.relay is not None
        await until(lambda: manager.relay.error != "")
        assert (await alice.status()).relay_error == "no server answers"
        known.down = False
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
            # Not the port that the first one had.
            free = f"127.0.0.1:{other.getsockname()[1]}"
            async with running(CAROL, known) as carol:
                await until(lambda: connected(alice))
                first = carol.listen_address
        await until(lambda: not connected(alice))
        async with running(CAROL, known, listen=free) as carol:
            await until(lambda: connected(alice))
            assert carol.listen_address != first
            assert str(manager.relay.address).endswith(f"/tcp/{carol.listen_address.port}")


@pytest.mark.req("SHK-81")
async def test_those_who_need_no_relay_are_written_to_while_it_is_not_known_where_it_is() -> None:
    known = Registry()
    async with behind(known) as alice, running(BOB, known):
        result = await alice.send_text(BOB, "hello")
        assert result.state is SendState.ACKNOWLEDGED
        assert [attempt.way for attempt in result.attempts] == ["directory"]
        assert "@@carol.shinkai" in result.attempts[0].error


async def test_a_node_closes_while_its_relay_is_looked_for() -> None:
    known = Registry()
    async with behind(known) as alice:
        await until(lambda: alice._libp2p.relay_error != "")
        known.add(record(CAROL, NOWHERE))
