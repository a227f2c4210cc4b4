"""Both sides of multistream-select."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.errors import NegotiationError
from p2pstack.multistream import Initiator, MultistreamConfig, Negotiator, Responder

PROTOCOLS = ("/echo/1.0.0", "/a", "/" + "long" * 50)
CONFIG = MultistreamConfig(max_messages=20)
_MESSAGE_OUT = 1_026
"""Bytes of the largest message."""


def initiator(data: bytes) -> None:
    """It agrees on what it proposed, or fails."""
    lazy = Source(data).byte() % 2 == 1
    protocols = PROTOCOLS[:1] if lazy else PROTOCOLS

    def make() -> Negotiator:
        return Initiator(protocols, lazy=lazy, config=CONFIG)

    agreed = _compare(make, segments(data[1:]))
    assert agreed is None or agreed in protocols


def responder(data: bytes) -> None:
    """It agrees on what it serves, or fails."""

    def make() -> Negotiator:
        return Responder(PROTOCOLS.__contains__, lambda: PROTOCOLS, config=CONFIG)

    agreed = _compare(make, segments(data))
    assert agreed is None or agreed in PROTOCOLS


def _compare(make: Callable[[], Negotiator], pieces: list[bytes]) -> str | None:
    """Cuts change neither the outcome nor what is said nor what is left over."""
    cut, whole = _play(make(), pieces), _play(make(), [b"".join(pieces)])
    assert cut == whole
    return cut[0]


def _play(machine: Negotiator, pieces: list[bytes]) -> tuple[str | None, str, bytes, bytes]:
    said = b"".join(machine.data_to_send())
    rest = b""
    failure = ""
    for piece in pieces:
        if machine.done:
            rest += piece
            continue
        error = caught(NegotiationError, machine.receive_data, piece)
        if error is not None:
            assert error.requirement
            failure = type(error).__name__ + error.requirement
            break
        said += b"".join(machine.data_to_send())
    assert len(said) <= _MESSAGE_OUT * (CONFIG.max_messages + 1)
    assert len(machine._buffer) <= CONFIG.max_message + 2  # noqa: SLF001 - what it holds is the point
    if failure:
        assert machine.protocol is None
        return None, failure, b"", b""
    error = caught(NegotiationError, machine.receive_eof)
    assert error is None or error.requirement == "MSS-13"
    return machine.protocol, "", said, machine.trailing + rest
