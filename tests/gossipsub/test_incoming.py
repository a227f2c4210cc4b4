from __future__ import annotations

from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.values import Message
from tests.gossipsub.network import TOPIC, id_of, peer, signed


def test_it_shows_what_was_published() -> None:
    incoming = Incoming(signed(2, 7), id_of(2, 7), peer(1), 5.0)
    assert (incoming.data, incoming.topic, incoming.author) == (b"data", TOPIC, peer(2))
    assert (incoming.seqno, incoming.peer, incoming.received_at) == (bytes((0, 0, 0, 0, 0, 0, 0, 7)), peer(1), 5.0)
    assert repr(incoming) == f"<Incoming {id_of(2, 7).hex()[:16]} in 't', 4 bytes, from {peer(1)}>"


def test_what_is_missing_is_none() -> None:
    incoming = Incoming(Message(b"", TOPIC), b"id", peer(1), 0.0)
    assert incoming.author is None
    assert incoming.seqno is None


def test_the_same_message_twice_is_two_things() -> None:
    one, other = (Incoming(signed(2, 7), id_of(2, 7), peer(1), 5.0) for _ in range(2))
    assert one != other
