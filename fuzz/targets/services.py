"""The messages of services above the streams."""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.errors import ProtocolViolation
from p2pstack.identity import multiaddrs
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.identify_message import (
    MAX_ADDRESSES,
    MAX_MESSAGES,
    MAX_PROTOCOLS,
    MAX_RECEIVED,
    MAX_TEXT,
    MessageReader,
    interpret,
)
from p2pstack.services.scope import Scope

_PEER = PrivateKey.from_seed(b"\x05" * 32).peer_id


def identify(data: bytes) -> None:
    """Whatever a peer tells of itself, it is bounded, printable and usable, or a violation of the protocol."""
    scope = list(Scope)[Source(data).byte() % len(Scope)]
    reader = MessageReader()
    size = 0
    for piece in segments(data[1:]):
        size += len(piece)
        error = caught(ProtocolViolation, reader.receive_data, piece)
        if error is not None:
            assert error.requirement
            return
    if caught(ProtocolViolation, reader.receive_eof) is not None:
        return
    message = reader.receive_eof()
    assert reader.count <= MAX_MESSAGES
    assert message.ByteSize() <= min(size, MAX_MESSAGES * MAX_RECEIVED)
    told = interpret(message, _PEER, scope)
    assert len(told.protocols or ()) <= MAX_PROTOCOLS
    assert all(name.startswith("/") and name.isprintable() for name in told.protocols or ())
    assert len(told.addresses or ()) <= MAX_ADDRESSES
    for address in told.addresses or ():
        assert multiaddrs.parse(address.to_bytes()) == address
        assert multiaddrs.peer_id_of(address) in (None, _PEER)
    for text in (told.agent, told.protocol_version):
        assert text is None or (len(text) <= MAX_TEXT and text.isprintable())
