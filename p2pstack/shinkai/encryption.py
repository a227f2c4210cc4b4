"""Encryption of bodies and contents (SHK-19 to SHK-22).

The key is BLAKE3 of the X25519 secret that two static keys share: either side can decrypt, its own messages too. The
cipher is ChaCha20-Poly1305 with a random nonce of 12 bytes and no associated data. There is no forward secrecy.

Both layers are ``encrypted:`` and hex digits. A body's are nonce and ciphertext, whose plaintext is its JSON. A
content's have two lengths in front, 8 bytes little-endian each, of the text and of the schema's name; the plaintext is
one behind the other. The cipher does not protect the lengths, and readers look at the first one only: who changes it
moves the border between text and schema, and only the signatures show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from p2pstack.crypto import aead, blake3
from p2pstack.errors import LocalError
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import BadCiphertext, Undecryptable
from p2pstack.shinkai.json_form import decode_body, encode_body
from p2pstack.shinkai.keys import EncryptionPublicKey, EncryptionSecretKey, unhex
from p2pstack.shinkai.message import EncryptedBody, EncryptedData, ShinkaiBody, ShinkaiData, ShinkaiMessage
from p2pstack.shinkai.schemas import MessageSchemaType

__all__ = [
    "cipher_key",
    "decrypt_body",
    "decrypt_content",
    "decrypt_inner",
    "decrypt_outer",
    "encrypt_body",
    "encrypt_content",
]

_PREFIX = "encrypted"
_LENGTH_SIZE = 8


def cipher_key(secret: EncryptionSecretKey, public: EncryptionPublicKey) -> bytes:
    """Return the 32-byte key that two sides encrypt to each other with, the same from both (SHK-19).

    Raises:
        InvalidKey: ``public`` is of low order.
    """
    return blake3.digest(secret.exchange(public))


def encrypt_body(
    body: ShinkaiBody, secret: EncryptionSecretKey, recipient: EncryptionPublicKey, entropy: Callable[[int], bytes]
) -> EncryptedBody:
    """Encrypt a body for ``recipient``; the nonce is ``entropy(12)``, which must never give the same twice (SHK-20).

    Raises:
        InvalidKey: the recipient's key is of low order.
        LocalError: a text in the body is no valid Unicode.
    """
    return EncryptedBody(_framed(_seal(cipher_key(secret, recipient), encode_body(body), entropy)))


def decrypt_body(encrypted: EncryptedBody, secret: EncryptionSecretKey, sender: EncryptionPublicKey) -> ShinkaiBody:
    """Decrypt a body that ``sender`` encrypted for us, or we for them.

    Raises:
        InvalidKey: the sender's key is of low order.
        BadCiphertext: the frame around the ciphertext does not parse.
        Undecryptable: it was encrypted with other keys, or changed.
        MessageError: the plaintext is no body; see :func:`p2pstack.shinkai.json_form.decode_body`.
    """
    return decode_body(_open(cipher_key(secret, sender), _unframed(encrypted.content)))


def encrypt_content(
    data: ShinkaiData, secret: EncryptionSecretKey, recipient: EncryptionPublicKey, entropy: Callable[[int], bytes]
) -> EncryptedData:
    """Encrypt a content for ``recipient``; the nonce is ``entropy(12)``, which must never give the same twice (SHK-21).

    Raises:
        InvalidKey: the recipient's key is of low order.
        LocalError: the text is no valid Unicode.
    """
    text = json_text.utf8(data.message_raw_content)
    schema = data.message_content_schema.cipher_name.encode()
    lengths = len(text).to_bytes(_LENGTH_SIZE, "little") + len(schema).to_bytes(_LENGTH_SIZE, "little")
    return EncryptedData(_framed(lengths + _seal(cipher_key(secret, recipient), text + schema, entropy)))


def decrypt_content(encrypted: EncryptedData, secret: EncryptionSecretKey, sender: EncryptionPublicKey) -> ShinkaiData:
    """Decrypt a content that ``sender`` encrypted for us, or we for them.

    Raises:
        InvalidKey: the sender's key is of low order.
        BadCiphertext: the frame around the ciphertext does not parse, or its length does not fit the plaintext.
        Undecryptable: it was encrypted with other keys, or changed.
        UnknownSchema: no reader knows the schema.
    """
    frame = _unframed(encrypted.content)
    length = int.from_bytes(frame[:_LENGTH_SIZE], "little")
    plaintext = _open(cipher_key(secret, sender), frame[2 * _LENGTH_SIZE :])
    if length > len(plaintext):
        raise BadCiphertext(f"a content of {length} bytes in {len(plaintext)}", requirement="SHK-22")
    try:
        text, schema = plaintext[:length].decode(), plaintext[length:].decode()
    except UnicodeDecodeError:
        raise BadCiphertext("the length of a content cuts it where it is no UTF-8", requirement="SHK-22") from None
    return ShinkaiData(text, MessageSchemaType.from_cipher_name(schema))


def decrypt_outer(message: ShinkaiMessage, secret: EncryptionSecretKey, sender: EncryptionPublicKey) -> ShinkaiMessage:
    """Return ``message`` with its body decrypted; one whose body is not encrypted stays as it is.

    ``encryption`` of the message keeps telling how it was sent.

    Raises:
        MessageError: see :func:`decrypt_body`.
    """
    if isinstance(message.body, EncryptedBody):
        return replace(message, body=decrypt_body(message.body, secret, sender))
    return message


def decrypt_inner(message: ShinkaiMessage, secret: EncryptionSecretKey, sender: EncryptionPublicKey) -> ShinkaiMessage:
    """Return ``message`` with its content decrypted; one whose content is not encrypted stays as it is.

    Raises:
        StillEncrypted: the body is encrypted.
        MessageError: see :func:`decrypt_content`.
    """
    body = message.readable_body
    if isinstance(body.message_data, EncryptedData):
        data = decrypt_content(body.message_data, secret, sender)
        return replace(message, body=replace(body, message_data=data))
    return message


def _framed(data: bytes) -> str:
    return f"{_PREFIX}:{data.hex()}"


def _unframed(content: str) -> bytes:
    """Return the bytes behind ``encrypted:``; what stands behind another ``:`` is skipped, as the original does."""
    prefix, *rest = content.split(":", 2)
    if prefix != _PREFIX:
        raise BadCiphertext("a ciphertext starts with encrypted:", requirement="SHK-22")
    try:
        return unhex(rest[0] if rest else "")
    except ValueError:
        raise BadCiphertext("a ciphertext is in hex", requirement="SHK-22") from None


def _seal(key: bytes, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
    nonce = entropy(aead.NONCE_SIZE)
    if len(nonce) != aead.NONCE_SIZE:
        raise LocalError(f"the entropy source gave {len(nonce)} bytes instead of {aead.NONCE_SIZE}")
    return nonce + aead.aead(key).encrypt(nonce, plaintext, None)


def _open(key: bytes, sealed: bytes) -> bytes:
    if len(sealed) < aead.NONCE_SIZE + aead.TAG_SIZE:
        raise BadCiphertext(f"a ciphertext of {len(sealed)} bytes, nonce included", requirement="SHK-22")
    try:
        return aead.aead(key).decrypt(sealed[: aead.NONCE_SIZE], sealed[aead.NONCE_SIZE :], None)
    except aead.InvalidTag:
        raise Undecryptable("it was encrypted with other keys, or changed on the way", requirement="SHK-22") from None
