"""Nodes that know one address of their network, and find each other: the directory has their keys alone."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.bootstrap import BootstrapConfig
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.standard import Host
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys, key_of_name
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import FindingConfig, ManagerConfig
from p2pstack.shinkai.network.finding import FoundBy, join_dht
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig, SendState, ShinkaiNode
from p2pstack.shinkai.relayer import RelayerConfig, ShinkaiRelayer
from tests.shinkai.network.nodes import KEYS, handler_of, name_of, silence
from tests.shinkai.node.pairs import LIBP2P_ONLY, nothing_left, take, until

RELAY, ANNE, BERT, CORA, DORA = (f"@@{name}.shinkai" for name in ("relay", "anne", "bert", "cora", "dora"))
NAMES = (ANNE, BERT, CORA, DORA)
NUMBERS = {name: number for number, name in enumerate((RELAY, *NAMES), 40)}
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
NOWHERE = Multiaddr("/ip4/127.0.0.1/tcp/1")

QUICK = replace(
    LIBP2P_ONLY,
    send=replace(LIBP2P_ONLY.send, libp2p_timeout=1.0),
    manager=ManagerConfig(known_peers=PeersConfig(wanted=0)),
)
"""Nodes that have others forgotten stay without them."""


def keys(name: str) -> NodeKeys:
    return NodeKeys.unsafe_deterministic(NUMBERS[name])


def peer_id(name: str) -> PeerId:
    return keys(name).signature.peer_id


def record(name: str, *addresses: str) -> IdentityRecord:
    own = keys(name)
    return IdentityRecord(
        name=ShinkaiName.parse(name),
        encryption_key=own.encryption.public,
        signature_key=own.signature.public_key,
        address_or_proxy_nodes=addresses,
    )


def directory() -> MemoryDirectory:
    """Who is who, and nothing of where."""
    return MemoryDirectory([record(name) for name in NUMBERS])


@contextlib.asynccontextmanager
async def relaying(known: MemoryDirectory, **options: Any) -> AsyncIterator[ShinkaiRelayer]:
    options.setdefault("keys", keys(RELAY))
    async with ShinkaiRelayer(RELAY, directory=known, listen=[LOOPBACK], **options) as relayer:
        yield relayer


def new_node(name: str, known: MemoryDirectory, *, config: NodeConfig = QUICK, **options: Any) -> ShinkaiNode:
    return ShinkaiNode(name, keys=keys(name), directory=known, listen="127.0.0.1:0", config=config, **options)


def manager_of(node: ShinkaiNode) -> LibP2PManager:
    manager = node.libp2p_manager
    assert manager is not None
    return manager


async def entered(node: ShinkaiNode, count: int = 1) -> None:
    """Wait until a node's routing table has so many peers."""
    dht = manager_of(node).dht
    assert dht is not None
    await until(lambda: len(dht.routing_table) >= count)


async def forget(node: ShinkaiNode, peer: PeerId) -> None:
    """Have a node know nothing of a peer."""
    host = manager_of(node).host
    await host.disconnect(peer)
    await until(lambda: not host.connections(peer))
    host.peerstore.forget(peer)


@contextlib.asynccontextmanager
async def four(
    relayer: ShinkaiRelayer, known: MemoryDirectory, way: str, **options: Any
) -> AsyncIterator[dict[str, ShinkaiNode]]:
    """Four nodes, each of which was told of the relay, as that or as a bootstrap peer, and of nothing else."""
    where = str(relayer.host.addresses[0])
    told = {"relay": where} if way == "relay" else {"bootstrap": [where]}
    async with contextlib.AsyncExitStack() as stack:
        nodes = {name: await stack.enter_async_context(new_node(name, known, **told, **options)) for name in NAMES}
        for node in nodes.values():
            await entered(node)
        yield nodes


@pytest.mark.req("SHK-120", "SHK-121")
@pytest.mark.parametrize("way", ["bootstrap", "relay"])
async def test_whoever_knows_one_address_sends_to_any_by_name(way: str) -> None:
    known = directory()
    async with relaying(known) as relayer, four(relayer, known, way) as nodes:
        for sender, recipient in itertools.permutations(NAMES, 2):
            await forget(nodes[sender], peer_id(recipient))
            result = await nodes[sender].send_text(recipient, f"from {sender}")
            assert result.state is SendState.ACKNOWLEDGED
            assert result.found == ("relay" if way == "relay" else "dht")
        for name, node in nodes.items():
            texts = [message.text for message in await take(node, 3)]
            assert sorted(texts) == sorted(f"from {other}" for other in NAMES if other != name)
            await nothing_left(node)


@pytest.mark.req("SHK-120", "SHK-121")
async def test_who_comes_back_with_another_address_is_found_again() -> None:
    known = directory()
    async with relaying(known) as relayer:
        where = [str(relayer.host.addresses[0])]
        async with new_node(ANNE, known, bootstrap=where) as anne:
            await entered(anne)
            async with new_node(BERT, known, bootstrap=where) as bert:
                await entered(bert)
                stale = manager_of(bert).host.addresses
                assert (await anne.send_text(BERT, "first")).state is SendState.ACKNOWLEDGED
            async with new_node(BERT, known, bootstrap=where) as bert:
                await entered(bert)
                assert manager_of(bert).host.addresses != stale
                await forget(anne, peer_id(BERT))
                manager_of(anne).host.peerstore.add_addresses(peer_id(BERT), stale, inf)
                known.add(record(BERT, f"127.0.0.1:{stale[0].value_for_protocol('tcp')}"))
                result = await anne.send_text(BERT, "second")
                assert (result.state, result.found) == (SendState.ACKNOWLEDGED, "dht")
                assert [message.text for message in await take(bert, 1)] == ["second"]


@pytest.mark.req("SHK-77", "SHK-120", "SHK-121")
async def test_who_was_told_of_a_bootstrap_peer_once_finds_others_after_a_restart_without(tmp_path: Path) -> None:
    known = directory()
    async with new_node(BERT, known) as bert:
        where = [str(manager_of(bert).host.addresses[0])]
        async with new_node(CORA, known, bootstrap=where) as cora:
            await entered(cora)
            async with new_node(ANNE, known, bootstrap=where, data=tmp_path) as anne:
                await entered(anne)
                await forget(anne, peer_id(CORA))
                memory = manager_of(anne).known_peers
                assert memory is not None
                memory.forget(peer_id(CORA))
            config = replace(QUICK, manager=ManagerConfig())
            async with new_node(ANNE, known, data=tmp_path, config=config) as anne:
                assert manager_of(anne).bootstrap is None
                assert manager_of(anne).host.peerstore.addresses(peer_id(CORA), monotonic()) == []
                await entered(anne)
                await forget(anne, peer_id(CORA))
                result = await anne.send_text(CORA, "hello")
                assert (result.state, result.found) == (SendState.ACKNOWLEDGED, "dht")
                assert [message.text for message in await take(cora, 1)] == ["hello"]


@pytest.mark.req("SHK-77", "SHK-120")
async def test_who_was_met_before_a_restart_is_reached_without_asking_anybody(tmp_path: Path) -> None:
    known = directory()
    async with new_node(BERT, known) as bert:
        async with new_node(ANNE, known, bootstrap=[str(manager_of(bert).host.addresses[0])], data=tmp_path) as anne:
            await entered(anne)
        async with new_node(ANNE, known, data=tmp_path) as anne:
            assert manager_of(anne).peers() == []
            result = await anne.send_text(BERT, "hello")
            assert (result.state, result.found) == (SendState.ACKNOWLEDGED, "known")
            assert [message.text for message in await take(bert, 1)] == ["hello"]


@pytest.mark.req("SHK-124")
async def test_a_bootstrap_peer_that_does_not_answer_is_told_and_holds_nothing_up() -> None:
    known = directory()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    where = f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id(BERT)}"
    manager = replace(QUICK.manager, bootstrap=BootstrapConfig(backoff_base=0.02, backoff_max=0.1))
    config = replace(QUICK, manager=manager)
    async with new_node(ANNE, known, config=config, bootstrap=[where, "/dnsaddr/nobody.invalid"]) as anne:
        await until(lambda: len(manager_of(anne).bootstrap.failing) == 2)  # type: ignore[union-attr]
        status = await anne.status()
        assert (status.libp2p, status.peers) == (True, ())
        assert "refused" in status.bootstrap_errors[where]
        assert status.bootstrap_errors["/dnsaddr/nobody.invalid"]
        for _ in range(2):
            async with ShinkaiNode(BERT, keys=keys(BERT), directory=known, listen=f"127.0.0.1:{port}", config=QUICK):
                await until(lambda: peer_id(BERT) in manager_of(anne).peers())
                assert list((await anne.status()).bootstrap_errors) == ["/dnsaddr/nobody.invalid"]
            await until(lambda: peer_id(BERT) not in manager_of(anne).peers())


@pytest.mark.req("SHK-120")
async def test_a_stale_address_at_which_somebody_else_listens_costs_a_moment() -> None:
    known = directory()
    manager = replace(QUICK.manager, finding=FindingConfig(patience=0.2))
    config = replace(LIBP2P_ONLY, manager=manager)
    async with (
        relaying(known) as relayer,
        silence() as nobody,
        four(relayer, known, "bootstrap", config=config) as nodes,
    ):
        known.add(record(BERT, f"127.0.0.1:{nobody.value_for_protocol('tcp')}"))
        await forget(nodes[ANNE], peer_id(BERT))
        result = await nodes[ANNE].send_text(BERT, "hello")
        assert (result.state, result.found, result.attempts) == (SendState.ACKNOWLEDGED, "dht", ())


@pytest.mark.req("SHK-121")
async def test_a_node_behind_another_relay_is_found_by_its_circuit_address(tmp_path: Path) -> None:
    known = directory()
    async with (
        relaying(known) as first,
        relaying(known, keys=keys(DORA), bootstrap=[str(first.addresses[0])]) as second,
        handler_of("alice", tmp_path) as ours,
        handler_of("bob", tmp_path) as theirs,
    ):
        assert first.dht is not None
        table = first.dht.routing_table
        await until(lambda: second.peer_id in table)
        options: dict[str, Any] = {"profile": Profile.HEAD, "listen": []}
        async with (
            LibP2PManager(
                name_of("alice"), KEYS["alice"], handler=ours, relay=str(first.host.addresses[0]), **options
            ) as alice,
            LibP2PManager(
                name_of("bob"), KEYS["bob"], handler=theirs, relay=str(second.host.addresses[0]), **options
            ) as bob,
        ):
            assert alice.dht is not None
            ours_table = alice.dht.routing_table
            await until(lambda: len(ours_table) > 0)
            await until(lambda: bool(bob.host.advertised))
            await until(lambda: bool(second.host.peerstore.addresses(bob.peer_id, monotonic())))
            assert await alice.reach(bob.peer_id, timeout=5.0) is FoundBy.DHT
            connection = alice.host.network.best(bob.peer_id)
            assert connection is not None
            assert connection.relayed
            assert str(second.peer_id) in str(connection.remote_address)


@pytest.mark.req("SHK-120")
async def test_a_seed_node_is_found_by_the_id_of_its_name() -> None:
    known = directory()
    async with relaying(known) as relayer, four(relayer, known, "bootstrap", profile=Profile.SEED) as nodes:
        bert = key_of_name(ShinkaiName.parse(BERT)).peer_id
        assert manager_of(nodes[BERT]).peer_id == bert
        await forget(nodes[ANNE], bert)
        result = await nodes[ANNE].send_text(BERT, "hello")
        assert (result.state, result.found) == (SendState.ACKNOWLEDGED, "dht")
        assert [message.text for message in await take(nodes[BERT], 1)] == ["hello"]


@contextlib.asynccontextmanager
async def liar(peer: PeerId, *addresses: Multiaddr) -> AsyncIterator[str]:
    """A server of the DHT that says of ``peer`` that it is elsewhere."""
    host = Host(listen=[LOOPBACK])
    join_dht(host, FindingConfig(), server=True)
    async with host:
        host.peerstore.add_addresses(peer, addresses, inf)
        yield str(host.addresses[0])


@pytest.mark.req("SHK-123")
async def test_what_a_liar_says_leads_to_nobody_else() -> None:
    known = directory()
    async with (
        new_node(CORA, known) as cora,
        liar(peer_id(BERT), *manager_of(cora).host.addresses) as where,
        new_node(ANNE, known, bootstrap=[where]) as anne,
    ):
        await entered(anne)
        result = await anne.send_text(BERT, "secret")
        assert (result.state, result.reason) == (SendState.QUEUED, "unreachable")
        status = await cora.status()
        assert (status.messages.untaken, status.jobs.rows, dict(status.received)) == (0, 0, {})
        assert peer_id(CORA) not in manager_of(anne).peers()


@pytest.mark.req("SHK-123")
async def test_a_liar_holds_no_send_up_beyond_its_time() -> None:
    known = directory()
    async with (
        silence() as nobody,
        liar(peer_id(BERT), nobody) as where,
        new_node(ANNE, known, bootstrap=[where]) as anne,
    ):
        await entered(anne)
        started = monotonic()
        result = await anne.send_text(BERT, "secret")
        assert (result.state, result.reason) == (SendState.QUEUED, "unreachable")
        assert monotonic() - started < QUICK.send.libp2p_timeout + 2.0


@pytest.mark.req("SHK-123")
async def test_one_who_says_the_truth_is_enough() -> None:
    known = directory()
    async with relaying(known) as relayer, new_node(CORA, known) as cora:
        honest = str(relayer.host.addresses[0])
        async with (
            liar(peer_id(BERT), NOWHERE, *manager_of(cora).host.addresses) as where,
            new_node(BERT, known, bootstrap=[honest]) as bert,
            new_node(ANNE, known, bootstrap=[where, honest]) as anne,
        ):
            await entered(bert)
            await entered(anne, 2)
            await forget(anne, peer_id(BERT))
            result = await anne.send_text(BERT, "secret")
            assert (result.state, result.found) == (SendState.ACKNOWLEDGED, "dht")
            assert [message.text for message in await take(bert, 1)] == ["secret"]
            assert (await cora.status()).messages.untaken == 0


@pytest.mark.req("SHK-122")
@pytest.mark.multicast
async def test_nodes_on_a_local_network_need_no_address_at_all() -> None:
    known = directory()
    config = replace(QUICK, manager=ManagerConfig(finding=FindingConfig(mdns=True, interfaces=("lo",))))
    async with new_node(ANNE, known, config=config) as anne, new_node(BERT, known, config=config) as bert:
        await until(lambda: peer_id(BERT) in manager_of(anne).peers())
        assert (await anne.send_text(BERT, "hello")).state is SendState.ACKNOWLEDGED
        assert [message.text for message in await take(bert, 1)] == ["hello"]


@pytest.mark.req("SHK-121")
@pytest.mark.parametrize(
    ("dht", "told", "serving"),
    [
        (True, {}, True),
        (True, {"bootstrap": [str(NOWHERE)]}, True),
        (True, {"relay": str(NOWHERE)}, False),
        (False, {"bootstrap": [str(NOWHERE)]}, None),
    ],
)
async def test_it_takes_part_unless_it_is_told_not_to(dht: bool, told: dict[str, Any], serving: bool | None) -> None:
    config = replace(QUICK, manager=ManagerConfig(finding=FindingConfig(dht=dht)))
    async with new_node(ANNE, directory(), config=config, **told) as node:
        found = manager_of(node).dht
        assert (None if found is None else found.serving) is serving


@pytest.mark.multicast
async def test_a_relay_takes_no_part_where_it_is_told_not_to() -> None:
    async with relaying(directory(), config=RelayerConfig(finding=FindingConfig(dht=False, mdns=True))) as relayer:
        assert relayer.dht is None
        assert FindingConfig().protocol not in relayer.host.protocols
