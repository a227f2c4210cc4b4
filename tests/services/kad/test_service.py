"""The DHT as programs see it."""

from __future__ import annotations

import pytest

from p2pstack.autonat.reachability import Reachability
from p2pstack.errors import DialError, HostClosed, LocalError
from p2pstack.kad.config import KadConfig
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.kad.config import Mode
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host
from tests.kad.making import peer
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import PROTOCOL, chain, network, node, settings


async def test_the_host_asks_the_dht_where_a_peer_is() -> None:
    async with chain(4) as nodes:
        far = nodes[-1][0]
        connection = await nodes[0][0].connect(far.peer_id)
        assert connection.peer_id == far.peer_id
        assert len(nodes[0][0].connections(far.peer_id)) == 1
        with pytest.raises(DialError):
            await nodes[0][0].connect(peer(5), timeout=3.0)


@pytest.mark.req("KAD-03")
async def test_mode_by_reachability() -> None:
    async with node(settings(mode=Mode.AUTO)) as (host, dht):
        assert not dht.serving
        assert PROTOCOL not in host.protocols
        address = host.addresses[0]
        host.emit(ReachabilityChanged(reachability=Reachability.PUBLIC, addresses=(address,)))
        await until(lambda: dht.serving)
        assert PROTOCOL in host.protocols
        host.emit(ReachabilityChanged(reachability=Reachability.PRIVATE, addresses=()))
        await until(lambda: not dht.serving)
        dht.mode = Mode.SERVER
        assert dht.serving
        assert dht.mode is Mode.SERVER
        dht.mode = Mode.AUTO
        assert not dht.serving, "nobody knows"


@pytest.mark.req("KAD-03")
async def test_what_autonat_knows_already_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutonatClient, "reachability", property(lambda _: Reachability.PUBLIC))
    host = Host(listen=[LOOPBACK])
    AutonatClient(host)
    async with host, Kademlia(host, settings(mode=Mode.AUTO)) as dht:
        assert dht.serving
        dht.mode = Mode.CLIENT
        assert not dht.serving
        dht.mode = Mode.AUTO
        assert dht.serving


@pytest.mark.req("KAD-03")
async def test_a_new_client_resets_the_streams_of_others() -> None:
    async with node() as (far, other), node() as (host, dht):
        await dht.bootstrap([str(far.full_addresses[0])])
        assert len(other._engine.server)
        other.mode = Mode.CLIENT
        await until(lambda: not len(other._engine.server))
        await until(lambda: not host.peerstore.speaks(far.peer_id, PROTOCOL))
        assert not host.connections()[0].closed


async def test_two_networks_on_one_host() -> None:
    host = Host(listen=[LOOPBACK])
    one = Kademlia(host, settings())
    two = Kademlia(host, settings(protocol="/other/kad/1.0.0"))
    with pytest.raises(LocalError, match="already"):
        Kademlia(host, settings())
    async with host, node() as (far, _), node(settings(protocol="/other/kad/1.0.0")) as (further, _):
        await one.bootstrap([str(far.full_addresses[0])])
        await two.bootstrap([str(further.full_addresses[0])])
        assert [each.peer for each in one.routing_table] == [far.peer_id]
        assert [each.peer for each in two.routing_table] == [further.peer_id]


async def test_it_can_come_later_and_go_earlier_than_the_host() -> None:
    async with node() as (far, _), Host() as host:
        connection = await host.connect(far.full_addresses[0])
        await host.identify.wait(connection)
        async with Kademlia(host, settings()) as dht:
            await dht.start()
            await until(lambda: far.peer_id in dht.routing_table)
            assert dht in host.routers
        await dht.stop()
        assert dht not in host.routers
        assert dht not in host.services
        assert PROTOCOL not in host.protocols
        for operation in (
            dht.bootstrap(),
            dht.closest(b"x"),
            dht.put_value(b"/test/x", b"x"),
            dht.provide(b"x"),
            dht.find_addresses(far.peer_id, 1.0),
            dht.start(),
        ):
            with pytest.raises(HostClosed):
                await operation
        assert not any(each.current for each in dht.usage().values())


async def test_connections_that_end_are_forgotten() -> None:
    async with network(2) as nodes:
        host, dht = nodes[1]
        assert dht._engine.messenger._lines
        await host.disconnect(nodes[0][0].peer_id)
        await until(lambda: not dht._engine.messenger._lines)
        assert len(dht.routing_table) == 1
        assert (await dht.closest(b"key")).progress.failures == 0


async def test_usage_names_every_limit_as_it_is() -> None:
    async with node(settings(kad=KadConfig(max_values=7))) as (_, dht):
        usage = dht.usage()
        assert usage["max_values"].limit == 7
        assert {each.current for each in usage.values()} == {0}
        assert set(usage) == {
            "max_served_streams", "max_lookups", "max_answer_memory", "max_probes", "max_corrections", "max_values",
            "max_provided_keys", "max_publications",
        }  # fmt: skip
