"""RPCs become few frames of a size that every peer reads, and nothing is lost between them."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.packing import MAX_CONTROL, MAX_IDONTWANT, encode_rpc
from p2pstack.gossipsub.values import Extensions, IHave, Message, PeerInfo, Prune, Rpc, Subscription
from p2pstack.wire import uvarint
from p2pstack.wire.framing import FrameReader

CONFIG = GossipsubConfig()
IDS = [bytes(38) + n.to_bytes(8, "big") for n in range(5_000)]


def bodies(rpc: Rpc) -> list[bytes]:
    found = []
    for frame in encode_rpc(rpc):
        (body,) = FrameReader(2_000_000).receive_data(frame)
        found.append(body)
    return found


def parts(rpc: Rpc) -> list[Rpc]:
    """What a peer reads of each frame; every one of control is of a size that rust takes."""
    found = [decode_rpc(body, CONFIG) for body in bodies(rpc)]
    for body, part in zip(bodies(rpc), found, strict=True):
        assert len(body) <= MAX_CONTROL or part.publish
    return found


def test_an_empty_rpc_has_no_frames() -> None:
    assert encode_rpc(Rpc()) == []
    assert encode_rpc(Rpc(has_control=True, ihave=[IHave("a", [])])) == []


@pytest.mark.req("GS10-02")
@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 1_024, 16_383, 70_000])
def test_a_message_is_a_frame_of_its_own(size: int) -> None:
    message = Message(bytes(size), "a")
    encoded = message.encoded
    entry = b"\x12" + uvarint.encode(len(encoded)) + encoded
    assert encode_rpc(Rpc(publish=[message])) == [uvarint.encode(len(entry)) + entry]
    assert len(encode_rpc(Rpc(publish=[message] * 3))) == 3


@pytest.mark.req("GS11-02")
def test_the_prune_of_a_topic_that_is_left_goes_before_the_unsubscribe() -> None:
    """Rust would begin a back-off of a minute when a member of its mesh unsubscribes."""
    left, other = Prune("a", [], 10), Prune("b", [], 60)
    subscriptions = [Subscription(False, "a"), Subscription(True, "c")]
    first, second = parts(Rpc(subscriptions=subscriptions, prune=[other, left], graft=["c"]))
    assert first == Rpc(prune=[left], has_control=True)
    assert second == Rpc(subscriptions=subscriptions, graft=["c"], prune=[other], has_control=True)


@pytest.mark.req("GS10-14", "GS11-14")
def test_everything_but_messages_shares_a_frame_and_goes_first() -> None:
    rpc = Rpc(
        subscriptions=[Subscription(True, "a"), Subscription(False, "b")],
        publish=[Message(b"one", "a"), Message(b"two", "a")],
        ihave=[IHave("a", [b"1", b"2"]), IHave("b", [b"3"])],
        iwant=[b"4", b"5"],
        graft=["c"],
        prune=[Prune("d", [PeerInfo(b"peer", b"record"), PeerInfo(b"other")], 60), Prune("e")],
        idontwant=[b"6"],
        extensions=Extensions(test=True),
        test_extension=True,
    )
    first, *messages = parts(rpc)
    assert first == Rpc(**{name: getattr(rpc, name) for name in Rpc.__slots__} | {"publish": [], "has_control": True})
    assert messages == [Rpc(publish=[message]) for message in rpc.publish]
    # Subscriptions, then control with its entries in the order of their numbers, then the extension's message.
    assert bodies(rpc)[0].startswith(bytes.fromhex("0a0508011201610a0508001201621a"))
    assert bodies(rpc)[0].endswith(bytes.fromhex("32059091e218019291e21800"))


def test_an_rpc_is_encoded_once() -> None:
    rpc = Rpc(graft=["a"])
    frames = encode_rpc(rpc)
    assert encode_rpc(rpc) is frames is rpc.frames


@pytest.mark.req("GS10-30", "GS11-14")
def test_gossip_is_split_by_ids_into_few_frames() -> None:
    found = parts(Rpc(ihave=[IHave("some/topic", IDS)]))
    assert len(found) == 15  # 5,000 x 48 bytes = 240,000, and 16,384 a frame
    assert [name for part in found for have in part.ihave for name in have.ids] == IDS
    assert {have.topic for part in found for have in part.ihave} == {"some/topic"}
    assert [name for part in parts(Rpc(iwant=IDS)) for name in part.iwant] == IDS


@pytest.mark.req("GS10-30")
def test_different_entries_share_what_room_there_is() -> None:
    rpc = Rpc(graft=["x" * 700] * 30, ihave=[IHave("a", IDS[:400]), IHave("b", IDS[400:420])], iwant=IDS[:100])
    found = parts(rpc)
    size = 30 * 705 + 520 * 48
    assert len(found) == -(-size // MAX_CONTROL)
    assert [topic for part in found for topic in part.graft] == rpc.graft
    assert [name for part in found for have in part.ihave for name in have.ids] == IDS[:420]
    assert [name for part in found for name in part.iwant] == rpc.iwant


@pytest.mark.req("GS10-30")
@pytest.mark.parametrize("left", range(40, 60))
def test_ids_begin_a_frame_of_their_own_where_none_fits(left: int) -> None:
    rpc = Rpc(subscriptions=[Subscription(True, "x" * (MAX_CONTROL - 8 - left))], iwant=IDS[:3])
    wide = GossipsubConfig(max_topic_size=MAX_CONTROL)
    found = [decode_rpc(body, wide) for body in bodies(rpc)]
    assert [part.iwant for part in found] == ([[], IDS[:3]] if left < 56 else [IDS[:1], IDS[1:3]])
    assert all(len(body) <= MAX_CONTROL for body in bodies(rpc))


@pytest.mark.req("GS12-04")
@pytest.mark.parametrize(("count", "frames"), [(1, 1), (10, 1), (11, 2), (20, 2), (25, 3)])
def test_go_reads_ten_ids_of_idontwant_a_frame(count: int, frames: int) -> None:
    found = parts(Rpc(idontwant=IDS[:count], graft=["a"]))
    assert len(found) == frames
    assert found[0].graft == ["a"]
    assert all(len(part.idontwant) <= MAX_IDONTWANT for part in found)
    assert [name for part in found for name in part.idontwant] == IDS[:count]


@pytest.mark.req("GS10-30", "GS13-01")
def test_the_extensions_are_in_the_first_frame_of_a_long_hello() -> None:
    subscriptions = [Subscription(True, f"topic/{n:05}") for n in range(5_000)]
    rpc = Rpc(subscriptions=subscriptions, extensions=Extensions(test=True), test_extension=True)
    first, *more = parts(rpc)
    assert first.extensions == Extensions(test=True)
    assert [part.extensions for part in more] == [None] * len(more)
    assert [part.test_extension for part in more] == [False] * (len(more) - 1) + [True]
    assert [each for part in (first, *more) for each in part.subscriptions] == subscriptions


@pytest.mark.req("GS10-30", "GS13-03")
def test_the_message_of_the_test_extension_is_sent_once_where_it_fits() -> None:
    room = MAX_CONTROL - 4 - 5  # head of the control part; the message
    for size, frames in ((room - 8, 1), (room - 7, 2)):
        rpc = Rpc(subscriptions=[Subscription(True, "x" * size)], test_extension=True)
        found = [decode_rpc(body, GossipsubConfig(max_topic_size=MAX_CONTROL)) for body in bodies(rpc)]
        assert len(found) == frames
        assert sum(part.test_extension for part in found) == 1
        assert all(len(body) <= MAX_CONTROL for body in bodies(rpc))


@pytest.mark.req("GS10-30", "GS11-06")
def test_a_prune_names_as_many_peers_as_fit() -> None:
    peers = [PeerInfo(bytes((n,)) * 38, bytes(2_000)) for n in range(16)]
    (part,) = parts(Rpc(prune=[Prune("a", peers, 60)]))
    (prune,) = part.prune
    assert (prune.topic, prune.backoff) == ("a", 60)
    assert prune.peers == peers[:8]  # 8 x 2,046 bytes = 16,368
    (part,) = parts(Rpc(prune=[Prune("a", [PeerInfo(b"id", bytes(20_000))], 60)]))
    assert part.prune == [Prune("a", [], 60)]


def test_what_is_too_large_for_any_frame_goes_alone() -> None:
    """The limits of names and ids make sure that there is none; but nothing is dropped without a word."""
    long = bytes(MAX_CONTROL)
    rpc = Rpc(iwant=[b"1", long, b"2"])
    wide = GossipsubConfig(max_id_size=2 * MAX_CONTROL)
    assert [decode_rpc(body, wide).iwant for body in bodies(rpc)] == [[b"1"], [long], [b"2"]]


@pytest.mark.parametrize("broken", [Rpc(graft=["\ud800"]), Rpc(prune=[Prune("a", [], -1)])])
def test_what_has_no_bytes_is_refused(broken: Rpc) -> None:
    with pytest.raises(ConfigError):
        encode_rpc(broken)
    assert broken.frames is None
