"""The client as a whole: it finds out what it is by asking peers, and isn't fooled by a few."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.autonat import v1, v2
from p2pstack.autonat.protocols import DIAL_REQUEST, V1
from p2pstack.autonat.reachability import Reachability
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.config import AutonatClientConfig, AutonatServerConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.autonat.server import AutonatServer
from p2pstack.services.standard import Host
from tests.services.autonat.world import asking_host, at, dead_address, server
from tests.services.hosts import next_event, until

UNKNOWN, PUBLIC, PRIVATE = Reachability.UNKNOWN, Reachability.PUBLIC, Reachability.PRIVATE


def version(protocol: str, number: int) -> Host:
    """A server of one version alone."""
    host = Host(listen=[at(number)])
    AutonatServer(host, AutonatServerConfig(private=True, max_delay=0.0, dial_timeout=0.3))
    host.unhandle(V1 if protocol == DIAL_REQUEST else DIAL_REQUEST)
    return host


class Liar:
    """A server that says, without dialling anybody, what it likes; counts who asks."""

    def __init__(self, number: int, *, status: int = v1.Status.OK) -> None:
        self.host = Host(listen=[at(number)])
        self.asked = 0
        self._status = status
        self.host.handle(V1, self._serve)

    async def _serve(self, stream: Stream) -> None:
        request = v1.Dial.decode(await stream.read_frame(4096))
        self.asked += 1
        stream.write_frame(v1.DialResponse(self._status, address=request.addresses[0]).encode())


class World(AsyncExitStack):
    """A host that asks, and servers that it has dialled."""

    async def asking(self, **settings: Any) -> tuple[Host, AutonatClient]:
        host, client = asking_host(**settings)
        return await self.enter_async_context(host), client

    async def join(self, host: Host, *servers: Host) -> None:
        for each in servers:
            await self.enter_async_context(each)
            await host.connect(each.full_addresses[0])


async def changed(host: Host, world: World, *servers: Host) -> ReachabilityChanged:
    """Meet these servers; the first change that follows."""
    async with host.events(ReachabilityChanged) as events:
        await world.join(host, *servers)
        return await next_event(events, ReachabilityChanged)


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.parametrize("protocol", [V1, DIAL_REQUEST])
async def test_a_host_that_can_be_dialled_is_public(protocol: str) -> None:
    async with World() as world:
        host, client = await world.asking()
        assert (client.reachability, client.public) == (UNKNOWN, ())
        event = await changed(host, world, *(version(protocol, number) for number in (2, 3)))
        assert (event.reachability, event.addresses) == (PUBLIC, tuple(host.addresses))
        assert (client.reachability, client.public) == (PUBLIC, tuple(host.addresses))
        assert client.reachability_of(host.addresses[0]) is PUBLIC
        assert host.advertised == []  # it listens there: that is told anyway


@pytest.mark.req("AUTONAT1-04", "AUTONAT2-03")
@pytest.mark.parametrize("protocol", [V1, DIAL_REQUEST])
async def test_a_host_that_can_not_be_dialled_is_private(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        host, client = await world.asking()
        dead = dead_address(host)
        monkeypatch.setattr("p2pstack.services.autonat.client.candidates", lambda *_, **__: [dead])
        event = await changed(host, world, *(version(protocol, number) for number in (2, 3)))
        assert (event.reachability, event.addresses) == (PRIVATE, ())
        assert client.reachability_of(dead) is PRIVATE


@pytest.mark.req("AUTONAT2-03")
async def test_addresses_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        host, client = await world.asking(retry_interval=0.2)
        own, dead = host.addresses[0], dead_address(host)
        monkeypatch.setattr("p2pstack.services.autonat.client.candidates", lambda *_, **__: [dead, own])
        event = await changed(host, world, *(version(DIAL_REQUEST, number) for number in (2, 3)))
        await until(lambda: client.reachability_of(own) is PUBLIC and client.reachability_of(dead) is PRIVATE)
        assert event.reachability in (PUBLIC, UNKNOWN)
        assert client.public == (own,)


@pytest.mark.req("AUTONAT1-04")
async def test_a_public_address_that_is_not_listened_on_is_advertised(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        host, client = await world.asking()
        port = str(host.addresses[0]).rpartition("/")[2]
        forwarded = parse(f"/dns4/localhost/tcp/{port}")

        async def ask(*args: Any, **_: Any) -> list[Any]:
            return [(each, True) for each in args[1]]

        monkeypatch.setattr("p2pstack.services.autonat.client.ask_v2", ask)
        monkeypatch.setattr("p2pstack.services.autonat.client.candidates", lambda *_, **__: [forwarded])
        event = await changed(host, world, server(2), server(3))
        assert event.addresses == (forwarded,)
        assert host.advertised == [forwarded]
        assert forwarded in host.identify.addresses
        assert client.reachability is PUBLIC


@pytest.mark.req("AUTONAT1-04")
@pytest.mark.misbehave
@pytest.mark.parametrize("status", [v1.Status.OK, v1.Status.E_DIAL_ERROR])
async def test_a_network_of_liars_has_one_voice(status: int) -> None:
    async with World() as world:
        host, client = await world.asking(retry_interval=0.05)
        liars = [Liar(2, status=status) for _ in range(3)]
        await world.join(host, *(liar.host for liar in liars))
        await until(lambda: sum(liar.asked for liar in liars) >= 6)
        assert client.reachability is UNKNOWN
        assert client.public == ()


@pytest.mark.req("AUTONAT1-04")
@pytest.mark.misbehave
async def test_one_liar_among_honest_servers_changes_nothing() -> None:
    async with World() as world:
        host, client = await world.asking()
        liar = Liar(9, status=v1.Status.E_DIAL_ERROR)
        await world.join(host, liar.host)
        await until(lambda: liar.asked)
        await world.join(host, *(server(number) for number in (2, 3, 4)))
        await until(lambda: client.reachability is PUBLIC)
        assert client.public == tuple(host.addresses)


async def test_servers_that_refuse_or_fail_say_nothing() -> None:
    async def broken(stream: Stream) -> None:
        seen.append(stream)
        stream.reset()

    seen: list[Stream] = []
    async with World() as world:
        host, client = await world.asking(retry_interval=0.1)
        failing = Host(listen=[at(3)])
        failing.handle(DIAL_REQUEST, broken)
        await world.join(host, server(2, private=False), failing)
        await until(lambda: len(seen) >= 2)  # it is asked again, after a while
        assert client.reachability is UNKNOWN


@pytest.mark.req("AUTONAT1-04")
async def test_version_1_is_not_asked_where_it_sees_another_ip(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        host, _ = await world.asking(retry_interval=0.05)
        elsewhere = parse("/ip4/5.10.0.1/tcp/4001")
        monkeypatch.setattr("p2pstack.services.autonat.client.candidates", lambda *_, **__: [elsewhere])
        liar, other = Liar(2), server(3)
        await world.join(host, liar.host, other)
        asked: list[Any] = []

        async def noted(*args: Any, **_: Any) -> list[Any]:
            asked.append(args[1])
            return []

        monkeypatch.setattr("p2pstack.services.autonat.client.ask_v2", noted)
        await until(lambda: len(asked) >= 2)
        assert liar.asked == 0


@pytest.mark.req("AUTONAT1-04")
async def test_without_addresses_version_1_tells_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        host, client = await world.asking()
        monkeypatch.setattr("p2pstack.services.autonat.client.candidates", lambda *_, **__: [])
        liars = [Liar(number, status=v1.Status.E_DIAL_ERROR) for number in (2, 3)]
        event = await changed(host, world, version(DIAL_REQUEST, 4), *(liar.host for liar in liars))
        assert (event.reachability, event.addresses) == (PRIVATE, ())
        assert client.reachability is PRIVATE


@pytest.mark.req("AUTONAT1-04")
async def test_a_belief_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World() as world:
        confidence = {"recheck_interval": 0.2, "recheck_spread": 0.0}
        host, client = await world.asking(retry_interval=0.1, recheck=confidence)
        servers = [server(number) for number in (2, 3)]
        assert (await changed(host, world, *servers)).reachability is PUBLIC
        async with host.events(ReachabilityChanged) as events:

            async def closed(*args: Any, **_: Any) -> list[Any]:
                return [(args[1][0], False)]

            monkeypatch.setattr("p2pstack.services.autonat.client.ask_v2", closed)
            beliefs = [await next_event(events, ReachabilityChanged) for _ in range(2)]
        assert [event.reachability for event in beliefs] == [UNKNOWN, PRIVATE]
        assert client.public == ()


@pytest.mark.misbehave
async def test_a_server_that_never_answers_does_not_hold_the_others_up() -> None:
    async def silent(stream: Stream) -> None:
        await stream.read_to_end(1 << 20)

    async with World() as world:
        host, client = await world.asking(timeout=5.0)
        stuck = Host(listen=[at(9)])
        stuck.handle(DIAL_REQUEST, silent)
        event = await changed(host, world, stuck, server(2), server(3))
        assert event.reachability is PUBLIC
        await host.close()  # while a question is still under way
        assert client.reachability is PUBLIC


async def test_only_so_many_questions_are_under_way() -> None:
    async def silent(stream: Stream) -> None:
        asked.append(stream)
        await stream.read_to_end(1 << 20)

    asked: list[Stream] = []
    async with World() as world:
        host, client = await world.asking(timeout=0.5, max_questions=1)
        for number in (2, 3):
            stuck = Host(listen=[at(number)])
            stuck.handle(DIAL_REQUEST, silent)
            await world.join(host, stuck)
        await until(lambda: len(asked) == 1 and len(client._servers._known) == 2)
        assert client._pause(0.0) == client.config.follow_interval
        await until(lambda: len(asked) == 2)
        assert asked[0].failure is not None or asked[0].eof


async def test_version_2_is_preferred() -> None:
    asked: list[str] = []

    def noting(protocol: str, answer: bytes) -> Any:
        async def serve(stream: Stream) -> None:
            await stream.read_frame(8192)
            asked.append(protocol)
            stream.write_frame(answer)

        return serve

    async with World() as world:
        host, _ = await world.asking()
        both = Host(listen=[at(2)])
        both.handle(V1, noting("1", v1.DialResponse(101).encode()))
        both.handle(DIAL_REQUEST, noting("2", v2.DialResponse(v2.Status.E_DIAL_REFUSED).encode()))
        await world.join(host, both)
        await until(lambda: asked)
        assert asked == ["2"]


async def test_a_host_that_listens_nowhere_does_not_ask() -> None:
    host = Host()
    client = AutonatClient(host, AutonatClientConfig(private=True))
    liar, other = Liar(2), server(3)
    async with World() as world:
        await world.enter_async_context(host)
        await world.join(host, liar.host, other)
        await until(lambda: len(client._servers._known) == 2)
        assert client._pause(0.0) == client.config.follow_interval
        assert liar.asked == 0
        assert client.reachability is UNKNOWN


async def test_a_host_that_was_never_started_can_be_closed() -> None:
    host, client = asking_host()
    await host.close()
    assert client.reachability is UNKNOWN
