"""Messages are made, compared and attributed; RPCs know whether they say anything."""

from __future__ import annotations

import pytest

from p2pstack.gossipsub.encoding import encode_message
from p2pstack.gossipsub.values import (
    Extensions,
    IHave,
    Message,
    PeerInfo,
    Prune,
    Rpc,
    Subscription,
    author_of,
)
from p2pstack.identity.keys import KeyType, PrivateKey

KEY = PrivateKey.from_seed(b"\x05" * 32)
SOURCE = KEY.peer_id.to_bytes()


def test_a_message_is_encoded_where_its_encoding_is_not_given() -> None:
    message = Message(b"data", "topic", SOURCE, bytes(8), b"signature", b"key")
    assert message.encoded == encode_message(SOURCE, b"data", bytes(8), "topic", b"signature", b"key")
    assert Message(b"data", "topic", encoded=b"as it came").encoded == b"as it came"


def test_messages_compare_by_their_encoding() -> None:
    one, same, other = Message(b"data", "a"), Message(b"data", "a"), Message(b"data", "b")
    assert one == same != other
    assert len({one, same, other}) == 2
    assert one != "data"
    assert Message(b"data", "a", b"") != one  # an author that is empty is not an absent one


@pytest.mark.parametrize("key_type", KeyType)
def test_the_author_is_the_peer_that_the_source_names(key_type: KeyType) -> None:
    peer_id = PrivateKey.generate(key_type).peer_id
    assert Message(b"", "a", peer_id.to_bytes()).author == peer_id
    assert author_of(peer_id.to_bytes()) is author_of(peer_id.to_bytes())


@pytest.mark.parametrize("source", [None, b"", b"\x00", b"\x12\x20" + bytes(31), SOURCE + b"\x00", bytes(1_000_000)])
def test_a_source_that_is_no_peer_id_has_no_author(source: bytes | None) -> None:
    assert Message(b"", "a", source).author is None


def test_an_rpc_is_empty_until_something_is_in_it() -> None:
    assert Rpc().is_empty
    assert Rpc(has_control=True).is_empty
    for full in (
        Rpc(subscriptions=[Subscription(True, "a")]),
        Rpc(publish=[Message(b"", "a")]),
        Rpc(ihave=[IHave("a", [b"1"])]),
        Rpc(iwant=[b"1"]),
        Rpc(graft=["a"]),
        Rpc(prune=[Prune("a", [PeerInfo(SOURCE)], 60)]),
        Rpc(idontwant=[b"1"]),
        Rpc(extensions=Extensions()),
        Rpc(test_extension=True),
    ):
        assert not full.is_empty


def test_rpcs_compare_by_what_they_say() -> None:
    one, other = Rpc(graft=["a"]), Rpc(graft=["a"], frames=[b"encoded"])
    assert one == other
    assert "frames" not in repr(other)
    assert one != Rpc(graft=["b"])
    assert one.prune is not other.prune
