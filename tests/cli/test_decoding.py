from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.decoding import MAX_INPUT, Finding, explain_bytes, explain_text
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.wire import uvarint

KEY = PrivateKey.from_seed(b"\x01" * 32)
PEER = KEY.peer_id
ADDRESS = parse("/ip4/192.0.2.1/tcp/4001")
RECORD = PeerRecord(PEER, 7, (ADDRESS,)).seal(KEY)


def only(findings: list[Finding]) -> Finding:
    [finding] = findings
    return finding


@pytest.mark.parametrize(
    ("text", "encoding"), [(str(PEER), "base58"), (PEER.to_cid(), "CIDv1"), (PEER.to_bytes().hex(), "hex")]
)
def test_a_peer_id_in_each_of_its_forms(text: str, encoding: str) -> None:
    found = only(explain_text(text))
    assert (found.kind, found.encoding) == ("peer id", encoding)
    assert found.values["peer_id"] == str(PEER)
    assert found.values["cid"] == PEER.to_cid()
    assert found.values["holds"] == "an ED25519 public key"
    assert found.values["public_key"] == KEY.public_key.data.hex()


def test_a_peer_id_that_is_a_hash() -> None:
    peer = PrivateKey.generate(KeyType.ECDSA).peer_id
    found = only(explain_text(str(peer)))
    assert found.values["holds"] == "the SHA-256 of a public key"
    assert "public_key" not in found.values


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("/ip4/127.0.0.1/tcp/1", "loopback"),
        ("/ip4/10.0.0.1/tcp/1", "private"),
        ("/dns4/example.org/tcp/1", "public"),
        ("/ip4/192.0.2.1/tcp/1", "reserved"),
    ],
)
def test_an_address_as_text_and_as_bytes(address: str, reach: str) -> None:
    for text, encoding in ((address, "text"), (parse(address).to_bytes().hex(), "hex")):
        found = only(explain_text(text))
        assert (found.kind, found.encoding, found.values["reach"]) == ("multiaddr", encoding, reach)
        assert found.values["address"] == address
    named = only(explain_text(f"{address}/p2p/{PEER}"))
    assert named.values["peer_id"] == str(PEER)


@pytest.mark.parametrize("kind", list(KeyType))
def test_keys_of_all_kinds_without_their_secret(kind: KeyType) -> None:
    key = PrivateKey.generate(kind)
    public = only(explain_text(key.public_key.to_protobuf().hex()))
    assert (public.kind, public.values["type"], public.values["peer_id"]) == ("public key", kind.name, str(key.peer_id))
    assert public.values["canonical"] is True
    secret = key.to_protobuf()
    private = only(explain_text(base64.b64encode(secret).decode()))
    assert (private.kind, private.encoding, private.values["type"]) == ("private key", "base64", kind.name)
    assert private.values["peer_id"] == str(key.peer_id)
    assert secret[4:36].hex() not in str(private.values)


def test_a_key_in_another_order_is_not_canonical() -> None:
    canonical = KEY.public_key.to_protobuf()
    found = only(explain_text((canonical[2:] + canonical[:2]).hex()))
    assert (found.kind, found.values["canonical"]) == ("public key", False)


def test_a_signed_peer_record() -> None:
    found = only(explain_text(RECORD.to_bytes().hex()))
    assert (found.kind, found.values["valid"], found.values["signer"]) == ("signed envelope", "yes", str(PEER))
    assert (found.values["peer_id"], found.values["seq"]) == (str(PEER), 7)
    assert found.values["addresses"] == [str(ADDRESS)]
    payload = only(explain_text(RECORD.payload.hex()))
    assert (payload.kind, payload.values["addresses"]) == ("peer record, not signed", [str(ADDRESS)])


def test_a_signed_peer_record_that_was_tampered_with() -> None:
    data = bytearray(RECORD.to_bytes())
    data[-1] ^= 1
    found = only(explain_text(bytes(data).hex()))
    assert found.kind == "signed envelope"
    assert str(found.values["valid"]).startswith("no: ")
    assert "addresses" not in found.values


def test_an_envelope_of_another_kind() -> None:
    found = only(explain_bytes(Envelope.seal(KEY, "some-domain", b"\x01\x02", b"payload").to_bytes()))
    assert str(found.values["valid"]).startswith("unknown")
    assert (found.values["payload_type"], found.values["payload_bytes"]) == ("0102", 7)


@pytest.mark.parametrize("text", ["ac02", "0xAC02", "ac 02", " ac02\n"])
def test_a_varint(text: str) -> None:
    found = only(explain_text(text))
    assert (found.kind, found.values) == ("uvarint", {"value": 300, "bytes": 2})


@given(st.integers(0, uvarint.MAX_VALUE))
def test_every_varint_is_read_unless_it_is_something_else(value: int) -> None:
    findings = explain_text(uvarint.encode(value).hex())
    assert findings[0].kind != "uvarint" or findings[0].values["value"] == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing to decode"),
        ("x" * (MAX_INPUT + 1), "too long"),
        ("/ip4/300.1.1.1/tcp/1", "does not parse"),
        ("/nowhere", "unknown protocol"),
        ("hello world!", "nothing that is known"),
        ("8000", "nothing that is known"),
        ("aGVsbG8=", "nothing that is known"),
        ("AAAAA", "nothing that is known"),
    ],
)
def test_what_is_nothing(text: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        explain_text(text)


@given(st.text(max_size=200))
def test_any_text_is_something_or_a_command_error(text: str) -> None:
    with contextlib.suppress(CommandError):
        assert explain_text(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_something_or_nothing(data: bytes) -> None:
    assert all(finding.encoding == "binary" for finding in explain_bytes(data))
