"""The mesh of p2pstack, go and rust: its shapes, who is in it, who is left out, and how those still get everything.

"Left out" is made by a node without a mesh (D = 0, as the bootstrappers have it): it refuses every GRAFT of those who
dial it, so that only IHAVE and IWANT are left between the two.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from p2pstack.identity.peer_id import PeerId
from tests.interop.gossip import TOPIC, Member, Ours, Settings, all_get, connect, meet, member, ours, process
from tests.interop.harness import Peers
from tests.interop.pairs import each_other_kind, each_pair

pytestmark = pytest.mark.interop

each_line = pytest.mark.parametrize(
    ("first", "middle", "last"),
    [("go", "p2pstack", "rust"), ("p2pstack", "go", "rust"), ("p2pstack", "rust", "go"), ("rust", "p2pstack", "rust"),
     ("go", "p2pstack", "go")],
)  # fmt: skip
LONG = 2_000
"""Bytes of a message that is worth an IDONTWANT."""


@each_line
@pytest.mark.req("GS10-08", "GS10-21", "GS10-29")
async def test_in_a_line_messages_pass_through_the_middle(peers: Peers, first: str, middle: str, last: str) -> None:
    """The ends have no other way to each other, and refuse what is not signed as its author has sent it."""
    async with (
        member(peers, first, TOPIC) as left,
        member(peers, middle, TOPIC) as between,
        member(peers, last, TOPIC) as right,
    ):
        await meet(left, between)
        await meet(between, right)
        nodes = [left, between, right]
        for size in (0, 10, LONG):
            for sender in nodes:
                others = [node for node in nodes if node is not sender]
                await all_get(sender, others, size * sender.peer_id[-1:].encode())
        for node in nodes:
            assert set(node.got(TOPIC).values()) == {1}
            assert len(node.got(TOPIC)) == 6


@pytest.mark.parametrize(("first", "second", "third"), [("go", "p2pstack", "rust")])
@pytest.mark.req("GS10-12", "GS10-21")
async def test_in_a_triangle_each_message_comes_once(peers: Peers, first: str, second: str, third: str) -> None:
    async with (
        member(peers, first, TOPIC) as go,
        member(peers, second, TOPIC) as own,
        member(peers, third, TOPIC) as rust,
    ):
        nodes = [go, own, rust]
        await meet(go, own)
        await meet(own, rust)
        await meet(rust, go)
        for number in range(10):
            for sender in nodes:
                others = [node for node in nodes if node is not sender]
                await all_get(sender, others, b"%d of %s" % (number, sender.kind.encode()) + LONG * b".")
        for node in nodes:
            assert set(node.got(TOPIC).values()) == {1}
            assert len(node.got(TOPIC)) == 20


@pytest.mark.parametrize(("go", "rust"), [("go", "rust")])
async def test_a_ring_of_eight(peers: Peers, go: str, rust: str) -> None:
    """Two of ours, four of go and two of rust, each with two neighbours; what anyone says goes around."""
    kinds = ["p2pstack", go, rust, go, "p2pstack", go, rust, go]
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(member(peers, kind, TOPIC)) for kind in kinds]
        for near, far in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
            await meet(near, far)
        for sender in nodes:
            await all_get(sender, [node for node in nodes if node is not sender], sender.peer_id.encode())
        for node in nodes:
            assert set(node.got(TOPIC).values()) == {1}


@each_pair
@pytest.mark.req("GS11-09", "GS11-14", "GS11-15", "GS10-06")
async def test_who_is_in_no_mesh_gets_messages_by_gossip(peers: Peers, dialer: str, listener: str) -> None:
    """A third one gives the listener a message; the listener has the dialer in no mesh, and tells it by IHAVE."""
    ids = "rust" if "rust" in {dialer, listener} else "go"
    async with (
        member(peers, listener, TOPIC, settings=Settings(mesh_size=0, flood_publish=False, ids=ids)) as far,
        member(peers, dialer, TOPIC, settings=Settings(ids=ids)) as near,
        ours(TOPIC, settings=Settings(ids=ids)) as source,
    ):
        await connect(source, far)
        await source.until(lambda: far.peer_id in map(str, source.pubsub.peers(TOPIC)), "peer of the topic")
        if listener == "rust":
            await far.meshes_with(source)  # now it takes nobody else
        await connect(near, far)
        await refused(near, far)
        await all_get(source, [far, near], LONG * b"g")
        assert near.peer_id not in far.mesh(TOPIC)
        assert near.got(TOPIC).total() == far.got(TOPIC).total() == 1
        if isinstance(near, Ours):
            [message_id] = near.control_to(far, "iwant")
            assert near.control_of(far, "ihave")[0].ids == [message_id]
        if isinstance(far, Ours):
            [message_id] = far.control_of(near, "iwant")
            assert far.control_to(near, "ihave")[0].ids == [message_id]


async def refused(near: Member, far: Member) -> None:
    """Wait until ``near`` has asked to be in the mesh of ``far``, in vain; only one of ours can tell."""
    if isinstance(near, Ours):
        await near.until(lambda: bool(near.control_of(far, "prune")), "refusal of our GRAFT")
    if isinstance(far, Ours):
        await far.until(lambda: bool(far.control_to(near, "prune")), "refusal of a GRAFT")


@pytest.mark.parametrize(("kind", "ids"), [("go", "rust"), ("go", "sha256"), ("rust", "go"), ("rust", "sha256")])
@pytest.mark.req("GS10-06")
async def test_gossip_works_where_both_name_messages_alike(peers: Peers, kind: str, ids: str) -> None:
    """The presets are what the kinds make of a message: the very ids pass as IHAVE and IWANT, both ways."""
    lone = Settings(mesh_size=0, flood_publish=False, ids=ids)
    async with (
        process(peers, kind, TOPIC, settings=Settings(ids=ids)) as node,
        ours(TOPIC, settings=lone) as own,
    ):
        await connect(node, own)
        await own.until(lambda: bool(own.control_to(node, "prune")), "refusal of the GRAFT")
        result = await own.send(TOPIC, b"for those who ask")
        assert result.peers == 0
        await node.gets(own.peer_id, b"for those who ask")
        assert own.control_to(node, "ihave")[0].ids == [result.message_id]
        assert own.control_of(node, "iwant") == [result.message_id]


@each_other_kind
@pytest.mark.req("GS11-09")
async def test_who_subscribes_late_hears_what_was_said_just_before(peers: Peers, kind: str) -> None:
    settings = Settings(heartbeat_ms=1000, ids="go")
    async with process(peers, kind, settings=settings) as node, ours(TOPIC, settings=settings) as own:
        await connect(own, node)
        result = await own.send(TOPIC, b"nobody is here", peers=0)
        assert result.peers == 0
        node.subscribe(TOPIC)
        await node.gets(own.peer_id, b"nobody is here")
        assert own.control_of(node, "iwant") == [result.message_id]


@each_other_kind
@pytest.mark.req("GS10-17", "GS11-02", "GS11-03")
async def test_we_leave_and_come_back_when_the_back_off_is_over(peers: Peers, kind: str) -> None:
    loop = asyncio.get_running_loop()
    settings = Settings(unsubscribe_backoff=1, ids=kind)
    async with process(peers, kind, TOPIC, settings=settings) as node, ours(TOPIC, settings=settings) as own:
        await meet(own, node)
        grafts = len(own.control_to(node, "graft"))
        own.unsubscribe(TOPIC)
        left = loop.time()
        await node.until(lambda: own.peer_id not in node.mesh(TOPIC), "end of the mesh")
        assert [each.backoff for each in own.control_to(node, "prune")] == [1]
        own.subscribe(TOPIC)
        assert own.mesh(TOPIC) == set()
        # Nobody is in a mesh, but our messages go to all.
        await all_get(own, [node], b"we are back")
        assert len(own.control_to(node, "graft")) == grafts
        # Of either: the peer has agreed to the same back-off.
        await own.until(lambda: bool(own.mesh(TOPIC)), "GRAFT")
        assert loop.time() - left >= 1
        await own.meshes_with(node)
        await node.meshes_with(own)
        await all_get(node, [own], b"welcome")
        assert own.pubsub.counters["graft-backoff"] == 0


@each_other_kind
@pytest.mark.req("GS10-17", "GS11-02")
async def test_the_peer_leaves_and_comes_back_when_the_back_off_is_over(peers: Peers, kind: str) -> None:
    settings = Settings(unsubscribe_backoff=1, ids=kind)
    async with process(peers, kind, TOPIC, settings=settings) as node, ours(TOPIC, settings=settings) as own:
        await meet(own, node)
        grafts = len(own.control_to(node, "graft"))
        node.unsubscribe(TOPIC)
        await own.until(lambda: own.mesh(TOPIC) == set(), "end of the mesh")
        await own.until(lambda: own.pubsub.peers(TOPIC) == [], "end of the subscription")
        await own.until(lambda: bool(own.control_of(node, "prune")), "PRUNE")
        assert [each.backoff for each in own.control_of(node, "prune")] == [1]
        node.subscribe(TOPIC)
        await own.until(lambda: own.pubsub.peers(TOPIC) != [], "subscription")
        assert len(own.control_to(node, "graft")) == grafts
        await all_get(own, [node], b"it is back")
        await own.meshes_with(node)
        await node.meshes_with(own)
        await all_get(node, [own], b"hello again")
        assert not any(each.backoff == 60 for each in own.control_of(node, "prune")), "our GRAFT came too soon"


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS11-06", "GS11-07", "ENV-05")
async def test_a_prune_of_go_brings_us_together(peers: Peers, kind: str) -> None:
    """Go has no mesh, and names the one of us to the other, with a signed record."""
    lone = Settings(mesh_size=0, px=True)
    exchanging = Settings(px=True)
    async with (
        process(peers, kind, TOPIC, settings=lone) as node,
        ours(TOPIC, settings=exchanging) as first,
        ours(TOPIC, settings=exchanging) as second,
    ):
        await connect(first, node)
        await first.until(lambda: bool(first.control_of(node, "prune")), "refusal")
        await connect(second, node)
        await second.meshes_with(first)
        await first.meshes_with(second)
        [prune] = second.control_of(node, "prune")
        assert prune.backoff == 60
        [named] = prune.peers
        assert named.peer == first.host.peer_id.to_bytes()
        assert named.record is not None
        [connection] = second.host.connections(first.host.peer_id)
        assert connection.direction == "outbound"
        await all_get(second, [first], b"thanks to go")


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS11-06")
async def test_a_prune_of_ours_brings_go_together(peers: Peers, kind: str) -> None:
    async with (
        process(peers, kind, TOPIC) as first,
        process(peers, kind, TOPIC) as second,
        ours(TOPIC, settings=Settings(mesh_size=0, px=True)) as own,
    ):
        await connect(first, own)
        await own.until(lambda: bool(own.control_to(first, "prune")), "refusal")
        await connect(second, own)
        await second.meshes_with(first)
        await first.meshes_with(second)
        [prune] = own.control_to(second, "prune")
        assert [each.peer for each in prune.peers] == [PeerId.from_string(first.peer_id).to_bytes()]
        await all_get(second, [first], b"thanks to p2pstack")


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS12-01", "GS12-02")
async def test_we_tell_go_what_it_need_not_send(peers: Peers, kind: str) -> None:
    """A long message makes us tell the mesh, but not its sender; and go tells of each long one of its own."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own, ours(TOPIC) as source:
        await meet(own, node)
        await meet(source, own)
        await all_get(source, [own, node], b"short")
        assert own.control_to(node, "idontwant") == own.control_to(source, "idontwant") == []
        await all_get(source, [own, node], LONG * b"l")
        [message_id] = own.control_to(node, "idontwant")
        assert own.control_to(source, "idontwant") == []
        counters = await node.counters()
        assert counters["idontwant_ids_received"] == 1
        assert own.control_of(node, "idontwant") in ([], [message_id])  # go may have said so before it knew ours
        await all_get(node, [own, source], LONG * b"g")
        assert len(set(own.control_of(node, "idontwant")) - {message_id}) == 1, "go tells before it publishes"


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS12-03")
async def test_we_do_not_send_what_go_has_already(peers: Peers, kind: str) -> None:
    """In a triangle our validator waits until go has told that it has the message."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own, ours(TOPIC) as source:
        await meet(own, node)
        await meet(source, own)
        await meet(source, node)
        told = asyncio.Event()

        async def wait_for_go(_: object) -> bool:
            await told.wait()
            return True

        own.pubsub.validate(TOPIC, wait_for_go)
        await source.publish(TOPIC, LONG * b"w")
        await node.gets(source.peer_id, LONG * b"w")
        await own.until(lambda: bool(own.control_of(node, "idontwant")), "IDONTWANT of go")
        told.set()
        await own.gets(source.peer_id, LONG * b"w")
        assert own.control_to(node, "publish") == []
        assert set(node.got(TOPIC).values()) == {1}


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.parametrize("we_dial", [True, False], ids=["we-dial", "we-are-dialled"])
@pytest.mark.req("GS10-27")
async def test_a_peer_that_speaks_floodsub_alone(peers: Peers, kind: str, we_dial: bool) -> None:
    async with (
        process(peers, kind, TOPIC, settings=Settings(floodsub=True)) as node,
        ours(TOPIC) as own,
        ours(TOPIC, settings=Settings(flood_publish=False)) as source,
    ):
        await connect(*((own, node) if we_dial else (node, own)))
        await own.until(lambda: node.peer_id in map(str, own.pubsub.peers(TOPIC)), "peer of the topic")
        await meet(source, own)
        await all_get(own, [node], LONG * b"o")
        await all_get(node, [own, source], LONG * b"n")
        await all_get(source, [own, node], LONG * b"s")
        assert own.mesh(TOPIC) == {source.peer_id}
        for name in ("graft", "prune", "ihave", "iwant", "idontwant"):
            assert own.control_to(node, name) == []
