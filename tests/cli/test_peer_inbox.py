from __future__ import annotations

import json

import pytest

from p2pstack import PrivateKey
from p2pstack.cli import peer_inbox
from p2pstack.cli.peer_inbox import HEADER, Inbox, counters, emit_message, receive
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.values import Message
from p2pstack.host.host import BaseHost
from p2pstack.services.gossipsub.service import Gossipsub

NOW = 1_800_000_000_000_000_000
US = 1_000
KEY = PrivateKey.from_seed(b"\x01" * 32)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time at which messages come, in ns; the test sets it."""
    now = [NOW]
    monkeypatch.setattr(peer_inbox, "time_ns", lambda: now[0])
    return now


def message(number: int, sent: int, size: int = 20) -> bytes:
    return HEADER.pack(number, sent) + bytes(size - HEADER.size)


def test_nothing_has_come() -> None:
    inbox = Inbox()
    assert inbox.summary() == {"received": 0, "received_bytes": 0}
    assert len(inbox) == 0


def test_latencies_and_losses_are_worked_out_at_the_end(clock: list[int]) -> None:
    inbox = Inbox()
    for number in range(101):
        clock[0] = NOW + number * 10_000_000
        inbox.add(message(number * 2, clock[0] - (number + 1) * US))
    inbox.add(message(0, clock[0] - 500 * US))
    summary = inbox.summary()
    assert (summary["received"], summary["received_bytes"]) == (102, 102 * 20)
    assert (summary["distinct"], summary["max_seq"]) == (101, 200)
    # 1 to 101 µs and 500 µs, in order; number 51 and number 100 of the 102, counted from 0
    assert (summary["latency_us_p50"], summary["latency_us_p99"]) == (52.0, 101.0)
    assert summary["latency_us_max"] == 500.0
    assert summary["receive_span_seconds"] == 1.0
    assert summary["receive_rate"] == 101.0


def test_what_has_no_time_of_now_has_no_latency(clock: list[int]) -> None:
    inbox = Inbox()
    for data in (b"", b"15 bytes, no 16", message(1, 0), message(1, NOW + 1), message(1, NOW - 3_600_000_000_000)):
        inbox.add(data)
    assert inbox.summary() == {"received": 5, "received_bytes": 15 + 3 * 20}
    inbox.add(message(9, NOW))
    assert inbox.summary()["latency_us_max"] == 0.0
    assert inbox.summary()["distinct"] == 1


def test_it_is_full_with_the_message_that_was_expected() -> None:
    inbox = Inbox(2)
    inbox.add(b"1")
    assert not inbox.full.is_set()
    inbox.add(b"2")
    assert inbox.full.is_set()


def test_a_message_as_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    author = PrivateKey.from_seed(b"\x02" * 32).peer_id
    emit_message(Incoming(Message(b"hi", "news", author.to_bytes()), b"id", KEY.peer_id, 0.0))
    emit_message(Incoming(Message(bytes(257), "news"), b"id", KEY.peer_id, 0.0))
    short, long = map(json.loads, capsys.readouterr().out.splitlines())
    assert short == {
        "event": "message", "topic": "news", "from": str(author), "via": str(KEY.peer_id), "len": 2,
        "sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4", "data_b64": "aGk=",
    }  # fmt: skip
    assert (long["from"], long["len"]) == ("", 257)
    assert "data_b64" not in long


async def test_own_messages_are_left_out() -> None:
    async with BaseHost(KEY) as host, Gossipsub(host) as pubsub:
        inbox = Inbox()
        subscription = pubsub.subscribe("news")
        await pubsub.publish("news", b"own", peers=0)
        subscription.put(Incoming(Message(b"other", "news"), b"id", PrivateKey.generate().peer_id, 0.0))
        subscription.close()
        await receive(subscription, host.peer_id, inbox, quiet=True)
        assert inbox.summary() == {"received": 1, "received_bytes": 5}


async def test_counters_have_the_names_of_the_other_peers() -> None:
    pubsub = Gossipsub(BaseHost(KEY))
    pubsub.counters.update({"queue-full": 1, "throttled": 2, "unverified": 3, "bad-signature": 4, "rejected": 5})
    pubsub.counters.update({"duplicate": 6, "ignored": 7, "wrong-topic": 0})
    found = counters(pubsub, lost=8)
    reasons = found.pop("reasons")
    assert found == {
        "outbound_dropped": 1, "validation_dropped": 5, "rejected": 9, "undeliverable": 8, "duplicates": 6,
    }  # fmt: skip
    assert reasons == {
        "queue-full": 1, "throttled": 2, "unverified": 3, "bad-signature": 4, "rejected": 5, "duplicate": 6,
        "ignored": 7,
    }  # fmt: skip
