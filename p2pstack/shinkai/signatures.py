"""The two signatures of a message (SHK-17, SHK-18).

Each is Ed25519 over the 32 bytes of a BLAKE3 hash, and the hash is of compact JSON with sorted keys in which the
signature itself is empty. What a node noted in the message (``node_api_data``) is never a part of it.

The inner one, by the profile or the node, covers the body with the content as it is sent, encrypted or not. So it can
be checked only while the content is in that form. The outer one, by the sending node, covers all of the message.
"""

from __future__ import annotations

from dataclasses import replace

from p2pstack.crypto import blake3, ed25519
from p2pstack.errors import LocalError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import BadSignature
from p2pstack.shinkai.json_form import body_value, message_value
from p2pstack.shinkai.keys import require_ed25519, unhex
from p2pstack.shinkai.message import EncryptedBody, ShinkaiBody, ShinkaiMessage

__all__ = [
    "inner_hash",
    "inner_text",
    "outer_hash",
    "outer_text",
    "sign_inner",
    "sign_outer",
    "verify_inner",
    "verify_outer",
]


def inner_text(body: ShinkaiBody) -> str:
    """Return the JSON whose hash the inner signature is over."""
    value = body_value(body)
    value["internal_metadata"]["signature"] = ""
    value["internal_metadata"].pop("node_api_data", None)
    return json_text.canonical(value)


def outer_text(message: ShinkaiMessage) -> str:
    """Return the JSON whose hash the outer signature is over."""
    value = message_value(message)
    value["external_metadata"]["signature"] = ""
    if not isinstance(message.body, EncryptedBody):
        value["body"]["unencrypted"]["internal_metadata"].pop("node_api_data", None)
    return json_text.canonical(value)


def inner_hash(body: ShinkaiBody) -> bytes:
    """Return the 32 bytes that the inner signature is over.

    Raises:
        LocalError: a text in the body is no valid Unicode.
    """
    return blake3.digest(json_text.utf8(inner_text(body)))


def outer_hash(message: ShinkaiMessage) -> bytes:
    """Return the 32 bytes that the outer signature is over.

    Raises:
        LocalError: a text in the message is no valid Unicode.
    """
    return blake3.digest(json_text.utf8(outer_text(message)))


def sign_inner(body: ShinkaiBody, key: PrivateKey) -> ShinkaiBody:
    """Return ``body`` with the inner signature of ``key``.

    Raises:
        LocalError: the key is not Ed25519, or a text in the body is no valid Unicode.
    """
    require_ed25519(key)
    signature = key.sign(inner_hash(body)).hex()
    return replace(body, internal_metadata=replace(body.internal_metadata, signature=signature))


def sign_outer(message: ShinkaiMessage, key: PrivateKey) -> ShinkaiMessage:
    """Return ``message`` with the outer signature of ``key``.

    Raises:
        LocalError: the key is not Ed25519, or a text in the message is no valid Unicode.
    """
    require_ed25519(key)
    signature = key.sign(outer_hash(message)).hex()
    return replace(message, external_metadata=replace(message.external_metadata, signature=signature))


def verify_inner(message: ShinkaiMessage, key: PublicKey) -> None:
    """Check the inner signature, whose content must be in the form in which it was sent.

    Raises:
        StillEncrypted: the body is encrypted.
        BadSignature: the signature is not that of ``key`` over this body.
        LocalError: the key is not Ed25519.
    """
    body = message.readable_body
    _verify("inner", body.internal_metadata.signature, inner_text(body), key)


def verify_outer(message: ShinkaiMessage, key: PublicKey) -> None:
    """Check the outer signature, whose message must be in the form in which it was sent.

    Raises:
        BadSignature: the signature is not that of ``key`` over this message.
        LocalError: the key is not Ed25519.
    """
    _verify("outer", message.external_metadata.signature, outer_text(message), key)


def _verify(which: str, signature: str, text: str, key: PublicKey) -> None:
    require_ed25519(key)
    requirement = "SHK-17" if which == "inner" else "SHK-18"
    try:
        data = unhex(signature)
    except ValueError:
        raise BadSignature(f"the {which} signature is not in hex", requirement=requirement) from None
    if len(data) != ed25519.SIGNATURE_SIZE:
        raise BadSignature(f"the {which} signature has {len(data)} bytes, not 64", requirement=requirement)
    try:
        signed = blake3.digest(json_text.utf8(text))
    except LocalError:
        raise BadSignature(f"the {which} signature covers half of a surrogate pair", requirement=requirement) from None
    if not key.verify(signed, data):
        raise BadSignature(f"the {which} signature is not that of the sender's key", requirement=requirement)
