from __future__ import annotations

import pytest

from p2pstack.crypto import x25519
from p2pstack.crypto.x25519 import LowOrderPoint
from p2pstack.errors import LocalError
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import NoiseIdentity, RemoteIdentity
from tests.noise.pairs import ALICE, BOB
from tests.vectors import load

KEY = PrivateKey.from_seed(b"\x01" * 32)


@pytest.mark.req("NOISE-08")
def test_the_static_key_is_fresh_each_time_and_not_made_of_the_identity_key() -> None:
    first, second = NoiseIdentity(KEY), NoiseIdentity(KEY)
    assert first.static_public != second.static_public
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return b"\x11" * size

    host = NoiseIdentity(KEY, entropy=entropy)
    assert asked == [32]
    assert host.static_public == x25519.public_key(b"\x11" * 32)
    assert host.peer_id == KEY.public_key.peer_id


@pytest.mark.req("NOISE-08")
def test_nothing_that_is_printed_shows_the_static_key() -> None:
    host = NoiseIdentity(KEY, static_private=b"\x5a" * 32)
    assert "5a5a" not in repr(host).lower()
    assert "zzzz" not in repr(host).lower()


@pytest.mark.req("NOISE-05", "NOISE-06")
def test_the_payload_is_signed_once_and_is_the_recorded_one() -> None:
    vectors = load("noise")
    for section, muxers in (("with_stream_muxers", ["/yamux/1.0.0"]), ("without_extensions", [])):
        host = NoiseIdentity(PrivateKey.from_seed(b"\x01" * 32), muxers, b"\x11" * 32)
        assert host.payload.hex() == vectors[section]["payload_3"]
        assert host.static_public.hex() == vectors[section]["static_public_initiator"]
        assert host.muxers == tuple(muxers)


@pytest.mark.req("NOISE-11")
def test_an_exchange_agrees_on_both_sides_and_refuses_low_order() -> None:
    assert ALICE.exchange(BOB.static_public) == BOB.exchange(ALICE.static_public)
    with pytest.raises(LowOrderPoint):
        ALICE.exchange(bytes(32))


@pytest.mark.req("NOISE-17")
def test_more_muxers_than_a_peer_reads_are_refused() -> None:
    assert len(NoiseIdentity(KEY, [f"/m/{n}" for n in range(100)]).muxers) == 100
    with pytest.raises(LocalError, match="101 muxers"):
        NoiseIdentity(KEY, [f"/m/{n}" for n in range(101)])
    with pytest.raises(LocalError, match="65439 are possible"):
        NoiseIdentity(KEY, ["/" + "x" * 65_400])


def test_a_remote_identity_can_not_be_changed() -> None:
    remote = RemoteIdentity(
        public_key=KEY.public_key, peer_id=KEY.public_key.peer_id, static_key=bytes(32), muxers=None
    )
    with pytest.raises(AttributeError):
        remote.muxers = ("/x",)  # type: ignore[misc]
