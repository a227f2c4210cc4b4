"""Helpers that drive negotiators with bytes in any cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import strategies as st

from p2pstack.multistream import Negotiator

cuts = st.lists(st.integers(1, 24), min_size=1, max_size=40)
"""Sizes of segments; the last one is used for all that is left."""


def segments(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut ``data`` into segments of the given sizes; what is left over is the last one."""
    for size in sizes:
        if data:
            yield data[:size]
            data = data[size:]
    if data:
        yield data


def feed(machine: Negotiator, data: bytes, sizes: Iterable[int] = ()) -> bytes:
    """Feed all of ``data`` and return what follows the negotiation: what the machine kept, and what it never got."""
    rest = b""
    for segment in segments(data, sizes):
        if machine.done:
            rest += segment
        else:
            machine.receive_data(segment)
    return machine.trailing + rest


def sent(machine: Negotiator) -> bytes:
    return b"".join(machine.data_to_send())


def converse(a: Negotiator, b: Negotiator, sizes: Iterable[int] = (), rounds: int = 400) -> None:
    """Carry bytes between two machines until both are done or silent; the cuts hold for each direction and round."""
    sizes = tuple(sizes)
    for _ in range(rounds):
        to_b, to_a = sent(a), sent(b)
        if not to_a and not to_b:
            return
        for machine, data in ((b, to_b), (a, to_a)):
            assert feed(machine, data, sizes) == b"" or machine.done
    raise AssertionError("the conversation does not end")
