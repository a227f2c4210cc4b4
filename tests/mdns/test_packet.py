"""Packets: go's and rust's, ours back and forth, and what is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.mdns.names import META
from p2pstack.mdns.packet import MAX_PACKET, Kind, Packet, Question, Record, decode, encode, pointer
from tests.mdns.lan import P2P, PACKETS, SHAPES

HEAD = bytes.fromhex("000084000000")
SOUND = Packet(7, True, (Question(P2P, Kind.PTR),), (pointer(P2P, META, 9),), (Record(META, Kind.TXT, 0, b"x", True),))


def test_a_packet_comes_back() -> None:
    assert decode(encode(SOUND)) == SOUND
    assert decode(encode(Packet())) == Packet()


def test_records_of_authorities_are_read_over() -> None:
    probe = decode(PACKETS["go: probe for its own name"])
    assert probe is not None
    assert not probe.is_answer
    assert [question.kind for question in probe.questions] == [Kind.PTR]
    assert (probe.answers, probe.additional) == ((), ())


@pytest.mark.req("MDNS-01")
@pytest.mark.parametrize("who", ["go", "rust"])
def test_the_question_of_others_is_ours(who: str) -> None:
    packet = decode(PACKETS[f"{who}: query"])
    assert packet is not None
    assert packet == Packet(packet.id, questions=(Question(P2P, Kind.PTR),))
    assert encode(packet) == PACKETS[f"{who}: query"]


def test_the_sections_of_gos_answer() -> None:
    packet = decode(PACKETS["go: answer to a query"])
    assert packet is not None
    assert packet.id == 0x82EE
    assert [record.kind for record in packet.answers] == [Kind.PTR]
    assert [record.kind for record in packet.additional] == [Kind.SRV, Kind.TXT, Kind.A]
    assert packet.answers[0].target == packet.additional[0].name


@pytest.mark.req("MDNS-04")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 11,
        bytes(MAX_PACKET + 1),
        bytes.fromhex("0000840000410000 00000000"),
        bytes.fromhex("0000840000000100 00010000"),
        bytes.fromhex("0000840000000000 00000101"),
        bytes.fromhex("000084000001000000000000"),
        bytes.fromhex("000084000001000000000000 00 000c"),
        HEAD + bytes.fromhex("000100000000 00 000c0001 00000000"),
        HEAD + bytes.fromhex("000100000000 00 000c0001 00000000 0002 00"),
        HEAD + bytes.fromhex("000100000000 00 000c0001 00000000 0002 0000"),
        HEAD + bytes.fromhex("000100000000 00 000c0001 00000000 0002 c017"),
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert caught.value.requirement == "MDNS-04"


@pytest.mark.req("MDNS-04")
def test_packets_cut_off_anywhere_are_dropped() -> None:
    for whole in (*PACKETS.values(), *SHAPES.values(), encode(SOUND)):
        for size in range(len(whole)):
            with pytest.raises(DecodeError):
                decode(whole[:size])


@pytest.mark.parametrize("flags", ["2800", "8403", "0001"])
def test_other_operations_and_errors_mean_nothing(flags: str) -> None:
    assert decode(bytes.fromhex(f"0000{flags}0000000000000000")) is None


@pytest.mark.req("MDNS-05")
def test_the_top_bit_of_a_class_is_no_part_of_it() -> None:
    question = bytes.fromhex("00000000000200000000 0000 00 000c 8001 00 000c 0003")
    packet = decode(question)
    assert packet is not None
    assert packet.questions == (Question((), Kind.PTR),)
    record = HEAD + bytes.fromhex("000200000000 00 0010 8001 00000001 0000 00 0010 0003 00000001 0000")
    packet = decode(record)
    assert packet is not None
    assert packet.answers == (Record((), Kind.TXT, 1, b"", unique=True),)


@given(st.binary(max_size=200))
def test_anything_is_a_packet_or_is_dropped(data: bytes) -> None:
    try:
        packet = decode(HEAD[:4] + data)
    except DecodeError:
        return
    assert packet is not None
    again = decode(encode(packet))
    assert again is not None
    assert [each.name for each in again.answers] == [each.name for each in packet.answers]
