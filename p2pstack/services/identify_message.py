"""The messages of identify, as bytes: building ours, merging and cleaning a peer's. Pure (specs/identify.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from p2pstack.errors import DecodeError, ProtocolViolation
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services.scope import Scope, suitable
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify

__all__ = [
    "IDENTIFY",
    "PUSH",
    "Announcement",
    "MessageReader",
    "Update",
    "fitting_addresses",
    "interpret",
]

IDENTIFY = "/ipfs/id/1.0.0"
PUSH = "/ipfs/id/push/1.0.0"

MAX_RECEIVED = 8_192
"""Bytes of a message that is accepted, as in go and js (IDN-03)."""

MAX_MESSAGES = 10
"""Messages on a stream that are merged into one, as in go and js (IDN-04)."""

MAX_SENT = 4_096
"""Bytes of a message that is sent: rust refuses more (IDN-03)."""

MAX_WITH_RECORD = 2_048
"""Bytes up to which the signed record travels with the rest; beyond, in a message of its own, as in go (IDN-04)."""

MAX_ADDRESSES = 500
"""Addresses of a message that are looked at (IDN-08)."""

MAX_PROTOCOLS = 1_024
"""Protocols of a message that are kept (IDN-09)."""

MAX_PROTOCOL_LENGTH = 1_023
"""Bytes of a protocol id; a longer one can't be negotiated (MSS-02)."""

MAX_TEXT = 256
"""Characters kept of a peer's agent and protocol version (IDN-13)."""

MAX_ADDRESS_BYTES = 1_024
"""What our addresses may take in a message, so that they and the record that repeats them fit."""

_OBSERVED_ROOM = 256
"""What is kept free for the observed address; a longer one (no stack makes any) isn't sent."""


def fitting_addresses(addresses: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
    """Return the first addresses, as many as an announcement has room for."""
    chosen: list[Multiaddr] = []
    room = MAX_ADDRESS_BYTES
    for address in addresses:
        room -= len(address.to_bytes()) + 3
        if room < 0:
            break
        chosen.append(address)
    return tuple(chosen)


class Announcement:
    """What this host tells of itself, encoded once and sent to many; only the observed address differs.

    The first message holds everything that fits into 4,096 bytes, since rust reads no other (IDN-04): protocols beyond
    that follow in further messages, the signed record too when it is large. What 10 messages can't hold is left out.
    """

    __slots__ = ("_head", "_more", "_record", "_tail")

    def __init__(
        self,
        *,
        public_key: bytes,
        addresses: Sequence[Multiaddr],
        protocols: Sequence[str],
        agent: str,
        protocol_version: str,
        record: bytes | None,
    ) -> None:
        first = Identify(public_key=public_key, listen_addrs=[a.to_bytes() for a in fitting_addresses(addresses)])
        tail = Identify(protocol_version=_encode_text(protocol_version), agent_version=_encode_text(agent))
        self._tail = protobuf.serialize(tail)
        names = [name.encode() for name in protocols[:MAX_PROTOCOLS]]
        room = MAX_SENT - _OBSERVED_ROOM - first.ByteSize() - len(self._tail)
        count = _fill(first, names, room)
        self._head = protobuf.serialize(first)
        self._more = b""
        for _ in range(MAX_MESSAGES - 2):
            further = Identify()
            count += _fill(further, names[count:], MAX_SENT)
            if not further.protocols:
                break
            self._more += encode_frame(protobuf.serialize(further))
        self._record = protobuf.serialize(Identify(signed_peer_record=record)) if record is not None else b""

    def frames(self, observed: Multiaddr | None) -> bytes:
        """Return all messages, each behind its length, with ``observed`` as the address the receiver is seen at."""
        seen = b""
        if observed is not None and len(observed.to_bytes()) < _OBSERVED_ROOM - 4:
            seen = protobuf.serialize(Identify(observed_addr=observed.to_bytes()))
        body = self._head + seen + self._tail
        if not self._more and len(body) + len(self._record) <= MAX_WITH_RECORD:
            return encode_frame(body + self._record)
        return encode_frame(body) + self._more + (encode_frame(self._record) if self._record else b"")


def _encode_text(text: str) -> bytes:
    return text[:MAX_TEXT].encode()


def _fill(message: Identify, names: Sequence[bytes], room: int) -> int:
    """Add protocols to ``message`` until ``room`` bytes are taken; return how many went in."""
    count = 0
    for name in names:
        room -= len(name) + 3
        if room < 0:
            break
        message.protocols.append(name)
        count += 1
    return count


class MessageReader:
    """Merges the messages of one stream into one: repeated fields append, of others the last wins (IDN-04)."""

    __slots__ = ("_frames", "count", "message")

    def __init__(self) -> None:
        self._frames = FrameReader(MAX_RECEIVED)
        self.message = Identify()
        self.count = 0

    def receive_data(self, data: Buffer) -> None:
        """Take the next bytes of the stream.

        Raises:
            ProtocolViolation: a message is too long or does not parse, or there are more than 10.
        """
        try:
            for frame in self._frames.receive_data(data):
                self.count += 1
                if self.count > MAX_MESSAGES:
                    message = f"more than {MAX_MESSAGES} messages"
                    raise ProtocolViolation("identify", message, requirement="IDN-04")
                self.message.MergeFrom(protobuf.parse(Identify, frame))
        except DecodeError as error:
            raise ProtocolViolation("identify", str(error), requirement=error.requirement) from error

    def receive_eof(self) -> Identify:
        """Return what came, at the end of the stream; empty if nothing did.

        Raises:
            ProtocolViolation: the stream ended inside a message.
        """
        try:
            self._frames.receive_eof()
        except DecodeError as error:
            raise ProtocolViolation("identify", str(error), requirement="IDN-01") from error
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What a peer's message tells, cleaned. None is what it does not tell: in a push, that stays as it was (IDN-10).

    The public key in the message is not here: the handshake has proven the peer's, and no message changes it (IDN-05).
    """

    protocols: tuple[str, ...] | None = None
    addresses: tuple[Multiaddr, ...] | None = None
    agent: str | None = None
    protocol_version: str | None = None
    observed: Multiaddr | None = None
    record: bytes | None = None
    seq: int = -1


def interpret(message: Identify, peer: PeerId, scope: Scope, *, known_seq: int = -1) -> Update:
    """Return what of ``message`` may be used, coming from ``peer`` over a connection of ``scope``.

    ``known_seq`` is that of the newest record known of the peer, -1 if none is (ENV-06).
    """
    record, seq, told = _open_record(message, peer, known_seq)
    if told is None and message.listen_addrs:
        told = _parse_addresses(message.listen_addrs)
    return Update(
        protocols=_names(message.protocols) if message.protocols else None,
        addresses=_clean(told, peer, scope) if told else None,
        agent=_text(message.agent_version) if message.HasField("agent_version") else None,
        protocol_version=_text(message.protocol_version) if message.HasField("protocol_version") else None,
        observed=_observed(message),
        record=record,
        seq=seq,
    )


def _open_record(
    message: Identify, peer: PeerId, known_seq: int
) -> tuple[bytes | None, int, Sequence[Multiaddr] | None]:
    """Return the peer's signed record, its seq and its addresses.

    None as addresses means that listenAddrs count: there is no record, or it is invalid or outdated. A valid record of
    another peer gives no addresses at all, and isn't kept (IDN-06, ENV-05).
    """
    if not message.signed_peer_record:
        return None, -1, None
    try:
        record, envelope = _verified(message.signed_peer_record)
    except DecodeError:
        return None, -1, None
    if record.peer_id != peer:
        return None, -1, ()
    if record.seq < known_seq:
        return None, -1, None
    return envelope.raw, record.seq, record.addresses


@lru_cache(maxsize=256)
def _verified(signed: bytes) -> tuple[PeerRecord, Envelope]:
    """Open a record; the same bytes come again with every connection of a peer, and their signature stays true."""
    return PeerRecord.open(signed)


def _parse_addresses(encoded: Sequence[bytes]) -> list[Multiaddr]:
    """Return the addresses that parse, of the first 500."""
    addresses = []
    for data in encoded[:MAX_ADDRESSES]:
        try:
            addresses.append(parse(data))
        except DecodeError:
            continue
    return addresses


def _clean(addresses: Iterable[Multiaddr], peer: PeerId, scope: Scope) -> tuple[Multiaddr, ...]:
    """Drop what another peer is at and what the connection's kind of network has no use for; take off ``/p2p``."""
    own = [without_peer(address) for address in addresses if peer_id_of(address) in (None, peer)]
    return tuple(dict.fromkeys(suitable(own, scope)))


@lru_cache(maxsize=4_096)
def _shared(text: str) -> str:
    """Return one object for equal texts. Not by sys.intern: on Python 3.12 it keeps what a peer makes up for ever."""
    return text


def _names(encoded: Iterable[bytes]) -> tuple[str, ...]:
    """Return the protocol ids among ``encoded``, as objects that all peers share."""
    names: dict[str, None] = {}
    for data in encoded:
        if len(names) == MAX_PROTOCOLS:
            break
        if data[:1] != b"/" or len(data) > MAX_PROTOCOL_LENGTH:
            continue
        try:
            name = data.decode()
        except UnicodeDecodeError:
            continue
        if name.isprintable():
            names[_shared(name)] = None
    return tuple(names)


def _text(data: bytes) -> str:
    """Return a text to show to people: short, and nothing that a terminal would obey."""
    text = data.decode(errors="replace")[:MAX_TEXT]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return _shared(text)


def _observed(message: Identify) -> Multiaddr | None:
    """Return where the peer sees us, without the ``/p2p`` that js and sometimes rust put behind it."""
    if not message.observed_addr:
        return None
    try:
        address = without_peer(parse(message.observed_addr))
    except DecodeError:
        return None
    return address if address.to_bytes() else None
