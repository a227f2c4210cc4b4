from __future__ import annotations

import pytest

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.gater import GaterConfig
from p2pstack.gossipsub.ids import data_prefix_id, rust_id, sha256_id
from p2pstack.gossipsub.signing import SigningPolicy, build
from p2pstack.gossipsub.values import IHave, Message
from tests.gossipsub.network import (
    FLOOD,
    INVALID_ONLY,
    OWN_NUMBER,
    PASSIVE,
    TOPIC,
    Node,
    Scores,
    fault_of,
    forged,
    id_of,
    peer,
    signed,
)


def scored(config: GossipsubConfig = PASSIVE, **settings: object) -> Node:
    """A node that counts invalid messages, with peers 1 to 4 in its mesh."""
    node = Node(config, scores=Scores(topics={TOPIC: INVALID_ONLY}), **settings)  # type: ignore[arg-type]
    node.add(1, 2, 3, 4)
    node.graft(1, 2, 3, 4)
    return node


def charged(node: Node, *numbers: int) -> list[float]:
    return [node.invalid(number) for number in numbers or (1, 2, 3, 4)]


# -- the way of a message


@pytest.mark.req("GS10-21", "GS10-29")
def test_an_accepted_message_goes_on_as_it_came() -> None:
    node = scored()
    message = signed(9, 1)
    message = Message(b"data", TOPIC, message.source, message.seqno, message.signature, None, message.encoded)
    assert node.deliver(1, message) is not None
    sent = node.sent()
    assert set(sent) == {2, 3, 4}
    assert {rpc.publish[0].encoded for rpc in sent.values()} == {message.encoded}


@pytest.mark.req("GS10-21")
def test_it_goes_neither_to_the_author_nor_to_whoever_has_it() -> None:
    node = scored()
    (incoming,) = node.publish_from(1, signed(2, 1))
    node.publish_from(3, signed(2, 1))
    assert node.router.verified(incoming, None, node.now)
    node.router.accept(incoming, node.now)
    assert node.receivers(lambda rpc: rpc.publish) == {4}


@pytest.mark.req("GS10-21")
def test_who_sends_it_while_it_is_validated_does_not_get_it_back() -> None:
    node = scored()
    (incoming,) = node.publish_from(1, signed(9, 1))
    node.router.verified(incoming, None, node.now)
    node.publish_from(3, signed(9, 1))
    node.router.accept(incoming, node.now)
    assert node.receivers(lambda rpc: rpc.publish) == {2, 4}


@pytest.mark.req("GS10-21", "GS10-27", "GS11-01")
def test_who_gets_it_beside_the_mesh() -> None:
    scores = Scores(publish_threshold=-20.0)
    node = Node(PASSIVE, scores=scores, direct=[5, 6, 7])
    node.add(1, 2, 3)
    node.graft(1, 2)
    node.add(5, 6)
    node.add(7, topics=["other"])
    node.add(8, 9, 10, protocol=FLOOD)
    node.add(11, protocol=FLOOD, topics=["other"])
    scores[6], scores[8], scores[9] = -1e6, -20.0, -20.1
    node.deliver(1, signed(99, 1))
    assert node.receivers(lambda rpc: rpc.publish) == {2, 5, 6, 8, 10}
    node.deliver(5, signed(99, 2))
    assert node.receivers(lambda rpc: rpc.publish) == {1, 2, 6, 8, 10}


@pytest.mark.req("GS10-26", "GS10-12")
@pytest.mark.parametrize("verdict", ["reject", "ignore", "throttle"])
def test_other_verdicts_end_it(verdict: str) -> None:
    node = scored()
    incoming = node.deliver(1, signed(9, 1), verdict)
    assert incoming is not None
    assert node.drain() == []
    assert node.publish_from(2, signed(9, 1)) == [], "it is marked as seen"
    node.router.accept(incoming, node.now)
    assert node.drain() == [], "one verdict is the last word"
    getattr(node.router, verdict)(incoming, node.now)
    assert node.router.counters[{"reject": "rejected", "ignore": "ignored", "throttle": "throttled"}[verdict]] == 1
    assert node.router.sizes()["max_checking"][0] == 0


@pytest.mark.req("GS10-13")
def test_other_topics_are_ignored_without_blame() -> None:
    node = scored()
    assert node.publish_from(1, signed(9, 1, "other"), forged(9, 2, "other")) == []
    assert node.router.counters[reasons.WRONG_TOPIC] == 2
    assert node.router.score.score(peer(1)) == 0
    node.router.join("other", node.now)
    assert len(node.publish_from(1, signed(9, 1, "other"))) == 1, "it was not marked as seen"


def test_a_topic_that_was_left_meanwhile_is_not_served() -> None:
    node = scored()
    (incoming,) = node.publish_from(1, signed(9, 1))
    node.router.verified(incoming, None, node.now)
    node.router.leave(TOPIC, node.now)
    node.drain()
    node.router.accept(incoming, node.now)
    assert node.drain() == []


# -- duplicates


@pytest.mark.req("GS10-12")
def test_each_message_passes_once() -> None:
    node = scored()
    assert node.deliver(1, signed(9, 1)) is not None
    node.drain()
    for number in (1, 2, 3):
        assert node.publish_from(number, signed(9, 1)) == []
    assert node.drain() == []
    assert node.router.counters[reasons.DUPLICATE] == 3
    assert len(node.publish_from(1, signed(9, 2), signed(9, 2))) == 1, "within one RPC too"


@pytest.mark.req("GS10-12")
def test_seen_is_what_came_within_two_minutes_of_its_first_sight() -> None:
    node = scored()
    node.deliver(1, signed(9, 1))
    node.pass_time(100.0)
    assert node.publish_from(1, signed(9, 1)) == []
    node.pass_time(19.0)
    assert node.publish_from(1, signed(9, 1)) == []
    node.pass_time(1.5)
    assert len(node.publish_from(1, signed(9, 1))) == 1


@pytest.mark.req("GS10-12")
def test_of_two_forms_of_one_message_the_first_that_is_verified_passes() -> None:
    node = scored()
    true = signed(9, 1)
    longer = Message(true.data, TOPIC, true.source, true.seqno, true.signature, None, true.encoded + b"\x7a\x01a")
    (one,) = node.publish_from(1, true)
    (other,) = node.publish_from(2, longer)
    assert node.router.verified(other, None, node.now)
    assert not node.router.verified(one, None, node.now)
    assert not node.router.verified(one, None, node.now), "told twice"
    node.router.accept(one, node.now)
    assert node.drain() == [], "only what passed can be accepted"
    node.router.accept(other, node.now)
    assert node.receivers(lambda rpc: rpc.publish) == {3, 4}


@pytest.mark.req("GS10-12")
def test_our_own_messages_are_seen() -> None:
    node = scored(policy=SigningPolicy.STRICT_NO_SIGN, message_id=sha256_id)
    node.router.publish(build(TOPIC, b"data"), node.now)
    assert node.publish_from(1, build(TOPIC, b"data")) == []


def test_a_cache_that_is_too_small_delivers_nothing_twice_while_it_is_validated() -> None:
    node = scored(GossipsubConfig(d=0, d_low=0, d_out=0, max_seen=1))
    (one,) = node.publish_from(1, signed(9, 1))
    assert node.router.verified(one, None, node.now)
    node.deliver(2, signed(9, 2))
    (again,) = node.publish_from(3, signed(9, 1))
    assert not node.router.verified(again, None, node.now)


# -- what is refused


@pytest.mark.req("GS10-07", "GS10-10", "GS11-34")
@pytest.mark.parametrize(
    ("policy", "message", "reason"),
    [
        (
            SigningPolicy.STRICT_SIGN,
            Message(b"data", TOPIC, signed(9, 1).source, signed(9, 1).seqno),
            "missing-signature",
        ),
        (SigningPolicy.STRICT_SIGN, Message(b"", TOPIC, signed(9, 1).source, b"short", b"signature"), "bad-seqno"),
        (SigningPolicy.STRICT_SIGN, Message(b"", TOPIC, signed(9, 1).source, None, b"signature"), "bad-seqno"),
        (SigningPolicy.STRICT_SIGN, Message(b"", TOPIC, None, bytes(8), b"signature"), "missing-source"),
        (SigningPolicy.STRICT_SIGN, Message(b"", TOPIC, b"nobody", bytes(8), b"signature"), "bad-source"),
        (SigningPolicy.STRICT_NO_SIGN, signed(9, 1), "unexpected-signature"),
        (SigningPolicy.STRICT_NO_SIGN, Message(b"data", TOPIC, signed(9, 1).source), "unexpected-auth"),
        (SigningPolicy.STRICT_NO_SIGN, Message(b"data", TOPIC, None, bytes(8)), "unexpected-auth"),
        (SigningPolicy.PERMISSIVE, Message(b"data", TOPIC, None, None, b"signature"), "missing-source"),
    ],
)
def test_what_breaks_the_policy_is_charged(policy: SigningPolicy, message: Message, reason: str) -> None:
    node = scored(policy=policy, message_id=sha256_id)
    assert node.publish_from(1, message) == []
    assert node.router.counters == {reason: 1}
    assert charged(node) == [1, 0, 0, 0]


@pytest.mark.req("GS10-10")
def test_permissive_takes_what_is_not_signed() -> None:
    node = scored(policy=SigningPolicy.PERMISSIVE, message_id=sha256_id)
    assert len(node.publish_from(1, build(TOPIC, b"unsigned"), signed(9, 1))) == 2


@pytest.mark.req("GS10-08", "GS11-34")
def test_a_bad_signature_is_charged_to_all_who_sent_it() -> None:
    node = scored()
    bad = forged(9, 1)
    (incoming,) = node.publish_from(1, bad)
    assert node.publish_from(2, bad, bad) == []
    fault = fault_of(incoming.message)
    assert fault == reasons.BAD_SIGNATURE
    assert not node.router.verified(incoming, fault, node.now)
    assert charged(node) == [1, 2, 0, 0], "once for each time that it was sent"
    assert node.drain() == []
    assert len(node.publish_from(3, bad)) == 1, "it was not marked as seen"


@pytest.mark.req("GS10-11", "GS11-34")
def test_what_claims_to_be_ours_is_charged() -> None:
    node = scored()
    ours = signed(OWN_NUMBER, 1)
    assert node.publish_from(1, ours) == []
    node.router.publish(ours, node.now)
    node.drain()
    assert node.publish_from(1, ours) == [], "known or not"
    assert node.router.counters == {reasons.SELF_ORIGIN: 2}
    assert charged(node) == [2, 0, 0, 0]
    assert node.drain() == []


@pytest.mark.req("GS11-34")
def test_a_rejected_message_is_charged_to_each_who_sent_it_before_and_for_each_copy_later() -> None:
    node = scored()
    (incoming,) = node.publish_from(1, signed(9, 1))
    node.publish_from(2, signed(9, 1))
    node.router.verified(incoming, None, node.now)
    node.publish_from(2, signed(9, 1))
    node.publish_from(3, signed(9, 1))
    node.router.reject(incoming, node.now)
    assert charged(node) == [1, 1, 1, 0]
    for _ in range(3):
        node.publish_from(4, signed(9, 1))
    assert charged(node) == [1, 1, 1, 3]


@pytest.mark.req("GS11-34", "GS10-26")
@pytest.mark.parametrize("verdict", ["ignore", "throttle"])
def test_other_verdicts_charge_nobody(verdict: str) -> None:
    node = scored()
    node.deliver(1, signed(9, 1), verdict)
    node.publish_from(2, signed(9, 1))
    assert charged(node) == [0] * 4


def test_what_some_could_not_read_is_seen_and_goes_nowhere() -> None:
    node = scored()
    node.receive(2, ihave=[IHave(TOPIC, [id_of(9, 1)])])
    node.drain()
    true = signed(9, 1, TOPIC, bytes(2_000))
    strange = Message(true.data, TOPIC, true.source, true.seqno, true.signature, None, true.encoded, portable=False)
    (incoming,) = node.publish_from(1, strange)
    assert not node.router.verified(incoming, None, node.now)
    node.router.accept(incoming, node.now)
    assert node.drain() == []
    assert node.publish_from(2, strange) == []
    assert node.router.counters == {reasons.IGNORED: 1, reasons.DUPLICATE: 1}
    assert node.router.sizes()["max_checking"][0] == 0
    node.pass_time(5.0)
    assert charged(node) == [0] * 4
    assert node.penalties(2) == 0, "what it promised came"


# -- ids


@pytest.mark.req("GS10-06")
def test_the_default_id_is_author_and_number() -> None:
    (incoming,) = scored().publish_from(1, signed(9, 1))
    assert incoming.id == id_of(9, 1)


@pytest.mark.req("GS10-06")
@pytest.mark.parametrize(
    "bad",
    [
        lambda message: message.data[7:8].index(b"x"),
        lambda _: b"",
        lambda _: None,
        lambda _: "text",
        lambda _: bytes(257),
    ],
)
def test_an_id_that_can_not_be_is_nobodys_fault(bad: object) -> None:
    node = scored(message_id=bad)
    assert node.publish_from(1, signed(9, 1)) == []
    assert node.router.counters == {reasons.BAD_ID: 1}
    assert charged(node) == [0] * 4


@pytest.mark.req("GS10-06")
@pytest.mark.parametrize("preset", [sha256_id, rust_id, data_prefix_id(3)])
def test_other_ids_are_used_throughout(preset: object) -> None:
    assert callable(preset)
    node = scored(message_id=preset)
    message = signed(9, 1)
    node.deliver(1, message)
    node.drain()
    node.receive(2, iwant=[preset(message)], ihave=[IHave(TOPIC, [preset(message)])])
    sent = node.sent_to(2)
    assert sent.publish == [message]
    assert sent.iwant == []


# -- room


@pytest.mark.req("GS10-26")
def test_without_room_a_message_is_dropped_and_may_come_again() -> None:
    node = scored(GossipsubConfig(d=0, d_low=0, d_out=0, max_checking=3))
    node.receive(4, ihave=[IHave(TOPIC, [id_of(9, 4)])])
    first, second, third = node.publish_from(1, *(signed(9, number) for number in (1, 2, 3)))
    assert node.publish_from(4, signed(9, 4)) == []
    assert node.router.counters == {reasons.UNVERIFIED: 1}
    node.pass_time(5.0)
    assert node.penalties(4) == 0, "it kept its promise, and we had no room"
    assert charged(node) == [0] * 4
    assert node.router.verified(first, None, node.now)
    assert node.publish_from(2, signed(9, 4)) == [], "what is validated takes room as well"
    node.router.accept(first, node.now)
    assert node.router.sizes()["max_checking"] == (2, 3)
    node.router.drop(second, node.now)
    node.router.drop(second, node.now)
    assert not node.router.verified(third, reasons.BAD_SIGNATURE, node.now)
    assert node.router.sizes()["max_checking"] == (0, 3)
    again = node.publish_from(2, signed(9, 2), signed(9, 3), signed(9, 4))
    assert len(again) == 3, "none of them was marked as seen"


@pytest.mark.req("GS10-26")
def test_forms_of_one_id_take_room_too() -> None:
    node = scored(GossipsubConfig(d=0, d_low=0, d_out=0, max_checking=10))
    fresh = node.publish_from(1, *(forged(9, 1, data=b"%d" % number) for number in range(50)))
    assert len(fresh) == 10
    assert node.router.sizes()["max_checking"] == (10, 10)
    for incoming in fresh:
        node.router.verified(incoming, reasons.BAD_SIGNATURE, node.now)
    assert node.router.sizes()["max_checking"] == (0, 10)
    assert node.router._relay.checking == {}


@pytest.mark.req("GS11-16", "GS10-26")
def test_dropping_settles_what_was_promised() -> None:
    node = scored()
    node.receive(2, ihave=[IHave(TOPIC, [id_of(9, 1)])])
    (incoming,) = node.publish_from(2, signed(9, 1))
    node.router.drop(incoming, node.now)
    node.pass_time(5.0)
    assert node.penalties(2) == 0


# -- the gater


@pytest.mark.req("GS11-19")
def test_the_gater_learns_of_every_outcome() -> None:
    node = scored(GossipsubConfig(d=0, d_low=0, d_out=0, max_checking=1), gater=GaterConfig())
    gater = node.router._state.gater
    assert gater is not None
    for seqno, verdict in enumerate(["accept", "reject", "ignore", "throttle"]):
        node.deliver(1, signed(9, seqno), verdict)
        if verdict == "accept":
            node.publish_from(1, signed(9, seqno))
    (incoming,) = node.publish_from(1, forged(9, 10))
    node.publish_from(1, signed(9, 11))
    node.router.verified(incoming, reasons.BAD_SIGNATURE, node.now)
    (source,) = gater._sources.values()
    assert (source.delivered, source.rejected, source.ignored, source.duplicate) == (1, 2, 1, 1)
    assert gater._throttled == 2, "by the validators, and for want of room"


@pytest.mark.req("GS11-19", "GS11-16")
def test_a_gated_peer_can_still_control_and_owes_nothing() -> None:
    node = scored(gater=GaterConfig(), direct=[5])
    node.add(5)
    gater = node.router._state.gater
    assert gater is not None
    for number in range(5_000):
        gater.throttled(node.now)
        gater.rejected(peer(1 + number % 4))
        gater.rejected(peer(5))
    node.receive(1, ihave=[IHave(TOPIC, [id_of(9, 1)])])
    assert node.sent_to(1).iwant == [id_of(9, 1)]
    assert node.receive(1, publish=[signed(9, 1)], iwant=[b"x"], ihave=[IHave(TOPIC, [b"other"])]) == []
    assert node.sent_to(1).iwant == [b"other"], "its control part is read"
    assert node.router.counters["gated"] == 1
    assert len(node.publish_from(5, signed(9, 1))) == 1, "direct peers are not gated"
    node.remove(1)
    node.add(1)
    node.pass_time(70.0)
    assert len(node.publish_from(1, signed(9, 2))) == 1, "quiet again"


# -- our own


@pytest.mark.req("GS11-08", "GS11-01", "GS10-27")
@pytest.mark.parametrize("subscribed", [True, False])
def test_own_messages_go_to_all_of_the_topic(subscribed: bool) -> None:
    scores = Scores(publish_threshold=-20.0)
    node = Node(PASSIVE, topics=[TOPIC] if subscribed else [], scores=scores, direct=[1, 9])
    node.add(*range(1, 7))
    node.add(7, protocol=FLOOD)
    node.add(8, 9, topics=["other"])
    scores[1], scores[2], scores[3] = -99.0, -20.1, -20.0
    assert set(node.router.targets(TOPIC)) == {peer(number) for number in (1, 3, 4, 5, 6, 7)}
    told = node.router.publish(signed(OWN_NUMBER, 1), node.now)
    assert set(told) == {peer(number) for number in (1, 3, 4, 5, 6, 7)}
    assert node.receivers(lambda rpc: rpc.publish) == {1, 3, 4, 5, 6, 7}
    assert node.router.fanout() == {}


@pytest.mark.req("GS11-08", "GS10-21")
def test_without_flooding_they_go_to_the_mesh() -> None:
    scores = Scores(publish_threshold=-20.0)
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, flood_publish=False), scores=scores, direct=[1])
    node.add(*range(1, 7))
    node.add(7, 8, protocol=FLOOD)
    node.graft(2, 3)
    scores[1], scores[3], scores[8] = -99.0, -99.0, -21.0
    told = node.router.publish(signed(OWN_NUMBER, 1), node.now)
    assert set(told) == {peer(number) for number in (1, 2, 3, 7)}


@pytest.mark.req("GS10-13", "GS11-16")
def test_what_was_asked_for_and_comes_after_we_left_is_a_promise_kept() -> None:
    node = Node(scores=Scores())
    node.add(1, 2)
    for sender in (1, 2):
        node.receive(sender, ihave=[IHave(TOPIC, [id_of(9, sender)])])
    node.router.leave(TOPIC, node.now)
    assert node.publish_from(1, signed(9, 1)) == []
    assert node.router.counters["wrong-topic"] == 1
    node.beat(5)
    assert [round(node.penalties(sender)) for sender in (1, 2)] == [0, 1]
