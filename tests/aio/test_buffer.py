from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.aio.buffer import ReceiveBuffer, buffer_for

ROOM = 65_536
"""Every read is offered at least this much: a whole Noise frame."""


class Reader:
    """An owner of the buffer, as a connection is one: it takes whole messages of ``size`` bytes, and keeps the rest."""

    def __init__(self, buffer: ReceiveBuffer, size: int = 4) -> None:
        self.rest = b""
        self.buffer = buffer
        self.size = size
        self.taken = b""

    def receive(self, data: bytes) -> None:
        view = self.buffer.lend(self)
        assert len(view) >= ROOM
        view[: len(data)] = data
        self.buffer.end += len(data)
        whole = (self.buffer.end - self.buffer.start) // self.size * self.size
        self.taken += bytes(self.buffer.view[self.buffer.start : self.buffer.start + whole])
        self.buffer.start += whole


def test_an_owner_reads_behind_its_unfinished_frame() -> None:
    buffer = ReceiveBuffer()
    reader = Reader(buffer)
    for piece in (b"ab", b"cde", b"f", b"gh"):
        reader.receive(piece)
    assert reader.taken == b"abcdefgh"
    assert buffer.start == buffer.end
    reader.receive(b"ijkl")
    assert buffer.start == 4, "an empty buffer is used from its beginning again"


def test_unfinished_frames_are_kept_for_each_of_several_owners() -> None:
    buffer = ReceiveBuffer()
    one, two, three = (Reader(buffer) for _ in range(3))
    for reader, piece in ((one, b"123"), (two, b"ab"), (one, b"45"), (three, b"x"), (two, b"cdef"), (one, b"678")):
        reader.receive(piece)
    assert (one.taken, two.taken, three.taken) == (b"12345678", b"abcd", b"")
    assert (two.rest, three.rest) == (b"ef", b"x")
    assert buffer.owner is one


def test_the_buffer_is_moved_down_when_its_room_gets_small() -> None:
    buffer = ReceiveBuffer(3 * ROOM)
    reader = Reader(buffer, size=ROOM)
    data = bytes(range(256)) * (ROOM // 256)
    reader.receive(data[:100])
    for _ in range(12):
        reader.receive(data[100:] + data[:100])
        assert buffer.end - buffer.start == 100
    assert reader.taken == data * 12


def test_release_forgets_the_owner_that_has_ended_and_no_other() -> None:
    buffer = ReceiveBuffer()
    one, two = Reader(buffer), Reader(buffer)
    one.receive(b"abc")
    buffer.release(two)
    assert buffer.owner is one
    buffer.release(one)
    assert buffer.owner is None
    two.receive(b"wxyz")
    assert two.taken == b"wxyz"
    assert one.rest == b"", "nothing is saved for an owner that has ended"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=9)), max_size=40),
    st.lists(st.integers(1, 7), min_size=3, max_size=3),
)
def test_each_owner_sees_its_own_bytes_in_order(reads: list[tuple[int, bytes]], sizes: list[int]) -> None:
    buffer = ReceiveBuffer(ROOM + 1_024 + 16)
    readers = [Reader(buffer, size) for size in sizes]
    sent = [b"", b"", b""]
    for number, data in reads:
        readers[number].receive(data)
        sent[number] += data
    for reader, data in zip(readers, sent, strict=True):
        assert reader.taken == data[: len(data) // reader.size * reader.size]


async def test_a_loop_that_reads_when_it_is_ready_shares_one_buffer() -> None:
    shared = ReceiveBuffer()
    assert buffer_for(asyncio.get_running_loop(), shared) is shared


def test_a_loop_that_holds_a_buffer_while_it_waits_gets_one_a_connection() -> None:
    shared = ReceiveBuffer()
    proactor: asyncio.AbstractEventLoop = SimpleNamespace(_proactor=object())  # type: ignore[assignment]
    own = buffer_for(proactor, shared)
    assert own is not shared
    assert buffer_for(proactor, shared) is not own
    assert len(own.view) >= ROOM


@pytest.mark.parametrize("size", [1, ROOM - 1])
def test_no_byte_is_lost_when_owners_change_at_any_fill(size: int) -> None:
    buffer = ReceiveBuffer()
    one, two = Reader(buffer, size=ROOM), Reader(buffer, size=ROOM)
    data = (b"0123456789abcdef" * 4_096)[:ROOM]
    one.receive(data[:size])
    two.receive(data[::-1][:size])
    one.receive(data[size:])
    two.receive(data[::-1][size:])
    assert one.taken == data
    assert two.taken == data[::-1]
