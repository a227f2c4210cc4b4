"""Packets of DNS as mDNS uses them: bytes to values and back, bounded (MDNS-04)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from p2pstack.errors import DecodeError
from p2pstack.mdns.names import Name, NameReader, encode_name

__all__ = ["MAX_PACKET", "Kind", "Packet", "Question", "Record", "decode", "encode", "pointer"]

MAX_PACKET = 9_000
"""Bytes of the largest packet that is read: RFC 6762's limit. Rust writes up to 8,932."""

MAX_QUESTIONS = 64
MAX_RECORDS = 256
"""Of a packet. One that says to have more is dropped before any is read."""

_HEADER = struct.Struct(">6H")
_QUESTION = struct.Struct(">2H")
_RECORD = struct.Struct(">2HIH")

_ANSWER = 0x8400
"""Flags of an answer: it is one, and by who knows."""

_IS_ANSWER = 0x8000
_NOT_PLAIN = 0x780F
"""Flags of operations other than a query, and of errors: such packets mean nothing here (RFC 6762, 18.3, 18.11)."""

_IN = 1
_ANY_CLASS = 255
_TOP = 0x8000
"""Top bit of a class: in a question "answer me alone", in a record "forget what you had" (RFC 6762, 5.4, 10.2)."""


class Kind(IntEnum):
    """Kinds of records that are looked at or written. Others are plain numbers."""

    A = 1
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    ANY = 255


@dataclass(frozen=True, slots=True)
class Question:
    """Who is asked for. Whether the answer may come by unicast is not kept: ours never does (MDNS-06)."""

    name: Name
    kind: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``target`` is a PTR's name, which ``data`` holds encoded; ``ttl`` are seconds, 0 takes it back."""

    name: Name
    kind: int
    ttl: int
    data: bytes
    unique: bool = False
    target: Name | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """A query or an answer. Records of authorities are read over."""

    id: int = 0
    is_answer: bool = False
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


def pointer(name: Name, target: Name, ttl: int) -> Record:
    """Return a PTR record."""
    return Record(name, Kind.PTR, ttl, encode_name(target), target=target)


def encode(packet: Packet) -> bytes:
    """Encode a packet, names without pointers."""
    counts = (len(packet.questions), len(packet.answers), 0, len(packet.additional))
    parts = [_HEADER.pack(packet.id, _ANSWER if packet.is_answer else 0, *counts)]
    parts += [encode_name(each.name) + _QUESTION.pack(each.kind, _IN) for each in packet.questions]
    for record in (*packet.answers, *packet.additional):
        head = _RECORD.pack(record.kind, _IN | (_TOP if record.unique else 0), record.ttl, len(record.data))
        parts += [encode_name(record.name), head, record.data]
    return b"".join(parts)


def decode(data: bytes) -> Packet | None:
    """Read a packet; None for one that is sound and means nothing here: another operation, or an error.

    Questions and records of classes other than IN are left out.

    Raises:
        DecodeError: it is too large, cut off, holds too much, or its names are not sound (MDNS-04).
    """
    if len(data) > MAX_PACKET:
        raise DecodeError(f"a packet of {len(data)} bytes is too large", requirement="MDNS-04")
    number, flags, asked, *counts = _unpack(_HEADER, data, 0)
    if flags & _NOT_PLAIN:
        return None
    if asked > MAX_QUESTIONS or sum(counts) > MAX_RECORDS:
        raise DecodeError(f"a packet of {asked} questions and {sum(counts)} records", requirement="MDNS-04")
    names = NameReader(data)
    questions, offset = _read_questions(data, names, _HEADER.size, asked)
    sections = []
    for count in counts:
        records, offset = _read_records(data, names, offset, count)
        sections.append(tuple(records))
    return Packet(number, bool(flags & _IS_ANSWER), tuple(questions), sections[0], sections[2])


def _unpack(form: struct.Struct, data: bytes, offset: int) -> tuple[int, ...]:
    if offset + form.size > len(data):
        raise DecodeError("a packet is cut off", requirement="MDNS-04")
    return form.unpack_from(data, offset)


def _read_questions(data: bytes, names: NameReader, offset: int, count: int) -> tuple[Sequence[Question], int]:
    found = []
    for _ in range(count):
        name, offset = names.read(offset)
        kind, kind_of_net = _unpack(_QUESTION, data, offset)
        offset += _QUESTION.size
        if kind_of_net & ~_TOP in {_IN, _ANY_CLASS}:
            found.append(Question(name, kind))
    return found, offset


def _read_records(data: bytes, names: NameReader, offset: int, count: int) -> tuple[Sequence[Record], int]:
    found = []
    for _ in range(count):
        name, offset = names.read(offset)
        kind, kind_of_net, ttl, size = _unpack(_RECORD, data, offset)
        offset += _RECORD.size
        end = offset + size
        if end > len(data):
            raise DecodeError("a record is cut off", requirement="MDNS-04")
        if kind_of_net & ~_TOP == _IN:
            target = None
            if kind == Kind.PTR:
                target, behind = names.read(offset)
                if behind != end:
                    raise DecodeError("a PTR record holds more or less than a name", requirement="MDNS-04")
            found.append(Record(name, kind, ttl, data[offset:end], bool(kind_of_net & _TOP), target))
        offset = end
    return found, offset
