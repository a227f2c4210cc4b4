"""What we say, as go and rust take it."""

from __future__ import annotations

import pytest

from p2pstack.mdns.advert import MAX_SENT, Advert, Wanted, asks_for_peers, peer_name, query
from p2pstack.mdns.names import META, encode_name
from p2pstack.mdns.packet import Kind, Packet, Question, decode, pointer
from p2pstack.mdns.sightings import Sighting, sightings
from tests.mdns.lan import P2P, PACKETS, addresses, advert, peer_of

LONG = "/dns4/" + ".".join(["a" * 60] * 4) + "/tcp/4001"
HERE = ("/ip4/192.168.1.7/tcp/4001", "/ip6/2001:db8::7/tcp/4001", "/ip4/192.168.1.8/tcp/4002")


def answered(wanted: Wanted, said: Advert | None = None, *, leaving: bool = False) -> Packet:
    packet = decode((said or advert(*HERE)).answer(wanted, 77, leaving=leaving))
    assert packet is not None
    return packet


def asked(*questions: Question, known: int | None = None) -> Wanted:
    said = advert(*HERE)
    answers = () if known is None else (pointer(P2P, said.instance, known),)
    return said.wanted(Packet(5, questions=questions, answers=answers))


@pytest.mark.req("MDNS-01")
def test_an_answer_has_everything_in_its_place() -> None:
    said = advert(*HERE)
    packet = answered(Wanted.PEERS)
    assert (packet.id, packet.is_answer, packet.questions) == (77, True, ())
    (answer,) = packet.answers
    assert (answer.name, answer.kind, answer.target) == (P2P, Kind.PTR, (said.name, *P2P))
    assert [each.kind for each in packet.additional] == [Kind.SRV, Kind.TXT, Kind.A, Kind.AAAA]
    machine, text, first, second = packet.additional
    assert machine.name == text.name == said.instance
    assert machine.data == b"\x00\x00\x00\x00\x0f\xa1" + encode_name((said.name, b"local"))
    assert first.name == second.name == said.target
    assert (first.data, len(second.data)) == (bytes((192, 168, 1, 7)), 16)
    assert {each.ttl for each in (*packet.answers, *packet.additional)} == {360}
    assert [each.unique for each in (*packet.answers, *packet.additional)] == [False, True, True, True, True]


def test_what_we_say_is_what_we_hear() -> None:
    said = advert(*HERE)
    (found,) = sightings(answered(Wanted.PEERS), P2P)
    assert found == Sighting(said.peer, addresses(*(f"{each}/p2p/{said.peer}" for each in HERE)), 360)


@pytest.mark.req("MDNS-02")
def test_the_name_is_random_and_in_lower_case() -> None:
    names = {peer_name(bytes([number]) * 60) for number in range(36)}
    assert len(names) == 36
    for name in names:
        assert len(name) == 40
        assert name.decode().isalnum()
        assert name == name.lower()


@pytest.mark.req("MDNS-01")
def test_the_question() -> None:
    number = int.from_bytes(PACKETS["go: query"][:2], "big")
    assert query(P2P, number) == PACKETS["go: query"]


@pytest.mark.req("MDNS-03")
def test_what_may_be_asked() -> None:
    said = advert(*HERE)
    assert asked(Question(P2P, Kind.PTR)) == Wanted.PEERS
    assert asked(Question(P2P, Kind.ANY)) == Wanted.PEERS
    assert asked(Question(P2P, Kind.TXT)) == Wanted.NOTHING
    assert asked(Question(META, Kind.PTR)) == Wanted.SERVICES
    assert asked(Question(said.instance, Kind.TXT), Question(said.target, Kind.AAAA)) == Wanted.INSTANCE | Wanted.HOST
    assert asked(Question((b"other", *P2P), Kind.SRV)) == Wanted.NOTHING


@pytest.mark.req("MDNS-03")
def test_each_is_answered_with_what_was_asked_for() -> None:
    said = advert(*HERE)
    services = answered(Wanted.SERVICES)
    assert [(each.name, each.target) for each in services.answers] == [(META, P2P)]
    assert services.additional == ()
    instance = answered(Wanted.INSTANCE)
    assert [each.kind for each in instance.answers] == [Kind.SRV, Kind.TXT]
    assert [each.kind for each in instance.additional] == [Kind.A, Kind.AAAA]
    host = answered(Wanted.HOST | Wanted.SERVICES)
    assert [(each.name, each.kind) for each in host.answers[1:]] == [(said.target, Kind.A), (said.target, Kind.AAAA)]
    everything = answered(Wanted.PEERS | Wanted.SERVICES | Wanted.INSTANCE | Wanted.HOST)
    assert [each.name for each in everything.answers] == [META, P2P]
    assert len(everything.additional) == 4


@pytest.mark.req("MDNS-09")
def test_who_knows_us_gets_no_answer() -> None:
    assert asked(Question(P2P, Kind.PTR), known=180) == Wanted.NOTHING
    assert asked(Question(P2P, Kind.PTR), known=179) == Wanted.PEERS
    assert asked(Question(P2P, Kind.PTR), Question(META, Kind.PTR), known=360) == Wanted.SERVICES


def test_a_question_that_stands_for_ours() -> None:
    assert asks_for_peers(Packet(questions=(Question(META, Kind.PTR), Question(P2P, Kind.PTR))), P2P)
    assert not asks_for_peers(Packet(questions=(Question(META, Kind.PTR),)), P2P)
    known = (pointer(P2P, (b"a", *P2P), 100),)
    assert not asks_for_peers(Packet(questions=(Question(P2P, Kind.PTR),), answers=known), P2P)


@pytest.mark.req("MDNS-03")
def test_what_does_not_fit_is_left_out() -> None:
    many = [f"/ip4/192.168.1.7/tcp/{port}" for port in range(20_000, 20_040)]
    packet = advert(LONG, *many).answer(Wanted.PEERS, 0)
    assert 1_300 < len(packet) <= MAX_SENT
    decoded = decode(packet)
    assert decoded is not None
    (found,) = sightings(decoded, P2P)
    assert 9 <= len(found.addresses) < 40
    assert found.addresses == addresses(*(f"{each}/p2p/{peer_of(1)}" for each in many[: len(found.addresses)]))


def test_a_text_without_strings_is_one_empty_string() -> None:
    packet = answered(Wanted.INSTANCE, advert(LONG))
    assert packet.answers[1].data == b"\x00"
    assert packet.additional == ()


@pytest.mark.req("MDNS-07")
def test_a_goodbye_takes_everything_back() -> None:
    packet = answered(Wanted.PEERS, leaving=True)
    assert {each.ttl for each in (*packet.answers, *packet.additional)} == {0}
    assert sightings(packet, P2P)[0].ttl == 0
