"""The messages of identify: merged, cleaned and bounded, whatever a peer tells of itself."""

from __future__ import annotations

from fuzz.checks import require
from fuzz.source import Source, cut
from p2pstack.errors import ProtocolViolation
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import peer_id_of
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services.identify_message import (
    MAX_MESSAGES,
    MAX_PROTOCOL_LENGTH,
    MAX_PROTOCOLS,
    MAX_TEXT,
    MessageReader,
    Update,
    interpret,
)
from p2pstack.services.scope import Scope
from p2pstack.wire import protobuf
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify

__all__ = ["run_identify"]

_PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id
_SCOPES = tuple(Scope)


def run_identify(data: bytes) -> None:
    """What is left of a peer's messages is clean and the same in any cut."""
    source = Source(data)
    mode = source.byte()
    sizes = source.cuts()
    body = source.rest()
    if mode & 1:
        body = encode_frame(body)
    message = _merge(cut(body, sizes))
    whole = _merge([body])
    require((message is None) == (whole is None), "whether it is refused depends on the cut")
    if message is None or whole is None:
        return
    known_seq = mode >> 3
    update = interpret(message, _PEER, _SCOPES[(mode >> 1) % len(_SCOPES)], known_seq=known_seq)
    # Serialised and parsed, a NaN or an order of fields can't make equal messages different.
    require(protobuf.serialize(message) == protobuf.serialize(whole), "the message depends on the cut")
    _check(update, known_seq)


def _merge(pieces: list[bytes]) -> Identify | None:
    """Return what the reader makes of the pieces, None if it refuses them."""
    reader = MessageReader()
    try:
        for piece in pieces:
            reader.receive_data(piece)
            require(reader.count <= MAX_MESSAGES, "too many messages are merged")
        return reader.receive_eof()
    except ProtocolViolation:
        return None


def _check(update: Update, known_seq: int) -> None:
    protocols = update.protocols or ()
    require(len(protocols) <= MAX_PROTOCOLS, f"{len(protocols)} protocols are kept")
    require(len(set(protocols)) == len(protocols), "a protocol is kept twice")
    for name in protocols:
        fits = name.startswith("/") and name.isprintable() and len(name.encode()) <= MAX_PROTOCOL_LENGTH
        require(fits, f"{name!r} is kept as a protocol")
    for text in (update.agent, update.protocol_version):
        require(text is None or (len(text) <= MAX_TEXT and text.isprintable()), f"{text!r} is kept as a text")
    for address in update.addresses or ():
        require(str(address) and peer_id_of(address) in {None, _PEER}, f"{address} is kept as an address")
    require(update.observed is None or str(update.observed), "an observed address does not print")
    if update.record is not None:
        record, _ = PeerRecord.open(update.record)
        require(record.peer_id == _PEER and record.seq == update.seq >= known_seq, "another record is kept")
