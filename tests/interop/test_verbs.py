"""Every verb of the peer command line, each kind of peer dialing each other kind (see pairs.py)."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest

from tests.interop.addresses import tcp_endpoint, with_peer, without_peer
from tests.interop.harness import Peers, all_ended
from tests.interop.pairs import each_kind, each_pair

pytestmark = pytest.mark.interop


SERVED = {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/echo/1.0.0", "/perf/1.0.0"}
AGENTS = {"go": "peer-go/", "rust": "rust-libp2p/", "p2pstack": "p2pstack"}

ZERO_SEED = "00" * 32
ZERO_PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@each_pair
async def test_a_connection_is_reported_from_begin_to_end(peers: Peers, dialer: str, listener: str) -> None:
    async with (
        peers.listen(listener) as node,
        peers.run(dialer, "dial", node.address, "--do", "hold", "--wait", 20) as far,
    ):
        peer = (await node.event("connected"))["peer"]
        seen = await node.event("identified", peer=peer)
        assert seen["agent"].startswith(AGENTS[dialer])
        assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"} <= set(seen["protocols"])
        # rust dials the address with the peer id and says so
        assert without_peer(seen["observed"]) == without_peer(node.address)
        assert node.count("disconnected") == 0
        far.terminate()
        await node.event("disconnected", peer=peer)
        assert [event["event"] for event in node.events] == ["listening", "connected", "identified", "disconnected"]


@each_pair
async def test_ping(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        result = await peers.dial(dialer, node.address, "ping", "--count", 5)
    assert len(result["rtts_us"]) == 5
    assert all(0 < rtt < 5e6 for rtt in result["rtts_us"])


@each_pair
async def test_identify(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        seen = await peers.dial(dialer, node.address, "identify")
    assert seen["peer"] == node.peer_id
    assert seen["agent"].startswith(AGENTS[listener])
    assert set(seen["protocols"]) >= SERVED
    host, port = tcp_endpoint(seen["observed"])
    assert host == "127.0.0.1"
    assert port != tcp_endpoint(node.address)[1], "the dialer's address, not the listener's"


@each_pair
async def test_echo_in_a_row(peers: Peers, dialer: str, listener: str) -> None:
    sizes = [1, 1024, 65_519, 65_536, 262_145, 1_000_000]  # around a Noise message, a yamux frame, a window
    async with peers.listen(listener) as node:
        for size in sizes:
            result = await peers.dial(dialer, node.address, "echo", "--size", size, "--streams", 3)
            assert (result["streams"], result["bytes"]) == (3, 3 * size)


@each_pair
async def test_echo_of_many_short_streams(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        result = await peers.dial(dialer, node.address, "echo", "--size", 1, "--streams", 600)
    assert result["bytes"] == 600


@each_pair
@pytest.mark.parametrize(("streams", "size"), [(100, 1000), (8, 1_000_000)])
async def test_echo_at_once(peers: Peers, dialer: str, listener: str, streams: int, size: int) -> None:
    async with peers.listen(listener) as node:
        result = await peers.dial(dialer, node.address, "echo", "--size", size, "--streams", streams, "--concurrent")
    assert result["bytes"] == streams * size


@each_pair
@pytest.mark.parametrize("streams", [1, 4])
async def test_perf(peers: Peers, dialer: str, listener: str, streams: int) -> None:
    up, down = 5_000_001, 7_000_003
    async with peers.listen(listener) as node:
        result = await peers.dial(dialer, node.address, "perf", "--up", up, "--down", down, "--streams", streams)
    assert (result["up_bytes"], result["down_bytes"]) == (up, down)
    assert result["up_seconds"] > 0
    assert result["down_seconds"] > 0


@each_pair
async def test_connect_many_times(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        assert (await peers.dial(dialer, node.address, "connect", "--count", 20))["count"] == 20
        await peers.dial(dialer, node.address, "ping", "--count", 1)
        await all_ended(node)


@each_pair
async def test_hold_many_connections(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        assert (await peers.dial(dialer, node.address, "hold", "--count", 10, "--wait", 0.2))["count"] == 10
        await all_ended(node)
        assert len({event["peer"] for event in node.events if event["event"] == "connected"}) == 10


@each_pair
async def test_several_dialers_at_once(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        holders = [peers.run(dialer, "dial", node.address, "--do", "hold", "--wait", 20) for _ in range(3)]
        async with holders[0] as first, holders[1] as second, holders[2] as third:
            for holder in (first, second, third):
                await holder.event("holding")
            await node.until(lambda: node.count("connected") == 3, "third connected event")
            await peers.dial(dialer, node.address, "ping")
            first.terminate()
            await node.until(lambda: node.count("disconnected") == 2, "second disconnected event")
            await peers.dial(dialer, node.address, "echo", "--size", 1000)


@each_pair
async def test_a_wrong_peer_id_is_refused_by_the_dialer(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        assert await peers.dial_in_vain(dialer, with_peer(node.address, ZERO_PEER), "ping")
        await peers.dial(dialer, node.address, "ping")


@each_pair
async def test_gossip_to_a_listener(peers: Peers, dialer: str, listener: str) -> None:
    count, size = 50, 200
    options = ("--topic", "news", "--publish", count, "--size", size, "--rate", 500, "--wait", 1)
    async with (
        peers.listen(listener, "--topic", "news") as node,
        peers.run(dialer, "gossip", node.address, *options) as far,
    ):
        assert (await far.event("gossip"))["sent"] == count
        await node.until(lambda: node.count("message") == count, f"{count} messages")
        messages = [event for event in node.events if event["event"] == "message"]
        author = (await node.event("connected"))["peer"]
        assert {(event["topic"], event["from"], event["len"]) for event in messages} == {("news", author, size)}
        data = [b64decode(event["data_b64"]) for event in messages]
        assert {int.from_bytes(each[:8], "big") for each in data} == set(range(count))
        assert {event["sha256"] for event in messages} == {sha256(each).hexdigest() for each in data}
        assert await far.finish() == 0


@each_pair
async def test_gossip_through_a_listener(peers: Peers, dialer: str, listener: str) -> None:
    """Two that dial the listener, and know only it: what the one publishes reaches the other."""
    count = 20
    async with peers.listen(listener, "--topic", "news") as node:
        receiving = ("--topic", "news", "--expect", count, "--wait", 15)
        sending = ("--topic", "news", "--publish", count, "--size", 2000, "--rate", 200, "--wait", 1)
        async with peers.run(dialer, "gossip", node.address, *receiving) as receiver:
            await node.event("connected")
            async with peers.run(dialer, "gossip", node.address, *sending) as sender:
                assert (await sender.event("gossip"))["sent"] == count
                result = await receiver.event("gossip")
            assert result["received"] == receiver.count("message") == count
            assert await receiver.finish() == 0


@each_kind
async def test_nobody_listens(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node:
        pass
    assert await peers.dial_in_vain(kind, node.address, "ping")


@each_kind
async def test_the_seed_makes_the_same_peer_everywhere(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--seed-hex", ZERO_SEED) as node:
        assert node.peer_id == ZERO_PEER
    async with peers.listen(kind, "--seed-hex", "5a" * 32) as node:
        assert node.peer_id != ZERO_PEER


@each_pair
async def test_a_dialer_with_a_seed_is_recognised(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        await peers.dial(dialer, node.address, "ping", "--seed-hex", ZERO_SEED)
        await node.event("connected", peer=ZERO_PEER)


@each_kind
async def test_a_quiet_listener_only_says_where_it_is_and_what_it_saw(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--quiet") as node:
        await peers.dial(kind, node.address, "ping")
    assert [event["event"] for event in node.events] == ["listening", "summary"]


@each_kind
async def test_a_listener_leaves_on_sigterm_too(peers: Peers, kind: str) -> None:
    async with peers.run(kind, "listen") as node:
        await node.event("listening")
        node.terminate()
        assert await node.finish(seconds=5) == 0
