"""The messages of circuit relay v2, as bytes and as values (RELAY-01).

On a stream each stands behind its length: ``stream.write_frame(message.encode())``, and
``HopMessage.decode(await stream.read_frame(MAX_MESSAGE))``. Which fields count depends on the kind of message; a peer's
others are skipped without a look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.protocols import MAX_MESSAGE
from p2pstack.relay.status import Status
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.pb import circuit_pb2

__all__ = ["MAX_ADDRESSES", "HopKind", "HopMessage", "Limit", "Peer", "Reservation", "StopKind", "StopMessage"]

MAX_ADDRESSES = 64
"""Addresses of a message that are looked at. 4,096 bytes have room for 85 with a peer id, and for 2,000 bad ones."""


class HopKind(IntEnum):
    """What a message of the hop protocol is."""

    RESERVE = 0
    CONNECT = 1
    STATUS = 2


class StopKind(IntEnum):
    """What a message of the stop protocol is."""

    CONNECT = 0
    STATUS = 1


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a circuit: for the relay its target, for the target who wants to talk to it."""

    id: PeerId
    addresses: tuple[Multiaddr, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """What a relay allows a circuit: ``seconds`` from its start, ``bytes`` each way; 0 is no limit (RELAY-11)."""

    seconds: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A relay's promise to offer the peer circuits, until ``expires`` (Unix time in seconds).

    ``addresses`` are the relay's, with ``/p2p/RELAY``. ``voucher`` is a sealed
    :class:`~p2pstack.relay.voucher.Voucher`, or None (RELAY-08).
    """

    expires: int
    addresses: tuple[Multiaddr, ...] = ()
    voucher: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HopMessage:
    """A message between a peer and a relay.

    RESERVE has no fields; CONNECT has a ``peer``, always, once decoded; STATUS has a ``status`` and perhaps
    ``reservation`` and ``limit``. ``status`` is a bare number where it has no name, and UNUSED where none came.
    """

    kind: HopKind
    peer: Peer | None = None
    reservation: Reservation | None = None
    limit: Limit | None = None
    status: int = Status.UNUSED

    def encode(self) -> bytes:
        """Return the bytes of the message, without its length."""
        message = circuit_pb2.HopMessage(type=self.kind)
        if self.peer is not None:
            message.peer.CopyFrom(_encode_peer(self.peer))
        if self.reservation is not None:
            reservation = self.reservation
            message.reservation.expire = reservation.expires
            message.reservation.addrs.extend(address.to_bytes() for address in reservation.addresses)
            if reservation.voucher is not None:
                message.reservation.voucher = reservation.voucher
        if self.limit is not None:
            message.limit.CopyFrom(_encode_limit(self.limit))
        if self.status:
            message.status = self.status
        return protobuf.serialize(message)

    @classmethod
    def decode(cls, data: Buffer) -> HopMessage:
        """Read a message that fills all of ``data``.

        Raises:
            DecodeError: it is too long, does not parse, is of no known kind, or a CONNECT without a valid peer; a relay
                answers MALFORMED_MESSAGE.
        """
        message = protobuf.parse(circuit_pb2.HopMessage, _bounded(data))
        kind = HopKind(_kind(message, len(HopKind)))
        if kind is HopKind.RESERVE:
            return cls(kind=kind)
        if kind is HopKind.CONNECT:
            return cls(kind=kind, peer=_decode_peer(message))
        return cls(
            kind=kind,
            reservation=_decode_reservation(message.reservation) if message.HasField("reservation") else None,
            limit=_decode_limit(message.limit) if message.HasField("limit") else None,
            status=_decode_status(message.status),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMessage:
    """A message between a relay and the target of a circuit.

    CONNECT has a ``peer``, always, once decoded, and perhaps a ``limit``; STATUS has a ``status``, as in HopMessage.
    """

    kind: StopKind
    peer: Peer | None = None
    limit: Limit | None = None
    status: int = Status.UNUSED

    def encode(self) -> bytes:
        """Return the bytes of the message, without its length."""
        message = circuit_pb2.StopMessage(type=self.kind)
        if self.peer is not None:
            message.peer.CopyFrom(_encode_peer(self.peer))
        if self.limit is not None:
            message.limit.CopyFrom(_encode_limit(self.limit))
        if self.status:
            message.status = self.status
        return protobuf.serialize(message)

    @classmethod
    def decode(cls, data: Buffer) -> StopMessage:
        """Read a message that fills all of ``data``.

        Raises:
            DecodeError: it is too long, does not parse, is of no known kind, or a CONNECT without a valid peer; the
                target answers MALFORMED_MESSAGE.
        """
        message = protobuf.parse(circuit_pb2.StopMessage, _bounded(data))
        kind = StopKind(_kind(message, len(StopKind)))
        if kind is StopKind.CONNECT:
            limit = _decode_limit(message.limit) if message.HasField("limit") else None
            return cls(kind=kind, peer=_decode_peer(message), limit=limit)
        return cls(kind=kind, status=_decode_status(message.status))


def _bounded(data: Buffer) -> Buffer:
    if len(data) > MAX_MESSAGE:
        raise DecodeError(f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE}", requirement="RELAY-01")
    return data


def _kind(message: circuit_pb2.HopMessage | circuit_pb2.StopMessage, kinds: int) -> int:
    """Return the type of a message. One must be there, though it may be 0 (RELAY-02)."""
    if not message.HasField("type"):
        raise DecodeError("a message has no type", requirement="RELAY-02")
    if message.type >= kinds:
        raise DecodeError(f"a message is of the unknown type {message.type}", requirement="RELAY-01")
    return message.type


def _decode_status(number: int) -> int:
    try:
        return Status(number)
    except ValueError:
        return number


def _encode_peer(peer: Peer) -> circuit_pb2.CircuitPeer:
    addresses = [address.to_bytes() for address in peer.addresses]
    return circuit_pb2.CircuitPeer(id=peer.id.to_bytes(), addrs=addresses)


def _decode_peer(message: circuit_pb2.HopMessage | circuit_pb2.StopMessage) -> Peer:
    if not message.HasField("peer"):
        raise DecodeError("a message to connect names no peer", requirement="RELAY-01")
    return Peer(PeerId(message.peer.id), _addresses(message.peer.addrs))


def _decode_reservation(message: circuit_pb2.CircuitReservation) -> Reservation:
    voucher = message.voucher if message.HasField("voucher") else None
    return Reservation(message.expire, _addresses(message.addrs), voucher)


def _addresses(encoded: Iterable[bytes]) -> tuple[Multiaddr, ...]:
    """Return the addresses that parse, of the first 64 (RELAY-13)."""
    addresses = []
    for data, _ in zip(encoded, range(MAX_ADDRESSES), strict=False):
        try:
            addresses.append(parse(data))
        except DecodeError:
            continue
    return tuple(addresses)


def _encode_limit(limit: Limit) -> circuit_pb2.CircuitLimit:
    message = circuit_pb2.CircuitLimit()
    if limit.seconds:
        message.duration = limit.seconds
    if limit.bytes:
        message.data = limit.bytes
    return message


def _decode_limit(message: circuit_pb2.CircuitLimit) -> Limit:
    return Limit(message.duration, message.data)
