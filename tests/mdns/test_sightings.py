"""What go's and rust's answers say, and what made-up ones do not."""

from __future__ import annotations

import pytest

from p2pstack.mdns.names import META, service_name
from p2pstack.mdns.packet import Kind, Packet, Record, decode, pointer
from p2pstack.mdns.sightings import MAX_STRINGS, Sighting, sightings
from tests.mdns.lan import P2P, PACKETS, SHAPES, peer_of, texts

NAME = (b"name", *P2P)
GOOD = f"dnsaddr=/ip4/192.168.1.7/tcp/4001/p2p/{peer_of(1)}".encode()


def seen(data: bytes) -> list[Sighting]:
    packet = decode(data)
    assert packet is not None
    return sightings(packet, P2P)


def text(*strings: bytes, name: tuple[bytes, ...] = NAME, ttl: int = 120) -> Record:
    return Record(name, Kind.TXT, ttl, b"".join(bytes((len(each),)) + each for each in strings))


def said(*records: Record) -> list[Sighting]:
    return sightings(Packet(is_answer=True, additional=records), P2P)


@pytest.mark.req("MDNS-05")
@pytest.mark.parametrize(
    ("note", "port", "ttl"),
    [
        ("go: answer to a query", 42002, 3200),
        ("go: announcement", 42002, 3200),
        ("rust: answer to a query", 42001, 360),
        ("go: goodbye, TTL 0", 42003, 0),
    ],
)
def test_what_go_and_rust_say(note: str, port: int, ttl: int) -> None:
    (found,) = seen(PACKETS[note])
    assert texts(found.addresses) == [f"/ip4/127.0.0.1/tcp/{port}/p2p/{found.peer}"]
    assert found.ttl == ttl


@pytest.mark.req("MDNS-04", "MDNS-05")
@pytest.mark.parametrize(
    ("note", "peers", "count"),
    [
        ("PTR answer, TXT additional, nothing else", 1, 1),
        ("PTR answer; TXT, SRV, A additional", 1, 1),
        ("PTR, TXT, SRV, A all answers", 1, 1),
        ("as the second, one TXT with a string foo=bar, a good dnsaddr and a dnsaddr without /p2p", 1, 1),
        ("as the second, with two TXT records", 1, 2),
        ("as the second, one TXT with addresses of two peers", 2, 2),
    ],
)
def test_what_made_up_answers_say(note: str, peers: int, count: int) -> None:
    found = seen(SHAPES[note])
    assert len(found) == peers
    assert sum(len(each.addresses) for each in found) == count


@pytest.mark.req("MDNS-04")
@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"dnsaddr",
        b"dnsaddr=",
        b"addr=/ip4/192.168.1.7/tcp/4001",
        b"dnsaddr=/ip4/192.168.1.7/tcp/4001",
        b"dnsaddr=/ip4/192.168.1.7/tcp/4001/p2p/12D3nobody",
        b"dnsaddr=/ip4/\xff/tcp/4001",
    ],
)
def test_a_bad_address_is_left_out_alone(bad: bytes) -> None:
    (found,) = said(text(bad, GOOD, bad))
    assert len(found.addresses) == 1


@pytest.mark.req("MDNS-04")
def test_texts_of_other_services_are_nothing() -> None:
    assert said(text(GOOD, name=(b"name", *service_name("_p2p-aa._udp.local")))) == []
    assert said(text(GOOD, name=META)) == []
    assert said(pointer(META, (b"bare",), 9), text(GOOD, name=(b"bare",))) == []
    assert len(said(pointer(P2P, (b"bare",), 9), text(GOOD, name=(b"bare",)))) == 1


@pytest.mark.req("MDNS-07")
def test_the_shortest_time_counts() -> None:
    assert said(text(GOOD, ttl=9))[0].ttl == 9
    assert said(text(GOOD, ttl=9), text(GOOD, ttl=5))[0].ttl == 5
    assert said(pointer(P2P, NAME, 0), text(GOOD, ttl=9))[0].ttl == 0


@pytest.mark.req("MDNS-11")
def test_a_packet_with_thousands_of_addresses() -> None:
    many = [f"dnsaddr=/ip4/10.0.0.1/tcp/{port}/p2p/{peer_of(1)}".encode() for port in range(1, 500)]
    (found,) = said(text(*many), text(*many))
    assert len(found.addresses) == MAX_STRINGS


def test_a_string_that_is_cut_off_ends_the_record() -> None:
    whole = text(GOOD, GOOD[:-1])
    cut = Record(whole.name, whole.kind, whole.ttl, whole.data[:-5])
    assert len(said(cut)[0].addresses) == 1
    assert said(Record(NAME, Kind.TXT, 1, b"\x05abc")) == []
