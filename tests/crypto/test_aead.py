"""ChaCha20-Poly1305 against RFC 8439 and the Noise frames of go's library."""

from __future__ import annotations

import pytest

from p2pstack.crypto.aead import KEY_SIZE, NONCE_SIZE, TAG_SIZE, InvalidTag, aead
from tests.vectors import load


def test_rfc_8439_example() -> None:
    plaintext = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    data = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = aead(key).encrypt(nonce, plaintext, data)
    assert sealed[-TAG_SIZE:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert aead(key).decrypt(nonce, sealed, data) == plaintext
    assert (len(key), len(nonce)) == (KEY_SIZE, NONCE_SIZE)


@pytest.mark.req("NOISE-09")
@pytest.mark.parametrize("name", ["with_stream_muxers", "without_extensions"])
def test_transport_frames_of_go(name: str) -> None:
    vectors = load("noise")[name]
    keys = {
        "initiator": vectors["key_initiator_to_responder"],
        "responder": vectors["key_responder_to_initiator"],
    }
    counters = dict.fromkeys(keys, 0)
    for frame in vectors["transport"]:
        sender = frame["from"]
        cipher = aead(bytes.fromhex(keys[sender]))
        nonce = bytes(4) + counters[sender].to_bytes(8, "little")
        counters[sender] += 1
        body = bytes.fromhex(frame["frame"])[2:]
        assert cipher.decrypt(nonce, body, None).hex() == frame["plaintext"]
        assert cipher.encrypt(nonce, bytes.fromhex(frame["plaintext"]), None) == body
    assert min(counters.values()) > 0


@pytest.mark.parametrize("place", [0, 4, -1])
def test_a_changed_bit_is_found(place: int) -> None:
    cipher = aead(bytes(KEY_SIZE))
    sealed = bytearray(cipher.encrypt(bytes(NONCE_SIZE), b"plain", b""))
    sealed[place] ^= 1
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(NONCE_SIZE), bytes(sealed), b"")
