"""Messages of the DHT to bytes and back (KAD-01, KAD-08; specs/kad.md). Hot path.

What is above the limits is passed over on the wire, before anything is made of it: of ten thousand peers in an answer
forty are parsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from p2pstack.errors import DecodeError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact, decode_contact
from p2pstack.kad.records import Record
from p2pstack.wire import uvarint
from p2pstack.wire.fields import BYTES, walk

__all__ = ["Message", "MessageType", "decode", "encode", "fit"]

_TYPE, _KEY, _RECORD, _CLOSER, _PROVIDERS = 1, 2, 3, 8, 9
_KEY_TAG, _RECORD_TAG, _CLOSER_TAG, _PROVIDERS_TAG = b"\x12", b"\x1a", b"\x42", b"\x4a"
_LEVEL_ONE = b"\x50\x01"
"""What go writes; nobody reads it."""

_OVERHEAD = 128
"""More than the tags and lengths of everything else, a publisher and a ttl take."""


class MessageType(IntEnum):
    """What a message asks for; an answer has the type of its request."""

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request or an answer."""

    type: MessageType
    key: bytes = b""
    record: Record | None = None
    closer: tuple[Contact, ...] = ()
    providers: tuple[Contact, ...] = ()


def encode(message: Message) -> bytes:
    """Return a message's bytes, without the length in front; fields in the order of their numbers."""
    # PUT_VALUE is 0, and so absent in proto3 (GEN-13).
    parts = [bytes((0x08, message.type))] if message.type else []
    if message.key:
        parts += (_KEY_TAG, uvarint.encode(len(message.key)), message.key)
    if message.record is not None:
        record = message.record.encode()
        parts += (_RECORD_TAG, uvarint.encode(len(record)), record)
    for each in message.closer:
        parts += (_CLOSER_TAG, each.entry)
    for each in message.providers:
        parts += (_PROVIDERS_TAG, each.entry)
    parts.append(_LEVEL_ONE)
    return b"".join(parts)


def fit(message: Message, limit: int) -> Message:
    """Return the message with as many peers as fit into ``limit`` bytes: what is left of them, providers first.

    Half of the room is kept for closer peers, without which a lookup would end here (KAD-06).
    """
    peers = _size(message.closer) + _size(message.providers)
    if len(message.key) + peers + _record_bound(message) <= limit:
        return message
    bare = len(encode(replace(message, closer=(), providers=())))
    room = limit - bare
    closer, used = _fitting(message.closer, room // 2 if message.providers else room)
    providers, _ = _fitting(message.providers, room - used)
    return replace(message, closer=closer, providers=providers)


def _record_bound(message: Message) -> int:
    """Return more bytes than all but key and peers take: exact sizes cost more than a good guess."""
    record = message.record
    return _OVERHEAD + (0 if record is None else len(record.key) + len(record.value) + len(record.time_received))


def _size(contacts: tuple[Contact, ...]) -> int:
    return len(contacts) + sum([len(each.entry) for each in contacts])


def _fitting(contacts: tuple[Contact, ...], room: int) -> tuple[tuple[Contact, ...], int]:
    """Return the first of the contacts that fit, and the bytes that they take."""
    used = 0
    for number, each in enumerate(contacts):
        size = len(_CLOSER_TAG) + len(each.entry)
        if used + size > room:
            return contacts[:number], used
        used += size
    return contacts, used


def decode(data: bytes, config: KadConfig) -> Message:
    """Read one message, without its length, fields in any order (KAD-01).

    Ignored are: peers above ``max_closer`` and ``max_told_providers``, ones longer than ``max_peer_size``, ones whose
    id is none; unknown fields; the cluster level, and how anybody is connected.

    Raises:
        DecodeError: it does not parse (GEN-07), its type is unknown (KAD-08), it is longer than ``max_received`` or has
            more fields than ``max_fields`` (KAD-01).
    """
    if len(data) > config.max_received:
        raise DecodeError(f"a message is longer than {config.max_received} bytes", requirement="KAD-01")
    kind, key = 0, b""
    records: list[bytes] = []
    closer: list[bytes] = []
    providers: list[bytes] = []
    max_fields, max_closer, max_peer_size = config.max_fields, config.max_closer, config.max_peer_size
    for count, (number, wire, start, end) in enumerate(walk(data)):
        if count >= max_fields:
            raise DecodeError(f"a message has more than {max_fields} fields", requirement="KAD-01")
        if wire != BYTES:
            kind = start if number == _TYPE else kind
        elif number == _CLOSER:
            if len(closer) < max_closer and end - start <= max_peer_size:
                closer.append(data[start:end])
        elif number == _PROVIDERS:
            if len(providers) < config.max_told_providers and end - start <= max_peer_size:
                providers.append(data[start:end])
        elif number == _KEY:
            key = data[start:end]
        elif number == _RECORD:
            records.append(data[start:end])
    return Message(
        type=_type(kind),
        key=key,
        # A message that stands there twice is one (GEN-07).
        record=Record.decode(b"".join(records)) if records else None,
        closer=_contacts(closer, config.max_addresses),
        providers=_contacts(providers, config.max_addresses),
    )


def _type(number: int) -> MessageType:
    try:
        return MessageType(number)
    except ValueError:
        raise DecodeError(f"there is no message type {number}", requirement="KAD-08") from None


def _contacts(entries: Iterable[bytes], max_addresses: int) -> tuple[Contact, ...]:
    found = [decode_contact(each, max_addresses) for each in entries]
    return tuple([each for each in found if each is not None])
