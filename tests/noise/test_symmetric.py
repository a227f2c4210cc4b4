from __future__ import annotations

import hashlib
import hmac

import pytest

from p2pstack.crypto.aead import InvalidTag
from p2pstack.noise.symmetric import INITIAL_HASH, PROTOCOL_NAME, SymmetricState, pack_nonce


@pytest.mark.req("NOISE-01")
def test_it_begins_with_the_name_and_the_empty_prologue() -> None:
    assert PROTOCOL_NAME == b"Noise_XX_25519_ChaChaPoly_SHA256"
    assert len(PROTOCOL_NAME) == 32
    state = SymmetricState()
    assert state.chaining_key == PROTOCOL_NAME
    assert state.hash == INITIAL_HASH == hashlib.sha256(PROTOCOL_NAME + b"").digest()
    assert state.hash.hex().startswith("f3d15e61")
    assert state.key is None


@pytest.mark.req("NOISE-09")
def test_nonces_are_four_zero_bytes_and_a_little_endian_counter() -> None:
    assert pack_nonce(0) == bytes(12)
    assert pack_nonce(0x0102) == bytes(4) + b"\x02\x01" + bytes(6)
    assert pack_nonce(2**64 - 2) == bytes(4) + b"\xfe" + b"\xff" * 7


@pytest.mark.req("NOISE-09", "NOISE-22")
def test_two_sides_stay_in_step_and_hash_what_they_see() -> None:
    a, b = SymmetricState(), SymmetricState()
    for state in (a, b):
        state.mix_hash(b"seen")
        state.mix_key(b"secret")
    first, second = a.encrypt_and_hash(b"one"), a.encrypt_and_hash(b"")
    assert (len(first), len(second)) == (19, 16)
    assert b.decrypt_and_hash(first) == b"one"
    assert b.decrypt_and_hash(second) == b""
    assert (a.hash, a.key, a.nonce, a.split()) == (b.hash, b.key, 2, b.split())
    a.mix_key(b"another")
    assert a.nonce == 0


@pytest.mark.req("NOISE-09")
@pytest.mark.parametrize("spoil", ["hash", "key", "bytes"])
def test_a_failed_decryption_changes_nothing(spoil: str) -> None:
    a, b = SymmetricState(), SymmetricState()
    a.mix_key(b"secret")
    b.mix_key(b"other" if spoil == "key" else b"secret")
    if spoil == "hash":
        b.mix_hash(b"x")
    sealed = a.encrypt_and_hash(b"text")
    before = (b.hash, b.nonce, b.chaining_key)
    with pytest.raises(InvalidTag):
        b.decrypt_and_hash(sealed + b"x" if spoil == "bytes" else sealed)
    assert (b.hash, b.nonce, b.chaining_key) == before


@pytest.mark.req("NOISE-22")
def test_keys_come_from_an_hmac_chain_with_the_chaining_key_as_salt() -> None:
    def mac(key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha256")

    state = SymmetricState()
    state.mix_key(b"secret")
    temporary = mac(PROTOCOL_NAME, b"secret")
    first = mac(temporary, b"\x01")
    assert state.chaining_key == first
    assert state.key == mac(temporary, first + b"\x02")
    temporary = mac(first, b"")
    to_responder = mac(temporary, b"\x01")
    assert state.split() == (to_responder, mac(temporary, to_responder + b"\x02"))
