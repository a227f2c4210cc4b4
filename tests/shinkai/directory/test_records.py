"""What a directory knows of a node."""

from __future__ import annotations

import pytest

from p2pstack.shinkai.directory.errors import InvalidIdentity
from p2pstack.shinkai.directory.records import MAX_ADDRESS, MAX_ADDRESSES, read_record
from p2pstack.shinkai.names import ShinkaiName
from tests.shinkai.directory.people import ALICE, BOB, record

NAME = ShinkaiName.parse("@@alice.shinkai/main")
KEY = "60045bdb15c24b161625cf05558078208698272bfe113f792ea740dbd79f4708"


@pytest.mark.req("SHK-61")
@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (["http://localhost:8080"], "127.0.0.1:8080"),
        (["https://localhost"], "localhost:443"),
        (["http://example.com"], "example.com:80"),
        (["https://example.com"], "example.com:443"),
        (["example.com:1234"], "example.com:1234"),
        (["example.com"], "example.com:9552"),
        (["https://example.com/by/node"], "example.com:443"),
        (["", "10.0.0.1:1"], "10.0.0.1:1"),
        (["[::1]"], "[::1]:9552"),
        (["http://[::1]:80"], "[::1]:80"),
        ([], "127.0.0.1:9550"),
        ([""], "127.0.0.1:9550"),
    ],
)
def test_the_first_address(addresses: list[str], found: str) -> None:
    assert str(record("alice", 0, *addresses).first_address) == found


@pytest.mark.req("SHK-61")
@pytest.mark.parametrize("address", ["::1", "a:b", "a:99999", "http://", "a b"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InvalidIdentity, match="no host and port"):
        _ = record("alice", 0, address).first_address


@pytest.mark.req("SHK-61")
@pytest.mark.parametrize(
    ("addresses", "proxy"),
    [
        (["relay.sep-shinkai"], "@@relay.sep-shinkai"),
        (["10.0.0.1:1", "@@relay.shinkai:9552"], "@@relay.shinkai"),
        (["@@re-lay.shinkai", "@@other.sepolia-shinkai"], "@@other.sepolia-shinkai"),
        (["10.0.0.1:1"], None),
        ([], None),
    ],
)
def test_an_address_that_is_a_name_is_the_proxy(addresses: list[str], proxy: str | None) -> None:
    found = record("alice", 0, *addresses).proxy
    assert (None if found is None else str(found)) == proxy


@pytest.mark.req("SHK-07", "SHK-60")
def test_a_record_is_of_the_node_whatever_was_asked_for() -> None:
    found = read_record(NAME, KEY.upper(), ALICE.signature_key.data.hex(), routing=False, addresses=["127.0.0.1:9552"])
    assert found == ALICE
    assert found.peer_id == ALICE.signature_key.peer_id != BOB.peer_id


@pytest.mark.req("SHK-60")
@pytest.mark.parametrize(
    "values",
    [
        ("60", KEY, False, []),
        (KEY, "", False, []),
        (None, KEY, False, []),
        (KEY, 7, False, []),
        (KEY, KEY, "false", []),
        (KEY, KEY, False, "127.0.0.1"),
        (KEY, KEY, False, None),
        (KEY, KEY, False, [1]),
        (KEY, KEY, False, ["x" * (MAX_ADDRESS + 1)]),
        (KEY, KEY, False, ["x"] * (MAX_ADDRESSES + 1)),
    ],
)
def test_what_can_not_be_used_is_told_with_its_name(values: tuple[object, object, object, object]) -> None:
    with pytest.raises(InvalidIdentity, match=r"^@@alice\.shinkai: "):
        read_record(NAME, *values)
