"""ECDSA over the NIST curves."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import ed25519 as foreign
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import der, ecdsa
from p2pstack.errors import DecodeError
from tests.vectors import load

KEY = ec.derive_private_key(99, ec.SECP256R1())


@pytest.mark.req("PEERID-07")
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_each_curve_of_go(curve: ec.EllipticCurve) -> None:
    data = der.private_data(ec.derive_private_key(7, curve))
    private = ecdsa.load_private(data)
    assert ecdsa.private_data(private) == data
    public = ecdsa.load_public(ecdsa.public_data(private))
    signature = ecdsa.sign(private, b"message")
    assert ecdsa.verify(public, b"message", signature)
    assert not ecdsa.verify(public, b"another", signature)


@given(st.binary(max_size=80))
def test_verify_takes_any_bytes(signature: bytes) -> None:
    assert ecdsa.verify(KEY.public_key(), b"message", signature) is False


def test_generated_keys_are_new_and_on_p256() -> None:
    first, second = ecdsa.generate(), ecdsa.generate()
    assert first != second
    assert ecdsa.load_private(first).curve.name == "secp256r1"


@pytest.mark.req("PEERID-07")
def test_other_curves_and_kinds_are_refused() -> None:
    other_curve = ec.derive_private_key(7, ec.SECP256K1())
    pair = next(pair for pair in load("keys")["spec_pairs"] if pair["type"] == "rsa")
    with pytest.raises(DecodeError, match="not on a NIST curve"):
        ecdsa.load_private(der.private_data(other_curve))
    with pytest.raises(DecodeError, match="not on a NIST curve"):
        ecdsa.load_public(der.public_data(other_curve.public_key()))
    with pytest.raises(DecodeError, match="not on a NIST curve"):
        ecdsa.load_public(der.public_data(foreign.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()))
    with pytest.raises(DecodeError, match="longer than 256"):
        ecdsa.load_public(bytes.fromhex(pair["public_data"]))
    small = rsa.generate_private_key(public_exponent=3, key_size=1024)
    with pytest.raises(DecodeError, match="longer than 256"):
        ecdsa.load_private(der.private_data(small))
    with pytest.raises(DecodeError, match="not on a NIST curve"):
        ecdsa.load_public(der.public_data(small.public_key()))
