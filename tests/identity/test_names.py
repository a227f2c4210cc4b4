"""Keys from names: the rule of old Shinkai nodes, byte for byte, and the one with a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.identity.keys import KeyType
from p2pstack.identity.names import MIN_SECRET, key_from_node_name, key_from_secret
from tests.vectors import load

SECRET = bytes(range(MIN_SECRET))


@pytest.mark.req("PEERID-12")
@pytest.mark.parametrize("case", load("shinkai_names")["vectors"], ids=lambda case: case["name"] or "empty")
def test_keys_of_shinkai_nodes(case: dict[str, str]) -> None:
    key = key_from_node_name(case["name"])
    assert key.type is KeyType.ED25519
    assert key.to_protobuf()[4:36].hex() == case["seed_hex"]
    assert key.public_key.data.hex() == case["ed25519_public_hex"]
    assert key.public_key.to_protobuf().hex() == case["public_key_protobuf_hex"]
    assert key.peer_id.to_bytes().hex() == case["peer_id_bytes_hex"]
    assert str(key.peer_id) == case["peer_id"]


def test_the_name_is_taken_as_it_is() -> None:
    assert key_from_node_name("@@Alice.shinkai").peer_id != key_from_node_name("@@alice.shinkai").peer_id


def test_the_warning_is_loud() -> None:
    assert "THIS KEY IS NOT SECRET" in (key_from_node_name.__doc__ or "")


@given(st.binary(min_size=MIN_SECRET, max_size=64), st.text(max_size=40))
def test_a_secret_and_a_name_always_give_the_same_key(secret: bytes, name: str) -> None:
    key = key_from_secret(secret, name)
    assert key.peer_id == key_from_secret(secret, name).peer_id
    assert key.peer_id != key_from_secret(secret, name + "x").peer_id
    assert key.peer_id != key_from_secret(secret + b"x", name).peer_id
    assert key.peer_id != key_from_node_name(name).peer_id


def test_the_derivation_stays_as_it_is() -> None:
    # A change would give every node that uses it another identity.
    key = key_from_secret(SECRET, "@@alice.shinkai")
    assert str(key.peer_id) == "12D3KooWGNG1nMnfq1ugfBMqQxUu2fbJngGW6WB9n4KsMLLcG4j8"


@pytest.mark.parametrize("size", [0, 16, MIN_SECRET - 1])
def test_a_short_secret_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"{size} bytes is too short"):
        key_from_secret(bytes(size), "@@alice.shinkai")
