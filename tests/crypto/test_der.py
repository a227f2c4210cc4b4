"""DER keys are read in their one canonical form, and an error never shows a private key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import der
from p2pstack.errors import DecodeError
from tests.vectors import load

PRIVATE = ec.derive_private_key(12345, ec.SECP256R1())
PRIVATE_DATA = der.private_data(PRIVATE)
PUBLIC_DATA = der.public_data(PRIVATE.public_key())


def test_what_is_written_is_read() -> None:
    assert der.public_data(der.load_public(PUBLIC_DATA, 91, "PEERID-07")) == PUBLIC_DATA
    assert der.private_data(der.load_private(PRIVATE_DATA, 121, "PEERID-07")) == PRIVATE_DATA


@pytest.mark.req("PEERID-07")
def test_the_key_of_the_specification() -> None:
    pair = next(pair for pair in load("keys")["spec_pairs"] if pair["type"] == "ecdsa")
    private = bytes.fromhex(pair["private_protobuf"])[4:]
    assert private.hex().startswith("30770201010420")
    assert der.public_data(der.load_private(private, 256, "PEERID-07").public_key()).hex() == pair["public_data"]


@given(st.integers(0, len(PUBLIC_DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_no_second_form_of_a_key(place: int, change: int) -> None:
    changed = bytearray(PUBLIC_DATA)
    changed[place] ^= change
    try:
        key = der.load_public(bytes(changed), 256, "PEERID-07")
    except DecodeError:
        return
    assert der.public_data(key) == bytes(changed) != PUBLIC_DATA


@given(st.binary(max_size=100))
def test_garbage_is_refused(data: bytes) -> None:
    for load_key in (der.load_public, der.load_private):
        with pytest.raises(DecodeError) as caught:
            load_key(data, 256, "PEERID-05")
        assert caught.value.requirement == "PEERID-05"


@pytest.mark.req("GEN-02")
def test_a_key_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(DecodeError, match="91 bytes is longer than 90"):
        der.load_public(PUBLIC_DATA, 90, "PEERID-07")
    with pytest.raises(DecodeError, match="121 bytes is longer than 120"):
        der.load_private(PRIVATE_DATA, 120, "PEERID-07")


def test_other_encodings_of_a_key_are_refused() -> None:
    compressed = PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    # SubjectPublicKeyInfo around the compressed point: 26 bytes shorter in the bit string, 32 in the whole.
    header = bytearray(PUBLIC_DATA[:26])
    header[1] -= 32
    header[24] -= 32
    with pytest.raises(DecodeError, match="canonical"):
        der.load_public(bytes(header) + compressed, 256, "PEERID-07")
    pkcs8 = PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(DecodeError, match="canonical"):
        der.load_private(pkcs8, 256, "PEERID-07")


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1]], ids=["longer", "shorter"])
def test_bytes_behind_or_missing_are_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(DecodeError):
        der.load_public(change(PUBLIC_DATA), 256, "PEERID-07")
    with pytest.raises(DecodeError):
        der.load_private(change(PRIVATE_DATA), 256, "PEERID-07")


def test_encrypted_and_unsupported_private_keys_are_refused() -> None:
    encrypted = PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    other = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    pkcs8 = other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for data in (encrypted, pkcs8):
        with pytest.raises(DecodeError):
            der.load_private(data, 1000, "PEERID-07")


def test_the_error_of_a_private_key_has_no_cause_to_show() -> None:
    with pytest.raises(DecodeError) as caught:
        der.load_private(PRIVATE_DATA[:-1], 256, "PEERID-07")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
