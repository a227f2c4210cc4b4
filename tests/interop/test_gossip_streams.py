"""Streams of pubsub that end, peers that go and come back: what was agreed before holds again (GS10-28)."""

from __future__ import annotations

import pytest

from tests.interop.addresses import tcp_endpoint
from tests.interop.gossip import TOPIC, Ours, Process, all_get, connect, meet, ours, process
from tests.interop.harness import Peers
from tests.interop.pairs import each_other_kind

pytestmark = pytest.mark.interop

SEED = "5e" * 32
ROW = 3
"""Streams that are opened anew in a row, by go and by us."""
MOST_STREAMS = 4
"""Streams on one connection that rust takes."""
RUST_LIMIT = 65_536
"""Rust's longest RPC: it ends the stream at one with a message of that length."""


async def both_ways(own: Ours, node: Process, data: bytes) -> None:
    await all_get(own, [node], data)
    await all_get(node, [own], data)


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.parametrize("how", ["reset-in", "end-in"])
@pytest.mark.req("GS10-28")
async def test_we_open_our_stream_anew_when_go_ends_it(peers: Peers, kind: str, how: str) -> None:
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        for number in range(ROW):
            node.peer.send("streams", how)
            await own.has_opened(node, number + 2)
            await both_ways(own, node, b"%d" % number)
        assert own.pubsub.counters["given-up"] == 0
        ended = [event["count"] for event in node.peer.events if event["event"] == "streams-ended"]
        assert ended == [1] * ROW


def grafts(node: Process) -> int:
    """How often the peer took one of us into its mesh."""
    return sum(event["event"] == "graft" for event in node.peer.events)


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS10-05", "GS10-28")
async def test_go_opens_its_stream_anew(peers: Peers, kind: str) -> None:
    """When its stream to us ends go forgets our subscriptions; our stream lives on, so we say it again there."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        for number in range(ROW):
            node.peer.send("streams", "reset-out")
            await node.has_ended_streams(number + 1)
            await node.until(lambda count=number + 2: grafts(node) == count, "GRAFT that is sent again")
            await both_ways(own, node, b"%d" % number)


@each_other_kind
@pytest.mark.parametrize("we_dial", [True, False], ids=["we-dial", "we-are-dialled"])
async def test_a_peer_that_was_killed_and_comes_back(peers: Peers, kind: str, we_dial: bool) -> None:
    async with ours(TOPIC) as own:
        port = 0
        for life in range(2):
            words = ("listen", "--topic", TOPIC, "--seed-hex", SEED, "--port", port, "--gossip-events")
            async with peers.run(kind, *words) as peer:
                peer.address = (await peer.event("listening"))["addr"]
                port = tcp_endpoint(peer.address)[1]
                node = Process(kind, peer)
                await meet(*((own, node) if we_dial else (node, own)))
                await both_ways(own, node, b"life %d" % life)
                peer.kill()
                await peer.finish()
                await own.until(lambda: own.pubsub.peers(TOPIC) == [], "end of the peer")
        assert own.got(TOPIC).total() == 2


@each_other_kind
async def test_a_disconnect_by_either_side_is_no_end_of_pubsub(peers: Peers, kind: str) -> None:
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        for number in range(3):
            await meet(*((own, node) if number % 2 else (node, own)))
            await both_ways(own, node, b"%d" % number)
            if number % 2:
                await own.host.disconnect(own.host.connections()[0].peer_id)
            else:
                node.peer.send("disconnect", own.peer_id)
            await own.until(lambda: own.pubsub.peers() == [], "end of the peer")
            await node.until(lambda: own.peer_id not in node.mesh(TOPIC), "end of the mesh")


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("GS10-28")
async def test_rust_is_not_asked_for_a_fifth_stream(peers: Peers, kind: str) -> None:
    """With it rust would speak no pubsub any more on the connection; the rest of the connection goes on."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        peer = own.host.connections()[0].peer_id
        for number in range(MOST_STREAMS):
            assert own.opened[node.peer_id] == number + 1
            await own.publish(TOPIC, RUST_LIMIT * bytes([number]))
            await own.has_opened(node, number + 2)
        assert own.pubsub.counters["given-up"] == 1
        assert own.pubsub.peers() == []
        assert await own.host.ping(peer) > 0
        await own.host.disconnect(peer)
        await node.until(lambda: own.peer_id not in node.mesh(TOPIC), "end of the mesh")
        await meet(own, node)
        await both_ways(own, node, b"on another connection")


@each_other_kind
@pytest.mark.req("GS10-05")
async def test_both_dial_at_once(peers: Peers, kind: str) -> None:
    """Two connections, one stream each way: both sides agree, and nothing comes twice."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        node.peer.send("connect", own.address)
        await connect(own, node)
        await own.meshes_with(node)
        await node.meshes_with(own)
        for number in range(5):
            await both_ways(own, node, b"%d" % number)
        assert set(own.got(TOPIC).values()) == set(node.got(TOPIC).values()) == {1}


@each_other_kind
async def test_the_end_of_pubsub_is_a_farewell(peers: Peers, kind: str) -> None:
    """Our pubsub ends, and leaves the mesh; the connection stays."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        await own.pubsub.stop()
        await node.until(lambda: own.peer_id not in node.mesh(TOPIC), "end of the mesh")
        assert len(own.control_to(node, "prune")) == 1
        assert [each.subscribe for each in own.control_to(node, "subscriptions")] == [True, False]
        assert len(own.host.connections()) == 1
