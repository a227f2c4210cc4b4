"""The messages of rendezvous, as bytes and as values (RDV-01, RDV-02).

On a stream each stands behind its length: ``stream.write_frame(encode(message))``, and
``decode(await stream.read_frame(limit))``. Namespaces and records are bytes here, good or bad: a point has an answer
for bad ones, so they are no broken message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.errors import DecodeError
from p2pstack.rendezvous.protocols import MAX_MESSAGE
from p2pstack.rendezvous.status import Status
from p2pstack.wire import Buffer, protobuf
from p2pstack.wire.fields import BYTES, walk
from p2pstack.wire.pb import rendezvous_pb2

__all__ = [
    "MAX_REGISTRATIONS",
    "Discover",
    "DiscoverResponse",
    "Message",
    "Register",
    "RegisterResponse",
    "Unregister",
    "decode",
    "encode",
]

MAX_REGISTRATIONS = 1_000
"""Registrations of an answer. A megabyte has room for half a million empty ones."""

_MAX_TEXT = 256
"""Characters of a status text that are kept; what is behind them is cut off."""

_REGISTER, _REGISTER_RESPONSE, _UNREGISTER, _DISCOVER, _DISCOVER_RESPONSE = range(5)
_RESPONSE_FIELD, _REGISTRATIONS_FIELD = 6, 1


@dataclass(frozen=True, slots=True)
class Register:
    """A registration: asked for, or found. ``ttl`` is seconds, None where none was given."""

    namespace: bytes
    record: bytes
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class RegisterResponse:
    """What comes of it: ``ttl`` is for how many seconds it was registered, 0 where it was not, or nothing is said."""

    status: int
    ttl: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Unregister:
    """The end of the sender's registration. There is no answer (RDV-06)."""

    namespace: bytes


@dataclass(frozen=True, slots=True)
class Discover:
    """A question for registrations: of one namespace, or of all where it is empty; ``limit`` 0 is none."""

    namespace: bytes = b""
    limit: int = 0
    cookie: bytes = b""


@dataclass(frozen=True, slots=True)
class DiscoverResponse:
    """The registrations, and the cookie to go on with."""

    status: int
    registrations: tuple[Register, ...] = ()
    cookie: bytes = b""
    text: str = ""


Message: TypeAlias = Register | RegisterResponse | Unregister | Discover | DiscoverResponse


def encode(message: Message) -> bytes:
    """Return the bytes of a message, without its length; type and status are written even where they are 0."""
    encoded = rendezvous_pb2.RendezvousMessage()
    match message:
        case Register():
            encoded.type = _REGISTER
            encoded.register.CopyFrom(_encode_register(message))
        case RegisterResponse():
            encoded.type = _REGISTER_RESPONSE
            encoded.register_response.status = message.status
            if message.text:
                encoded.register_response.status_text = message.text.encode()
            if message.status == Status.OK:
                encoded.register_response.ttl = message.ttl
        case Unregister():
            encoded.type = _UNREGISTER
            encoded.unregister.ns = message.namespace
        case Discover():
            encoded.type = _DISCOVER
            encoded.discover.CopyFrom(_encode_discover(message))
        case _:
            encoded.type = _DISCOVER_RESPONSE
            encoded.discover_response.registrations.extend(map(_encode_register, message.registrations))
            if message.status == Status.OK:
                encoded.discover_response.cookie = message.cookie
            encoded.discover_response.status = message.status
            if message.text:
                encoded.discover_response.status_text = message.text.encode()
    return protobuf.serialize(encoded)


def decode(data: Buffer) -> Message:
    """Read a message that fills all of ``data``; fields that do not belong to its type are skipped without a look.

    Raises:
        DecodeError: it is too long, does not parse, is of no known type, lacks what its type is about, or holds too
            many registrations.
    """
    if len(data) > MAX_MESSAGE:
        raise DecodeError(f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE}", requirement="RDV-01")
    whole = bytes(data)
    _count_registrations(whole)
    message = protobuf.parse(rendezvous_pb2.RendezvousMessage, whole)
    kind = message.type
    if kind == _REGISTER and message.HasField("register"):
        return _decode_register(message.register)
    if kind == _REGISTER_RESPONSE and message.HasField("register_response"):
        response = message.register_response
        return RegisterResponse(_status(response.status), response.ttl, _text(response.status_text))
    if kind == _UNREGISTER and message.HasField("unregister"):
        return Unregister(message.unregister.ns)
    if kind == _DISCOVER and message.HasField("discover"):
        asked = message.discover
        return Discover(asked.ns, asked.limit, asked.cookie)
    if kind == _DISCOVER_RESPONSE and message.HasField("discover_response"):
        found = message.discover_response
        registrations = tuple(map(_decode_register, found.registrations))
        return DiscoverResponse(_status(found.status), registrations, found.cookie, _text(found.status_text))
    raise DecodeError(f"a message of type {kind} is unknown, or has nothing in it", requirement="RDV-01")


def _count_registrations(data: bytes) -> None:
    """Refuse more registrations than anybody asks for, before anything is made of them (GEN-02)."""
    count = 0
    for number, kind, start, end in walk(data):
        if number == _RESPONSE_FIELD and kind == BYTES:
            for inner, _, _, _ in walk(data[start:end]):
                count += inner == _REGISTRATIONS_FIELD
    if count > MAX_REGISTRATIONS:
        raise DecodeError(f"an answer of {count} registrations is over {MAX_REGISTRATIONS}", requirement="RDV-07")


def _encode_register(message: Register) -> rendezvous_pb2.RendezvousRegister:
    encoded = rendezvous_pb2.RendezvousRegister(ns=message.namespace, signed_peer_record=message.record)
    if message.ttl is not None:
        encoded.ttl = message.ttl
    return encoded


def _decode_register(message: rendezvous_pb2.RendezvousRegister) -> Register:
    return Register(message.ns, message.signed_peer_record, message.ttl if message.HasField("ttl") else None)


def _encode_discover(message: Discover) -> rendezvous_pb2.RendezvousDiscover:
    encoded = rendezvous_pb2.RendezvousDiscover()
    if message.namespace:
        encoded.ns = message.namespace
    if message.limit:
        encoded.limit = message.limit
    if message.cookie:
        encoded.cookie = message.cookie
    return encoded


def _status(number: int) -> int:
    try:
        return Status(number)
    except ValueError:
        return number


def _text(data: bytes) -> str:
    return data[: 4 * _MAX_TEXT].decode(errors="replace")[:_MAX_TEXT]
