from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.kad.contacts import Contact, decode_contact
from p2pstack.kad.keyspace import position
from p2pstack.wire import protobuf
from p2pstack.wire.pb import kad_pb2
from tests.kad.making import address, contact, peer

LIMIT = 16


def entry(number: int, *addresses: bytes) -> bytes:
    return protobuf.serialize(kad_pb2.KadPeer(id=peer(number).to_bytes(), addrs=addresses))


@pytest.mark.req("KAD-01")
def test_a_contact_comes_back_as_it_was_written() -> None:
    one = Contact(peer(1), (address(1), parse("/ip4/127.0.0.1/tcp/4001")))
    assert decode_contact(one.encode(), LIMIT) == one
    assert one.entry == bytes((len(one.encode()),)) + one.encode()
    assert one.position == position(peer(1).to_bytes())


@pytest.mark.req("KAD-13", "KAD-04")
def test_a_p2p_part_is_cut_off_and_one_of_another_peer_skipped() -> None:
    own = with_peer(address(1), peer(1)).to_bytes()
    other = with_peer(address(2), peer(2)).to_bytes()
    bare = parse(f"/p2p/{peer(1)}").to_bytes()
    relayed = parse(f"/ip4/11.1.0.1/tcp/1/p2p/{peer(3)}/p2p-circuit")
    data = entry(1, own, other, bare, with_peer(relayed, peer(1)).to_bytes(), address(1).to_bytes())
    assert decode_contact(data, LIMIT) == Contact(peer(1), (address(1), relayed))


@pytest.mark.req("KAD-04")
def test_an_address_that_does_not_parse_is_skipped_and_the_peer_kept() -> None:
    assert decode_contact(entry(1, b"\xff\xff\x01", b"", address(1).to_bytes()), LIMIT) == contact(1)
    assert decode_contact(entry(1, b"\xff"), LIMIT) == Contact(peer(1))
    assert decode_contact(entry(1), LIMIT) == Contact(peer(1))


@pytest.mark.req("KAD-04")
@pytest.mark.parametrize("data", [b"", b"\x0a\x00", b"\x0a\x03abc"])
def test_a_peer_without_an_id_is_none(data: bytes) -> None:
    assert decode_contact(data, LIMIT) is None


def test_what_is_no_protobuf_is_an_error() -> None:
    with pytest.raises(DecodeError):
        decode_contact(b"\x0a\xff", LIMIT)


@pytest.mark.req("KAD-18")
def test_addresses_are_bounded_whatever_is_sent() -> None:
    many = [address(number).to_bytes() for number in range(2_000)]
    found = decode_contact(entry(1, *many), LIMIT)
    assert found is not None
    assert found.addresses == tuple(address(number) for number in range(LIMIT))
    # Twice as many are looked at, whatever they are.
    found = decode_contact(entry(1, *[b"\xff"] * 2 * LIMIT, address(1).to_bytes()), LIMIT)
    assert found == Contact(peer(1))


def test_further_addresses_come_behind() -> None:
    one = contact(1)
    assert one.with_addresses((address(1),), 5) is one
    assert one.with_addresses((address(2), address(1), address(3)), 2).addresses == (address(1), address(2))
    assert one.with_addresses((address(2),), 1) is one
    assert one.with_addresses((address(2),), 0) is one


def test_contacts_are_equal_when_peer_and_addresses_are() -> None:
    assert contact(1) == contact(1) != Contact(peer(1))
    assert len({contact(1), Contact(peer(1), (address(1),)), contact(2)}) == 2
    assert contact(1) != "a contact"
    assert "11.1.0.1" in repr(contact(1))
    assert "no address" in repr(Contact(peer(1)))
