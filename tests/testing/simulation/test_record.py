from __future__ import annotations

from p2pstack.gossipsub.values import IHave, Message, Prune, Rpc, Subscription
from p2pstack.testing.simulation.record import Record

HELLO = Message(b"hello", "topic")


def test_a_trace_tells_when_and_over_how_many_hops() -> None:
    record = Record()
    trace = record.published(b"hello", "topic", 0, [1, 2, 3], 10.0)
    record.copy(HELLO)
    record.delivered(HELLO, 2, 0, 10.5)
    record.copy(HELLO)
    record.delivered(HELLO, 1, 2, 11.0)
    record.copy(HELLO)
    assert {address: (each.seconds, each.hops) for address, each in trace.arrivals.items()} == {
        2: (0.5, 1),
        1: (1.0, 2),
    }
    assert (trace.copies, trace.repeated, trace.delivered) == (3, 0, 2)
    assert trace.ratio == 2 / 3
    assert trace.seconds == [0.5, 1.0]


def test_only_those_who_were_subscribed_count() -> None:
    trace = Record().published(b"hello", "topic", 0, [], 0.0)
    assert trace.ratio == 1.0
    record = Record()
    trace = record.published(b"hello", "topic", 0, [1], 0.0)
    record.delivered(HELLO, 5, 0, 1.0)  # it came later
    assert (trace.delivered, trace.ratio, trace.seconds) == (0, 0.0, [])
    assert 5 in trace.arrivals


def test_a_second_delivery_is_told_and_changes_nothing() -> None:
    record = Record()
    trace = record.published(b"hello", "topic", 0, [1], 0.0)
    record.delivered(HELLO, 1, 0, 1.0)
    record.delivered(HELLO, 1, 0, 2.0)
    assert (trace.repeated, trace.seconds) == (1, [1.0])


def test_what_nobody_published_is_passed_over() -> None:
    record = Record()
    record.copy(HELLO)
    record.delivered(HELLO, 1, 0, 1.0)
    assert record.traces == {}


def test_rpcs_are_counted_by_what_stands_in_them() -> None:
    record = Record()
    record.rpc(Rpc(publish=[HELLO, HELLO], subscriptions=[Subscription(True, "topic")]))
    record.rpc(
        Rpc(
            ihave=[IHave("topic", [b"1", b"2"]), IHave("other", [b"3"])],
            iwant=[b"1"],
            graft=["topic"],
            prune=[Prune("topic"), Prune("other")],
            idontwant=[b"1", b"2"],
            has_control=True,
        )
    )
    record.rpc(Rpc(has_control=True))
    assert record.sent == {
        "rpcs": 3, "messages": 2, "subscriptions": 1, "ihave": 3, "iwant": 1, "graft": 1, "prune": 2, "idontwant": 2,
    }  # fmt: skip
