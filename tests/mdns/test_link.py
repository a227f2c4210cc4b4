"""When it is asked and answered."""

from __future__ import annotations

import itertools

import pytest

from p2pstack.mdns.advert import query
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.link import Link
from p2pstack.mdns.names import META
from p2pstack.mdns.packet import Kind, Packet, Question, decode, pointer
from tests.mdns.lan import P2P, advert

T = 1_000.0
ASKING = Packet(4711, questions=(Question(P2P, Kind.PTR),))


def make(chance: float = 0.0, *, config: MdnsConfig | None = None, advertise: bool = True) -> Link:
    link = Link(P2P, config or MdnsConfig(), lambda: chance, T)
    if advertise:
        assert link.advertise(advert(), T) == []
    return link


def until(link: Link, end: float) -> list[tuple[float, Packet]]:
    """Everything that is sent before ``end``, and when."""
    sent = []
    while (now := link.next_timeout()) < end:
        for data in link.handle_timeout(now):
            packet = decode(data)
            assert packet is not None
            sent.append((now - T, packet))
    return sent


def answers(sent: list[tuple[float, Packet]]) -> list[tuple[float, int]]:
    return [(when, packet.id) for when, packet in sent if packet.is_answer]


def queries(sent: list[tuple[float, Packet]]) -> list[float]:
    return [when for when, packet in sent if not packet.is_answer]


@pytest.mark.req("MDNS-03")
def test_it_is_asked_at_once_then_less_and_less_often() -> None:
    link = make(advertise=False)
    assert queries(until(link, T + 300)) == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_a_quarter_of_the_time_is_chance() -> None:
    link = make(chance=0.5, advertise=False)
    assert queries(until(link, T + 5)) == [0, 1.125, 3.375]


def test_what_is_to_be_said_is_said_twice() -> None:
    link = make()
    assert answers(until(link, T + 100)) == [(0, 0), (1, 0)]


@pytest.mark.req("MDNS-06", "MDNS-09")
@pytest.mark.parametrize(("chance", "after"), [(0.0, 0.02), (0.5, 0.07), (0.999, 0.12)])
def test_a_question_is_answered_a_little_later(chance: float, after: float) -> None:
    link = make(chance)
    until(link, T + 10)
    link.receive_query(ASKING, T + 10)
    ((when, number),) = answers(until(link, T + 11.9))
    assert when == pytest.approx(10 + after, abs=0.001)
    assert number == 4711


@pytest.mark.req("MDNS-09")
def test_a_thousand_questions_have_an_answer_a_second() -> None:
    link = make()
    until(link, T + 10)
    sent = []
    for number in range(1_000):
        now = T + 10 + number / 100
        sent += until(link, now)
        link.receive_query(Packet(number + 1, questions=ASKING.questions), now)
    times = [when for when, _ in answers(sent)]
    assert 9 <= len(times) <= 10
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(times))


@pytest.mark.req("MDNS-02")
def test_our_own_question_is_answered_too() -> None:
    link = make(0.5)
    until(link, T + 1.2)
    question = decode(link.handle_timeout(link.next_timeout())[0])
    assert question is not None
    link.receive_query(question, T + 3.4)
    assert [number for _, number in answers(until(link, T + 4))] == [question.id]
    assert queries(until(link, T + 7.9)) == [7.875]


def test_questions_of_others_are_not_ours_to_answer() -> None:
    link = make()
    until(link, T + 10)
    link.receive_query(Packet(1, questions=(Question((b"_http", b"_tcp", b"local"), Kind.PTR),)), T + 10)
    assert answers(until(link, T + 14)) == []
    link.receive_query(Packet(2, questions=(Question(META, Kind.PTR),)), T + 14)
    ((_, packet),) = [each for each in until(link, T + 14.9) if each[1].is_answer]
    assert packet.answers == (pointer(META, P2P, 360),)


def test_a_question_of_others_stands_for_ours_but_not_for_ever() -> None:
    link = make(advertise=False)
    link.receive_answer()
    link.receive_query(ASKING, T)
    assert queries(until(link, T + 2)) == [0, 1]
    link.receive_query(ASKING, T + 2)
    assert queries(until(link, T + 6.1)) == [6]
    link.receive_query(ASKING, T + 7)
    assert queries(until(link, T + 14.1)) == [14], "nobody has answered the one before"
    for second in range(15, 1_000, 7):
        assert queries(until(link, T + second)) == ([914] if second == 918 else [])
        link.receive_answer()
        link.receive_query(ASKING, T + second)


def test_without_an_address_nothing_is_said() -> None:
    link = make(advertise=False)
    link.receive_query(ASKING, T)
    assert answers(until(link, T + 10)) == []
    assert link.goodbye() == []


@pytest.mark.req("MDNS-07")
def test_what_is_no_longer_so_is_taken_back() -> None:
    link = make()
    until(link, T + 10)
    assert link.advertise(advert(), T + 10) == []
    assert answers(until(link, T + 20)) == []
    assert link.advertise(advert("/ip4/192.168.1.7/tcp/4002"), T + 20) == []
    assert len(answers(until(link, T + 30))) == 2
    (data,) = link.advertise(None, T + 30)
    goodbye = decode(data)
    assert goodbye is not None
    assert goodbye.answers[0].ttl == 0
    assert answers(until(link, T + 40)) == []


def test_an_announcement_has_no_number_unless_somebody_asks_meanwhile() -> None:
    link = make()
    until(link, T + 0.5)
    link.receive_query(ASKING, T + 0.6)
    link.receive_query(Packet(9, questions=ASKING.questions), T + 0.7)
    assert answers(until(link, T + 10)) == [(1, 4711)]


@pytest.mark.req("MDNS-11")
def test_packets_beyond_the_rate_are_not_read() -> None:
    link = make(config=MdnsConfig(packet_burst=10, packet_rate=2.0))
    assert [link.admit(130, T) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [link.admit(512, T + 1) for _ in range(3)] == [True, True, False]
    assert [link.admit(0, T + 99) for _ in range(11)] == [True] * 10 + [False]
    assert link.dropped == 4


@pytest.mark.req("MDNS-11")
def test_large_packets_count_as_several() -> None:
    link = make(config=MdnsConfig(packet_burst=10, packet_rate=2.0))
    assert [link.admit(1_025, T) for _ in range(5)] == [True] * 4 + [False]
    assert not link.admit(100, T + 1), "the last one took more than there was"
    assert link.admit(9_000, T + 2), "and what is left is enough for any size"
    assert [link.admit(100, T + second) for second in (3, 10, 12)] == [False, False, True]


def test_the_questions_number_is_never_zero() -> None:
    for chance in (0.0, 0.999999):
        packet = decode(make(chance).handle_timeout(T)[0])
        assert packet is not None
        assert 1 <= packet.id <= 0xFFFF
    assert query(P2P, 0xFFFF)[:2] == b"\xff\xff"
