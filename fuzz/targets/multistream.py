"""multistream-select: whoever speaks at the other end, the outcome is the same in any cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fuzz.checks import check_negotiator, require
from fuzz.source import Source, cut
from p2pstack.errors import NegotiationError
from p2pstack.multistream import Initiator, Lister, MultistreamConfig, Negotiator, Responder

__all__ = ["run_initiator", "run_responder"]

PROTOCOLS = ("/noise", "/yamux/1.0.0", "/ipfs/ping/1.0.0")
_CONFIGS = (
    MultistreamConfig(),
    MultistreamConfig(max_message=64, max_messages=5, max_listed=2, max_listing=128),
)


class _Outcome(NamedTuple):
    said: bytes
    protocol: str | None
    listed: tuple[str, ...] | None
    trailing: bytes
    done: bool
    failure: tuple[type, str] | None


def run_initiator(data: bytes) -> None:
    """An initiator, or one that asks ``ls``, hears ``data``."""
    source = Source(data)
    mode = source.byte()
    config = _CONFIGS[mode & 1]
    if mode & 2:
        _compare(source, lambda: Lister(config=config))
    else:
        _compare(source, lambda: Initiator(PROTOCOLS[: 1 + mode % 3], config=config))


def run_responder(data: bytes) -> None:
    """A responder hears ``data``."""
    source = Source(data)
    config = _CONFIGS[source.byte() & 1]
    _compare(source, lambda: Responder(frozenset(PROTOCOLS).__contains__, lambda: PROTOCOLS, config=config))


def _compare(source: Source, make: Callable[[], Negotiator]) -> None:
    sizes = source.cuts()
    ends = bool(source.byte() & 1)
    body = source.rest()
    whole = _hear(make(), [body] if body else [], ends=ends)
    pieces = _hear(make(), cut(body, sizes), ends=ends)
    require(whole == pieces, f"the outcome depends on the cut: {whole} and {pieces}")
    require(whole.protocol is None or whole.protocol in PROTOCOLS, f"{whole.protocol} was never named")
    require(whole.protocol is None or body.endswith(whole.trailing), "the bytes behind the negotiation are others")


def _hear(machine: Negotiator, pieces: list[bytes], *, ends: bool) -> _Outcome:
    said = list(machine.data_to_send())
    trailing = b""
    failure = None
    try:
        for piece in pieces:
            if machine.done:
                trailing += piece
                continue
            machine.receive_data(piece)
            check_negotiator(machine)
            said += machine.data_to_send()
        if ends:
            machine.receive_eof()
    except NegotiationError as error:
        failure = (type(error), error.requirement)
        require(machine.done, "it failed, and is not over")
    check_negotiator(machine)
    said += machine.data_to_send()
    agreed = machine.protocol is not None
    return _Outcome(
        b"".join(said),
        machine.protocol,
        getattr(machine, "listed", None),
        machine.trailing + trailing if agreed else b"",
        machine.done,
        failure,
    )
