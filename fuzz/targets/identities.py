"""Peer ids, keys, addresses, envelopes and peer records."""

from __future__ import annotations

from fuzz.source import Source
from p2pstack.errors import DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import DOMAIN, MAX_ADDRESSES, PAYLOAD_TYPE, PeerRecord

_KEY = PrivateKey.from_seed(b"\x05" * 32)

_PLAIN = {multiaddrs.IP4, multiaddrs.IP6, multiaddrs.TCP, multiaddrs.UDP, multiaddrs.P2P, multiaddrs.CIRCUIT}
"""Protocols whose text can't be taken for anything else."""


def peer_id(data: bytes) -> None:
    """What is an id keeps its bytes through every form."""
    try:
        found = PeerId.from_bytes(data)
    except DecodeError:
        found = None
    if found is None:
        try:
            found = PeerId.from_string(data.decode("latin-1"))
        except DecodeError:
            return
    assert PeerId.from_bytes(found.to_bytes()) == found
    assert PeerId.from_string(str(found)) == found
    assert PeerId.from_string(found.to_cid()) == found
    key = found.public_key
    assert key is None or key.peer_id == found


def keys(data: bytes) -> None:
    """What is a key has one canonical form, and can be used whatever it is asked."""
    private = Source(data).byte() % 2 == 1
    encoded = data[1:]
    if private:
        try:
            secret = PrivateKey.from_protobuf(encoded)
        except DecodeError:
            return
        if secret.type is KeyType.RSA:
            return  # everything with it takes milliseconds, and reading it was the point
        again = PrivateKey.from_protobuf(secret.to_protobuf())
        assert again.public_key == secret.public_key
        assert secret.public_key.verify(b"message", secret.sign(b"message"))
        return
    try:
        public = PublicKey.from_protobuf(encoded)
    except DecodeError:
        return
    canonical = public.to_protobuf()
    assert PublicKey.from_protobuf(canonical) == public
    assert PublicKey.from_protobuf(canonical).to_protobuf() == canonical
    assert PeerId.from_bytes(public.peer_id.to_bytes()) == public.peer_id
    assert public.verify(b"message", encoded) in (True, False)


def multiaddr(data: bytes) -> None:
    """What is an address has a binary and a text form that are read back, and can be asked anything."""
    text = Source(data).byte() % 2 == 1
    value = data[1:]
    try:
        address = multiaddrs.parse(value.decode("latin-1") if text else value)
    except DecodeError:
        return
    assert multiaddrs.parse(address.to_bytes()) == address
    _check_text(address)
    named = multiaddrs.peer_id_of(address)
    multiaddrs.without_peer(address)
    if named is None:
        assert multiaddrs.peer_id_of(multiaddrs.with_peer(address, _KEY.peer_id)) == _KEY.peer_id
    for ask in (multiaddrs.is_loopback, multiaddrs.is_private, multiaddrs.is_public, multiaddrs.tcp_endpoint):
        try:
            ask(address)
        except DecodeError:
            continue


def _check_text(address: multiaddrs.Multiaddr) -> None:
    """The text is read back, where it can be: a name may look like a protocol, a path or a zone hold a slash."""
    codes = {code for code, _ in multiaddrs.components(address)}
    try:
        again = multiaddrs.parse(str(address))
    except DecodeError:
        assert codes - _PLAIN
        return
    assert again == address or codes & {multiaddrs.UNIX, multiaddrs.IP6ZONE}


def envelope(data: bytes) -> None:
    """A seal holds for what was sealed, and for nothing that was changed."""
    source = Source(data)
    sealed = Envelope.seal(_KEY, "domain", b"type", data).to_bytes() if source.byte() % 2 else b""
    if sealed:
        place, value = (source.byte() << 8 | source.byte()) % len(sealed), source.byte()
        changed = sealed[:place] + bytes((value,)) + sealed[place + 1 :]
    else:
        changed = data[1:]
    try:
        found = Envelope.from_bytes(changed)
        found.verify("domain")
    except DecodeError:
        assert changed != sealed or not sealed
        return
    assert found.to_bytes() == changed
    if sealed:
        assert (found.public_key, found.payload_type, found.payload) == (_KEY.public_key, b"type", data)


def peer_record(data: bytes) -> None:
    """A record is its signer's own, and its addresses can all be used."""
    sealed = Source(data).byte() % 2 == 1
    raw = Envelope.seal(_KEY, DOMAIN, PAYLOAD_TYPE, data[1:]).to_bytes() if sealed else data[1:]
    try:
        record, found = PeerRecord.open(raw)
    except DecodeError:
        return
    assert record.peer_id == found.public_key.peer_id
    assert len(record.addresses) <= MAX_ADDRESSES
    for address in record.addresses:
        assert multiaddrs.parse(address.to_bytes()) == address
    if sealed:
        assert record.peer_id == _KEY.peer_id
        again, _ = PeerRecord.open(record.seal(_KEY).to_bytes())
        assert again == record
