"""A way into the network, from a list of addresses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from p2pstack.errors import ConfigError, DeadlineExceeded, DialError, HostClosed, PeerIdMismatch
from p2pstack.host.host import BaseHost
from p2pstack.host.resolver import NameService
from p2pstack.identity.multiaddrs import with_peer
from p2pstack.services.bootstrap import Bootstrap, BootstrapConfig, BootstrapConnected, BootstrapFailed
from tests.aio.shell import silent_listener
from tests.host.hosts import address_of, closed_address, dialer, here, key, listener, new_host, nothing_left, with_dial
from tests.services.hosts import LOOPBACK, backward, next_event, until

SOON = {"backoff_base": 0.02, "backoff_max": 0.02}


class Names:
    """TXT records by their name."""

    def __init__(self, **records: list[str]) -> None:
        self.records = records
        self.asked: list[str] = []

    async def addresses(self, name: str, family: int) -> list[str]:
        raise OSError("no such name")

    async def texts(self, name: str) -> list[str]:
        self.asked.append(name)
        short = name.removeprefix("_dnsaddr.").removesuffix(".example")
        if short not in self.records:
            raise OSError("no such name")
        return [f"dnsaddr={address}" for address in self.records[short]]


class Node:
    """A host with a bootstrap list. Its dials are tried again almost at once."""

    def __init__(self, *addresses: Any, names: NameService | None = None, **config: Any) -> None:
        quick = with_dial(backoff_base=0.001, backoff_factor=0.0001, backoff_max=0.001)
        self.host = new_host(99, LOOPBACK, names=names, config=quick)
        self.bootstrap = Bootstrap(self.host, [*addresses], config=BootstrapConfig(**config))
        self.events = self.host.events(BootstrapConnected, BootstrapFailed)


@contextlib.asynccontextmanager
async def listeners(*numbers: int) -> AsyncIterator[list[BaseHost]]:
    async with contextlib.AsyncExitStack() as stack:
        hosts = [listener(number) for number in numbers]
        for host in hosts:
            await stack.enter_async_context(host)
        yield hosts


@pytest.mark.req("PEERS-12")
async def test_as_many_of_the_list_as_are_wanted() -> None:
    async with nothing_left(), listeners(1, 2, 3) as hosts:
        node = Node(*map(here, hosts), wanted=2)
        async with node.host:
            assert await node.bootstrap.wait()
            await until(lambda: len(node.bootstrap.connected) == 2)
            first, second = [await next_event(node.events, BootstrapConnected) for _ in range(2)]
            assert sorted([first.peer, second.peer]) == node.bootstrap.connected
            assert {first.address, second.address} <= {here(host) for host in hosts}
            assert len(node.host.network.peers) == 2


@pytest.mark.req("PEERS-12")
async def test_who_goes_is_replaced_and_who_comes_back_is_met_again() -> None:
    async with listeners(1, 2) as (first, second):
        node = Node(here(first), here(second), wanted=1, **SOON)
        async with node.host:
            (met,) = await node.bootstrap.wait()
            await node.host.disconnect(met)
            await until(lambda: node.bootstrap.connected)
            gone, left = (first, second) if node.bootstrap.connected == [first.peer_id] else (second, first)
            await gone.close()
            await until(lambda: node.bootstrap.connected == [left.peer_id])


@pytest.mark.req("PEERS-12")
async def test_failures_are_told_with_their_reason_and_tried_again_later_each_time() -> None:
    place = with_peer(closed_address(), key(1).peer_id)
    node = Node(place, backoff_base=0.02, backoff_factor=2.0, jitter=0.1)
    async with node.host:
        failures = [await next_event(node.events, BootstrapFailed) for _ in range(3)]
        assert [each.failures for each in failures] == [1, 2, 3]
        for number, each in enumerate(failures):
            assert 0.9 <= each.retry_in / (0.02 * 2**number) <= 1.1
            assert (each.address, each.peer) == (place, key(1).peer_id)
            assert isinstance(each.error, DialError)
            assert "refused" in str(each.error)
        with pytest.raises(DeadlineExceeded, match=r"within 0\.01 s"):
            await node.bootstrap.wait(0.01)


@pytest.mark.req("PEERS-12")
async def test_what_leads_to_nobody_is_told_until_it_does() -> None:
    address = closed_address()
    node = Node(with_peer(address, key(1).peer_id), "/dnsaddr/none.example", names=Names(), **SOON)
    async with node.host:
        assert node.bootstrap.failing == []
        await until(lambda: len(node.bootstrap.failing) == 2)
        first, second = node.bootstrap.failing
        assert (first.peer, str(second.address), second.peer) == (key(1).peer_id, "/dnsaddr/none.example", None)
        assert "refused" in str(first.error)
        assert "no such name" in str(second.error)
        assert first.failures > 0
        assert 0.0 <= first.retry_in <= 0.03
        async with BaseHost(key(1), listen=[address]):
            await node.bootstrap.wait()
            await until(lambda: [each.peer for each in node.bootstrap.failing] == [None])


@pytest.mark.req("PEERS-12")
async def test_somebody_else_at_the_address_is_nobody_of_the_list() -> None:
    async with listeners(1) as (other,):
        node = Node(with_peer(other.addresses[0], key(2).peer_id))
        async with node.host:
            failed = await next_event(node.events, BootstrapFailed)
            assert isinstance(failed.error, DialError)
            assert isinstance(failed.error.attempts[0][1], PeerIdMismatch)
            assert node.bootstrap.connected == []


@pytest.mark.req("PEERS-11")
async def test_without_an_id_whoever_answers_is_taken_once() -> None:
    async with listeners(1) as (there,):
        node = Node(str(there.addresses[0]))
        async with node.host:
            connected = await next_event(node.events, BootstrapConnected)
            assert connected == BootstrapConnected(peer=there.peer_id, address=there.addresses[0])
            await until(lambda: not node.bootstrap._attempts)
            assert node.bootstrap.connected == [there.peer_id]
            assert len(node.host.connections()) == 1


@pytest.mark.req("PEERS-11")
async def test_a_name_leads_to_its_peers() -> None:
    async with listeners(1, 2) as (first, second):
        names = Names(all=["/dnsaddr/more.example", str(here(first))], more=[str(here(second))])
        node = Node("/dnsaddr/all.example", names=names, wanted=2)
        async with node.host:
            await until(lambda: len(node.bootstrap.connected) == 2)
            assert sorted(names.asked) == ["_dnsaddr.all.example", "_dnsaddr.more.example"]
            connected = await next_event(node.events, BootstrapConnected)
            assert str(connected.address) == "/dnsaddr/all.example"


@pytest.mark.req("PEERS-11")
async def test_a_name_with_an_id_leads_to_that_peer_alone() -> None:
    async with listeners(1, 2) as (first, second):
        names = Names(all=[str(here(first)), str(here(second))])
        node = Node(f"/dnsaddr/all.example/p2p/{second.peer_id}", names=names, wanted=2)
        async with node.host:
            assert await node.bootstrap.wait() == [second.peer_id]
            await until(lambda: not node.bootstrap._attempts)
            assert node.host.network.peers == [second.peer_id]


@pytest.mark.req("PEERS-11", "PEERS-12")
async def test_a_name_whose_peers_are_gone_is_resolved_again() -> None:
    async with listeners(2) as (second,):
        names = Names(all=[str(with_peer(closed_address(), key(1).peer_id))])
        node = Node("/dnsaddr/all.example", names=names, **SOON)
        async with node.host:
            assert (await next_event(node.events, BootstrapFailed)).peer == key(1).peer_id
            names.records["all"] = [str(here(second))]
            assert await node.bootstrap.wait() == [second.peer_id]


@pytest.mark.req("PEERS-11", "PEERS-12")
async def test_a_name_that_leads_nowhere_is_told_and_tried_again() -> None:
    names = Names(empty=["/ip4/127.0.0.1/tcp/1"])
    node = Node("/dnsaddr/empty.example", "/dnsaddr/none.example", names=names, **SOON)
    async with node.host:
        reasons = {}
        while len(reasons) < 2:
            failed = await next_event(node.events, BootstrapFailed)
            reasons[str(failed.address)] = str(failed.error)
        assert "no address with /p2p" in reasons["/dnsaddr/empty.example"]
        assert "no such name" in reasons["/dnsaddr/none.example"]
        await until(lambda: len(names.asked) > 4)


@pytest.mark.req("PEERS-13")
async def test_a_host_with_enough_peers_dials_nobody_of_the_list() -> None:
    async with listeners(1) as (bootstrapper,), dialer(2) as friend:
        node = Node(here(bootstrapper), enough=1, **SOON)
        async with node.host:
            await node.bootstrap.wait()
            await friend.connect(here(node.host))
            await backward(node.host, friend)
            await node.host.disconnect(bootstrapper.peer_id)
            await until(lambda: node.bootstrap.connected == [])
            await until(lambda: not node.bootstrap._attempts)
            assert node.host.network.peers == [friend.peer_id]
            await friend.disconnect(node.host.peer_id)
            await until(lambda: node.bootstrap.connected)


@pytest.mark.req("PEERS-12")
async def test_its_connections_are_spared_and_others_are_not() -> None:
    async with listeners(1, 2) as (first, second):
        node = Node(here(first), wanted=1, **SOON)
        async with node.host:
            await node.bootstrap.wait()
            await node.host.connect(here(second))
            manager = node.host._manager
            await until(lambda: manager.is_protected(first.peer_id))
            assert not manager.is_protected(second.peer_id)
            await first.close()
            await until(lambda: not manager.is_protected(first.peer_id))


async def test_it_ends_at_once_while_it_dials_and_its_connections_stay() -> None:
    with silent_listener() as silent:
        async with nothing_left(), listeners(1) as (there,), dialer(9) as host:
            bootstrap = Bootstrap(host, [here(there), with_peer(address_of(silent), key(2).peer_id)])
            async with bootstrap:
                await bootstrap.start()
                await bootstrap.wait()
                assert len(bootstrap._attempts) == 1
            assert bootstrap not in host.services
            assert host.network.peers == [there.peer_id]
            await bootstrap.stop()
            with pytest.raises(HostClosed):
                await bootstrap.start()


async def test_what_was_never_started_can_be_stopped() -> None:
    node = Node("/ip4/127.0.0.1/tcp/1")
    await node.bootstrap.stop()
    assert node.host.services == []
    with pytest.raises(HostClosed):
        await node.bootstrap.wait()


async def test_who_waits_is_told_of_the_end() -> None:
    node = Node(with_peer(closed_address(), key(1).peer_id))
    async with node.host:
        waiting = asyncio.create_task(node.bootstrap.wait())
        await next_event(node.events, BootstrapFailed)
    with pytest.raises(HostClosed):
        await waiting


@pytest.mark.parametrize(
    "values",
    [{name: 0} for name in ("wanted", "enough", "max_found", "backoff_base", "refresh_interval")]
    + [{"backoff_factor": 0.5}, {"backoff_max": 1.0}, {"jitter": 1.0}, {"jitter": -0.1}],
)
def test_values_that_cannot_work(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        BootstrapConfig(**values)  # type: ignore[arg-type]


@pytest.mark.req("PEERS-12")
def test_the_back_off_doubles_up_to_its_cap() -> None:
    config = BootstrapConfig()
    assert [config.backoff(failures) for failures in (1, 2, 3, 8, 10**6)] == [5, 10, 20, 600, 600]
