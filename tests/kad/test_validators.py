from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.kad.validators import PublicKeyValidator, Validators, namespace_of, public_key_key
from tests.vectors import load

KEY = PrivateKey.from_seed(b"\x03" * 32)
OTHER = PrivateKey.from_seed(b"\x04" * 32)


class Longest:
    """Anything but ``bad``; the longest is best."""

    def validate(self, key: bytes, value: bytes) -> None:
        if value == b"bad":
            raise DecodeError("bad", requirement="KAD-14")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        return max(range(len(values)), key=lambda number: len(values[number]))


@pytest.mark.req("KAD-14")
@pytest.mark.parametrize("key", [b"", b"abc", b"/", b"/abc", b"/abc/", b"//abc", b"abc/def/g"])
def test_a_key_without_a_namespace_is_refused(key: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        Validators({"abc": Longest()}).validate(key, b"value")
    assert caught.value.requirement == "KAD-14"


def test_namespaces() -> None:
    assert namespace_of(b"/pk/x") == b"pk"
    assert namespace_of(b"/a/b/c//d") == b"a"
    assert namespace_of(b"/\xff/\x00") == b"\xff"


@pytest.mark.req("KAD-14", "KAD-05")
def test_what_has_no_validator_is_refused() -> None:
    validators = Validators()
    for call in (lambda: validators.validate(b"/abc/x", b"value"), lambda: validators.select(b"/abc/x", [b"value"])):
        with pytest.raises(DecodeError, match="no validator"):
            call()
    assert list(validators.by_namespace) == [b"pk"]


def test_validators_are_asked_by_namespace() -> None:
    validators = Validators({"abc": Longest()})
    validators.validate(b"/abc/x", b"good")
    with pytest.raises(DecodeError, match="bad"):
        validators.validate(b"/abc/x", b"bad")
    assert validators.select(b"/abc/x", [b"a", b"abc", b"ab"]) == 1


@pytest.mark.parametrize("name", ["", "a/b", "/"])
def test_what_can_not_be_a_namespace(name: str) -> None:
    with pytest.raises(ConfigError):
        Validators({name: Longest()})


@pytest.mark.req("KAD-14")
def test_a_public_key_stands_under_its_own_id() -> None:
    validators = Validators()
    key = public_key_key(KEY.peer_id)
    value = KEY.public_key.to_protobuf()
    validators.validate(key, value)
    assert validators.select(key, [value, value]) == 0
    frame = next(case["request"] for case in load("kad")["answers"] if case["note"] == "PUT_VALUE /pk/")
    assert (key + b"\x12" + bytes((len(value),)) + value).hex() in frame


@pytest.mark.req("KAD-14")
def test_a_long_public_key_stands_under_its_hash() -> None:
    ecdsa = PrivateKey.generate(KeyType.ECDSA)
    Validators().validate(public_key_key(ecdsa.peer_id), ecdsa.public_key.to_protobuf())


@pytest.mark.req("KAD-14")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (public_key_key(KEY.peer_id), OTHER.public_key.to_protobuf()),
        (public_key_key(KEY.peer_id), KEY.public_key.to_protobuf()[:-1]),
        (public_key_key(KEY.peer_id), b""),
        (public_key_key(KEY.peer_id) + b"x", KEY.public_key.to_protobuf()),
        (b"/pk/x", KEY.public_key.to_protobuf()),
    ],
)
def test_another_public_key_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(DecodeError):
        Validators().validate(key, value)


@given(st.binary(), st.binary())
def test_whatever_comes_is_valid_or_an_error(rest: bytes, value: bytes) -> None:
    with pytest.raises(DecodeError):
        PublicKeyValidator().validate(b"/pk/" + rest, value)
