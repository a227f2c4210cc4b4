"""The messages of circuit relay v2, as a relay, its clients and the targets of circuits read them."""

from __future__ import annotations

from functools import partial

from fuzz.expect import caught
from fuzz.source import segments
from p2pstack.errors import DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.circuits import split_circuit
from p2pstack.identity.keys import PrivateKey
from p2pstack.relay.grant import check_reservation
from p2pstack.relay.messages import MAX_ADDRESSES, HopKind, HopMessage, StopKind, StopMessage
from p2pstack.relay.offer import ADDRESS_ROOM, offered_addresses
from p2pstack.relay.protocols import MAX_MESSAGE
from p2pstack.relay.status import describe
from p2pstack.relay.voucher import open_voucher
from p2pstack.wire.framing import FrameReader

_RELAY, _PEER = (PrivateKey.from_seed(bytes((number,)) * 32).peer_id for number in (3, 2))


_open_voucher = partial(open_voucher, relay=_RELAY, peer=_PEER, now_unix=0.0)


def _messages(data: bytes) -> list[bytes]:
    """The messages on a stream, up to the first that has a bad length."""
    reader = FrameReader(MAX_MESSAGE)
    found: list[bytes] = []
    for piece in segments(data):
        error = caught(DecodeError, lambda data: found.extend(reader.receive_data(data)), piece)
        if error is not None:
            assert error.requirement
            break
        assert reader.buffered <= MAX_MESSAGE + 2
    return found


def hop(data: bytes) -> None:
    """What a relay or its client reads is bounded and survives being written again, or is refused by a rule."""
    for encoded in _messages(data):
        error = caught(DecodeError, HopMessage.decode, encoded)
        if error is not None:
            assert error.requirement
            continue
        message = HopMessage.decode(encoded)
        assert HopMessage.decode(message.encode()) == message
        assert (message.peer is not None) == (message.kind is HopKind.CONNECT)
        assert describe(message.status)
        reservation = message.reservation
        addresses = message.peer.addresses if message.peer is not None else ()
        if reservation is not None:
            addresses += reservation.addresses
            offered = offered_addresses(addresses, _RELAY)
            assert sum(len(address.to_bytes()) for address in offered) <= ADDRESS_ROOM
            assert all(multiaddrs.peer_id_of(address) == _RELAY for address in offered)
            error = caught(DecodeError, _open_voucher, reservation.voucher or b"")
            assert error is None or error.requirement
            _grant(message)
        assert len(addresses) <= MAX_ADDRESSES
        assert all(multiaddrs.parse(address.to_bytes()) == address for address in addresses)


def _grant(message: HopMessage) -> None:
    """What a client takes of a reservation is bounded and leads through the relay, or is refused by a rule."""
    check = partial(check_reservation, message.reservation, message.limit, relay=_RELAY, peer=_PEER, now_unix=0.0)
    bounded = partial(check, reached=(), min_lifetime=1.0, max_addresses=8)
    error = caught(DecodeError, bounded)
    if error is not None:
        assert error.requirement
        return
    grant = bounded()
    assert grant.expires >= 1
    assert 1 <= len(grant.addresses) <= 8
    assert all(split_circuit(address).relay == _RELAY for address in grant.addresses)


def stop(data: bytes) -> None:
    """What the target of a circuit or its relay reads is bounded, and survives being written again, or is refused."""
    for encoded in _messages(data):
        error = caught(DecodeError, StopMessage.decode, encoded)
        if error is not None:
            assert error.requirement
            continue
        message = StopMessage.decode(encoded)
        assert StopMessage.decode(message.encode()) == message
        assert (message.peer is not None) == (message.kind is StopKind.CONNECT)
        assert describe(message.status)
        assert message.peer is None or len(message.peer.addresses) <= MAX_ADDRESSES
