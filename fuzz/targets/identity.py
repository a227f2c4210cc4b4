"""Peer ids, keys, addresses and signed records."""

from __future__ import annotations

from fuzz.checks import require
from fuzz.source import Source
from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.peer_id import MAX_TEXT, PeerId
from p2pstack.identity.peer_record import DOMAIN, MAX_ADDRESSES, PAYLOAD_TYPE, PeerRecord

__all__ = ["run_envelope", "run_keys", "run_multiaddr", "run_peer_id", "run_peer_record"]

_KEY = PrivateKey.from_seed(b"\x01" * 32)
_OTHER = PrivateKey.from_seed(b"\x02" * 32).peer_id


def _text(data: bytes) -> str:
    """Any bytes as text, as an argument of the command line would be."""
    return data.decode(errors="surrogateescape")


def run_peer_id(data: bytes) -> None:
    """An id has one form in bytes, and its texts lead back to it."""
    for read, given in ((PeerId.from_bytes, data), (PeerId.from_string, _text(data))):
        try:
            peer_id = read(given)
        except DecodeError:
            continue
        require(PeerId.from_bytes(peer_id.to_bytes()) == peer_id, "an id is not read back from its bytes")
        require(PeerId.from_string(str(peer_id)) == peer_id, "an id is not read back from base58")
        require(PeerId.from_string(peer_id.to_cid()) == peer_id, "an id is not read back from its CID")
        require(len(str(peer_id)) <= MAX_TEXT, "the text of an id is too long")
        key = peer_id.public_key
        require(key is None or key.peer_id == peer_id, "an id holds the key of another")


def run_keys(data: bytes) -> None:
    """A key is read back from what it is written as; checking a signature never raises."""
    source = Source(data)
    mode = source.byte()
    signature = source.take((source.byte() << 8 | source.byte()) & 0x3FF)
    body = source.rest()
    try:
        if mode & 1:
            _check_private(PrivateKey.from_protobuf(body))
        elif mode & 2:
            _check_public(PublicKey(KeyType(mode >> 2 & 3), body), signature)
        else:
            _check_public(PublicKey.from_protobuf(body), signature)
    except DecodeError:
        return


def _check_public(key: PublicKey, signature: bytes) -> None:
    try:
        again = PublicKey.from_protobuf(key.to_protobuf())
    except DecodeError as error:
        raise AssertionError(f"a key that was read is refused: {error}") from error
    require(again == key and again.peer_id == key.peer_id, "a key is not read back from its canonical form")
    require(key.verify(b"message", signature) in {True, False}, "verify says neither yes nor no")


def _check_private(key: PrivateKey) -> None:
    try:
        again = PrivateKey.from_protobuf(key.to_protobuf())
    except DecodeError as error:
        raise AssertionError(f"a key that was read is refused: {error}") from error
    require(again.public_key == key.public_key, "a private key is not read back from its own form")
    require(key.public_key.verify(b"message", key.sign(b"message")), "a signature does not verify")


def run_multiaddr(data: bytes) -> None:
    """An address that was read prints, is read back, and answers every question."""
    for given in (data, _text(data)):
        try:
            address = multiaddrs.parse(given)
        except DecodeError:
            continue
        encoded = address.to_bytes()
        require(multiaddrs.parse(encoded).to_bytes() == encoded, "an address is not read back from its bytes")
        text = str(address)
        try:
            again = multiaddrs.parse(text)
        except DecodeError:
            # Names, zones and paths may hold what text can't say: a slash, or nothing at all.
            require(_has_text_value(address), f"the text of an address is refused: {text!r}")
        else:
            require(again.to_bytes() == encoded or _has_text_value(address), f"{text!r} is read as another address")
        _ask(address)


_TEXT_VALUES = {
    multiaddrs.DNS, multiaddrs.DNS4, multiaddrs.DNS6, multiaddrs.DNSADDR, multiaddrs.IP6ZONE, multiaddrs.UNIX, 449, 481
}  # fmt: skip
"""Protocols whose value is a free text."""


def _has_text_value(address: multiaddrs.Multiaddr) -> bool:
    return any(code in _TEXT_VALUES for code, _ in multiaddrs.components(address))


def _ask(address: multiaddrs.Multiaddr) -> None:
    bare = multiaddrs.without_peer(address)
    named = multiaddrs.peer_id_of(address)
    if named is None:
        require(multiaddrs.peer_id_of(multiaddrs.with_peer(address, _OTHER)) == _OTHER, "a peer's part is lost")
    else:
        require(multiaddrs.with_peer(bare, named) == address or multiaddrs.peer_id_of(bare), "a peer's part is lost")
        try:
            multiaddrs.with_peer(address, _OTHER)
        except ConfigError:
            require(named != _OTHER, "the same peer is refused")
    kinds = [multiaddrs.is_loopback(address), multiaddrs.is_private(address), multiaddrs.is_public(address)]
    require(kinds.count(True) <= 1 or not kinds[2], f"{address} is public, and is not")
    try:
        endpoint = multiaddrs.tcp_endpoint(address)
    except DecodeError:
        return
    require(0 <= endpoint.port <= 65_535, f"{endpoint.port} is no port")


def run_envelope(data: bytes) -> None:
    """An envelope keeps the bytes that it came in; only the right domain verifies."""
    try:
        envelope = Envelope.from_bytes(data)
    except DecodeError:
        return
    require(envelope.to_bytes() == data, "an envelope does not keep its bytes")
    try:
        envelope.verify(DOMAIN)
    except DecodeError:
        return
    try:
        envelope.verify(DOMAIN + "x")
    except DecodeError:
        return
    require(holds=False, message="a signature is valid for two domains")


def run_peer_record(data: bytes) -> None:
    """A record is its signer's own, and can be sealed again; the payload comes well signed in every second input."""
    source = Source(data)
    signed = source.byte() & 1
    body = source.rest()
    if signed:
        body = Envelope.seal(_KEY, DOMAIN, PAYLOAD_TYPE, body).to_bytes()
    try:
        record, envelope = PeerRecord.open(body)
    except DecodeError:
        return
    require(record.peer_id == envelope.public_key.peer_id, "a record is of another peer than its signer")
    require(len(record.addresses) <= MAX_ADDRESSES, "too many addresses are read")
    if signed:
        again, _ = PeerRecord.open(record.seal(_KEY).to_bytes())
        require(again == record, "a record changes when it is sealed again")
