from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, Truncated
from p2pstack.wire import protobuf
from p2pstack.wire.fields import BYTES, VARINT, walk
from p2pstack.wire.pb import kad_pb2


def values(data: bytes) -> list[tuple[int, int | bytes]]:
    return [(number, data[start:end] if kind == BYTES else start) for number, kind, start, end in walk(data)]


@pytest.mark.req("GEN-07")
def test_varints_and_bytes_are_yielded_and_fixed_sizes_passed_over() -> None:
    data = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x12\x02hi" + b"\x1d" + bytes(4) + b"\xd2\x29\x00" + b"\x80\x80\x00"
    with pytest.raises(DecodeError):
        values(data)
    assert values(data[:-3]) == [(1, 150), (2, b"hi"), (666, b"")]


@pytest.mark.req("GEN-07")
def test_a_varint_has_64_bits_and_need_not_be_the_shortest() -> None:
    assert values(b"\x08\x80\x00") == [(1, 0)]
    assert values(b"\x08" + b"\xff" * 9 + b"\x01") == [(1, 2**64 - 1)]
    assert values(b"\x08" + b"\xff" * 9 + b"\x7f") == [(1, 2**64 - 1)]
    assert values(b"") == []


@pytest.mark.req("GEN-07")
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x00\x01", DecodeError),  # field 0
        (b"\xf8\xff\xff\xff\x7f\x01", DecodeError),  # a number of more than 29 bits
        (b"\x0b\x0c", DecodeError),  # a group
        (b"\x0c", DecodeError),
        (b"\x0e\x00", DecodeError),
        (b"\x0f\x00", DecodeError),
        (b"\x08" + b"\xff" * 10, DecodeError),
        (b"\x08", Truncated),
        (b"\x08\xff", Truncated),
        (b"\xff", Truncated),
        (b"\x12", Truncated),
        (b"\x12\x02h", Truncated),
        (b"\x0d\x00\x00\x00", Truncated),
        (b"\x09" + bytes(7), Truncated),
    ],
)
def test_what_does_not_parse(data: bytes, kind: type[DecodeError]) -> None:
    with pytest.raises(kind) as caught:
        values(data)
    assert caught.value.requirement == "GEN-07"


@given(st.binary(max_size=40))
def test_whatever_the_runtime_takes_is_walked_over(data: bytes) -> None:
    try:
        fields = values(data)
    except DecodeError:
        return
    # The runtime is stricter than a walk on the top level can be: it looks into fields.
    try:
        message = protobuf.parse(kad_pb2.KadMessage, data)
    except DecodeError:
        return
    keys = [value for number, value in fields if number == 2 and isinstance(value, bytes)]
    assert message.key == (keys[-1] if keys else b"")
    assert VARINT == 0


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=5), st.integers(0, 5))
def test_what_the_runtime_writes_is_walked_over(ids: list[bytes], key: bytes, kind: int) -> None:
    message = kad_pb2.KadMessage(key=key, type=kad_pb2.KadMessage.MessageType.Name(kind))
    for each in ids:
        message.closer_peers.add(id=each)
    fields = values(protobuf.serialize(message))
    assert [number for number, _ in fields] == [1] * (kind > 0) + [2] * bool(key) + [8] * len(ids)
