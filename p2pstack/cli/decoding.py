"""Saying what a text or some bytes are: peer ids, addresses, keys, signed envelopes and records, varints."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from p2pstack.cli.arguments import CommandError
from p2pstack.errors import DecodeError
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.multiaddrs import Multiaddr, is_loopback, is_private, is_public, parse, peer_id_of
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import LEGACY_PAYLOAD_TYPE, PAYLOAD_TYPE, PeerRecord
from p2pstack.wire import protobuf, uvarint
from p2pstack.wire.pb import peer_record_pb2

__all__ = ["MAX_INPUT", "Finding", "explain_bytes", "explain_text"]

MAX_INPUT = 1 << 20
"""Characters or bytes of what is looked at."""

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """What something is: its kind, the encoding it was given in, and what it says, ready for JSON."""

    kind: str
    encoding: str
    values: Values


def explain_text(text: str) -> list[Finding]:
    """Return what ``text`` can be read as; several findings where it fits more than one thing.

    Raises:
        CommandError: it is nothing that is known; the message says as far as possible why.
    """
    text = text.strip()
    if not text or len(text) > MAX_INPUT:
        raise CommandError("there is nothing to decode" if not text else "the text is too long to decode")
    if text.startswith("/"):
        try:
            return [Finding("multiaddr", "text", _address(parse(text)))]
        except DecodeError as error:
            raise CommandError(str(error)) from error
    try:
        return [Finding("peer id", "base58" if text.startswith(("1", "Qm")) else "CIDv1", _peer(text))]
    except DecodeError:
        pass
    for encoding, data in _candidates("".join(text.split())):
        findings = explain_bytes(data, encoding)
        if findings:
            return findings
    raise CommandError(f"{text[:60]!r} is nothing that is known: no address, peer id, key, envelope, record or uvarint")


def explain_bytes(data: bytes, encoding: str = "binary") -> list[Finding]:
    """Return what ``data`` can be read as, all of it; an empty list where it is nothing that is known."""
    findings = []
    for kind, decode in _DECODERS:
        try:
            findings.append(Finding(kind, encoding, decode(data)))
        except DecodeError:
            continue
    # Almost any bytes end in a varint, so it is believed only of what was written as bytes, and is nothing else.
    if not findings and encoding != "base64":
        try:
            value, end = uvarint.decode(data)
        except DecodeError:
            return findings
        if end == len(data):
            findings.append(Finding("uvarint", encoding, {"value": value, "bytes": end}))
    return findings


def _candidates(text: str) -> Iterator[tuple[str, bytes]]:
    """Return the bytes that a text may stand for."""
    match = _HEX.fullmatch(text)
    if match is not None:
        yield "hex", bytes.fromhex(match[1])
    if _BASE64.fullmatch(text):
        plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            yield "base64", base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except binascii.Error:
            return


def _peer(text: str | bytes) -> Values:
    peer = PeerId.from_string(text) if isinstance(text, str) else PeerId.from_bytes(text)
    key = peer.public_key
    return {
        "peer_id": str(peer),
        "cid": peer.to_cid(),
        "hex": peer.to_bytes().hex(),
        "holds": f"an {key.type.name} public key" if key is not None else "the SHA-256 of a public key",
        **({"public_key": key.data.hex()} if key is not None else {}),
    }


def _address(address: Multiaddr) -> Values:
    peer = peer_id_of(address)
    reach = "loopback" if is_loopback(address) else "private" if is_private(address) else "public"
    if reach == "public" and not is_public(address):
        reach = "reserved"
    return {
        "address": str(address),
        "hex": address.to_bytes().hex(),
        "reach": reach,
        **({"peer_id": str(peer)} if peer is not None else {}),
    }


def _multiaddr(data: bytes) -> Values:
    return _address(parse(data))


def _public_key(data: bytes) -> Values:
    key = PublicKey.from_protobuf(data)
    canonical = key.to_protobuf() == data
    return {"type": key.type.name, "peer_id": str(key.peer_id), "data": key.data.hex(), "canonical": canonical}


def _private_key(data: bytes) -> Values:
    key = PrivateKey.from_protobuf(data)
    return {"type": key.type.name, "peer_id": str(key.peer_id), "public_key": key.public_key.data.hex()}


def _envelope(data: bytes) -> Values:
    envelope = Envelope.from_bytes(data)
    values: Values = {
        "signer": str(envelope.public_key.peer_id),
        "key_type": envelope.public_key.type.name,
        "payload_type": envelope.payload_type.hex(),
        "payload_bytes": len(envelope.payload),
    }
    if envelope.payload_type not in {PAYLOAD_TYPE, LEGACY_PAYLOAD_TYPE}:
        return {**values, "valid": "unknown: the domain that was signed for is not sent"}
    try:
        record, _ = PeerRecord.open(data)
    except DecodeError as error:
        return {**values, "valid": f"no: {error}"}
    return {**values, "valid": "yes", **_record_values(record.peer_id, record.seq, record.addresses)}


def _record(data: bytes) -> Values:
    message = protobuf.parse(peer_record_pb2.PeerRecord, data)
    peer = PeerId.from_bytes(message.peer_id)
    return _record_values(peer, message.seq, tuple(parse(info.multiaddr) for info in message.addresses))


def _record_values(peer: PeerId, seq: int, addresses: tuple[Multiaddr, ...]) -> Values:
    return {"peer_id": str(peer), "seq": seq, "addresses": [str(address) for address in addresses]}


_DECODERS: tuple[tuple[str, Callable[[bytes], Values]], ...] = (
    ("peer id", _peer),
    ("public key", _public_key),
    ("private key", _private_key),
    ("signed envelope", _envelope),
    ("peer record, not signed", _record),
    ("multiaddr", _multiaddr),
)
