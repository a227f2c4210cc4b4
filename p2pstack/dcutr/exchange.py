"""The messages of one punch in their order, seen from either side (DCUTR-03).

::

    B (was dialled through the relay)          A (dialled)
    CONNECT, B's addresses          ───────►
                                    ◄───────   CONNECT, A's addresses
    SYNC                            ───────►   dials at once
    waits half a round trip, dials

So both dial at about the same time, and each packet finds the hole that the other one's has made. Payloads come and go
without the length in front of them; the caller reads the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from p2pstack.dcutr.messages import HolePunch, Kind
from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.wire import Buffer

__all__ = ["Answerer", "Choose", "Opener"]

Choose = Callable[[Sequence[bytes]], list[Multiaddr]]
"""Picks what is dialled from the addresses that a peer sends."""


class Opener:
    """B's side of one punch: it opens the stream, and says when."""

    __slots__ = ("_choose", "_own", "_sent_at")

    def __init__(self, own: Sequence[Multiaddr], choose: Choose) -> None:
        self._own = own
        self._choose = choose
        self._sent_at = 0.0

    def connect(self, now: float) -> bytes:
        """Return the CONNECT to send at ``now``."""
        self._sent_at = now
        return _connect(self._own)

    def receive(self, payload: Buffer, now: float) -> tuple[bytes, list[Multiaddr], float]:
        """Take the answer; return the SYNC to send at ``now``, whom to dial, and the seconds to wait before.

        Raises:
            ProtocolViolation: it is no CONNECT, or has no address that can be dialled.
        """
        addresses = _addresses(payload, self._choose)
        return HolePunch(Kind.SYNC).encode(), addresses, (now - self._sent_at) / 2


class Answerer:
    """A's side of one punch: it answers, and dials when it is told to."""

    __slots__ = ("_choose", "_own", "addresses")

    def __init__(self, own: Sequence[Multiaddr], choose: Choose) -> None:
        self._own = own
        self._choose = choose
        self.addresses: list[Multiaddr] = []
        """Whom to dial, once the SYNC has come."""

    def receive_connect(self, payload: Buffer) -> bytes:
        """Take the first message; return the CONNECT to send.

        Raises:
            ProtocolViolation: it is no CONNECT, or has no address that can be dialled.
        """
        self.addresses = _addresses(payload, self._choose)
        return _connect(self._own)

    def receive_sync(self, payload: Buffer) -> None:
        """Take the second message: it is time to dial.

        Raises:
            ProtocolViolation: it is no SYNC.
        """
        _expect(payload, Kind.SYNC)


def _connect(own: Sequence[Multiaddr]) -> bytes:
    return HolePunch(Kind.CONNECT, tuple(address.to_bytes() for address in own)).encode()


def _addresses(payload: Buffer, choose: Choose) -> list[Multiaddr]:
    """Return what is dialled of the addresses in a CONNECT; there has to be one."""
    addresses = choose(_expect(payload, Kind.CONNECT).addresses)
    if not addresses:
        raise ProtocolViolation("dcutr", "no address in the CONNECT can be dialled", requirement="DCUTR-05")
    return addresses


def _expect(payload: Buffer, kind: Kind) -> HolePunch:
    """Read a message that has to be of one kind."""
    try:
        message = HolePunch.decode(payload)
    except DecodeError as error:
        raise ProtocolViolation("dcutr", str(error), requirement=error.requirement) from error
    if message.kind is not kind:
        text = f"a {message.kind.name} came where a {kind.name} is due"
        raise ProtocolViolation("dcutr", text, requirement="DCUTR-03")
    return message
