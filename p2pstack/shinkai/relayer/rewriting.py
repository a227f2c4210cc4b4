"""Messages in a relay's name, for and from nodes without a name of their own (SHK-105, SHK-106; specs/shinkai.md).

The directory has no keys of such a node. So the relay signs for it, and its own X25519 key travels in ``other``; what
is written to it is encrypted for the relay, which encrypts it anew, for the key in ``other``. Who uses this trusts the
relay with what it says, as with the original.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import encryption, signatures
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.keys import EncryptionPublicKey, NodeKeys
from p2pstack.shinkai.message import EncryptedData, EncryptionMethod, ShinkaiBody, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName

__all__ = ["for_local", "on_behalf"]


def on_behalf(message: ShinkaiMessage, peer: PeerId, relay: ShinkaiName, keys: NodeKeys) -> ShinkaiMessage:
    """Return a message of the node without a name ``peer`` in the relay's name, signed by the relay (SHK-105).

    Its body is still encrypted with the node's own key, which its ``other`` holds.
    """
    metadata = replace(message.external_metadata, sender=relay.node_name, intra_sender=str(peer))
    return signatures.sign_outer(replace(message, external_metadata=metadata), keys.signature)


def for_local(
    message: ShinkaiMessage,
    sender: EncryptionPublicKey,
    recipient: ShinkaiName,
    relay: ShinkaiName,
    keys: NodeKeys,
    entropy: Callable[[int], bytes],
) -> ShinkaiMessage:
    """Return a message that a node wrote to the relay for a node without a name, encrypted and signed anew (SHK-106).

    Args:
        message: as it came, with the key of the node that it is for in ``other``.
        sender: the encryption key of who has written it.
        recipient: the name by which the node without a name calls itself.
        relay: the relay's name.
        keys: the relay's.
        entropy: random bytes, for the nonces.

    Raises:
        InvalidKey: ``other`` is no key.
        MessageError: the body was not encrypted for the relay, or is none.
    """
    key = EncryptionPublicKey.from_hex(message.external_metadata.other)
    body = encryption.decrypt_outer(message, keys.encryption, sender).readable_body
    body = _content_for(body, sender, key, keys, entropy)
    metadata = replace(
        message.external_metadata,
        sender=relay.node_name,
        recipient=recipient.node_name,
        intra_sender=message.external_metadata.sender,
        other=keys.encryption.public.to_hex(),
    )
    changed = replace(
        message,
        body=encryption.encrypt_body(body, keys.encryption, key, entropy),
        external_metadata=metadata,
        encryption=EncryptionMethod.DIFFIE_HELLMAN_CHACHA_POLY1305,
    )
    return signatures.sign_outer(changed, keys.signature)


def _content_for(
    body: ShinkaiBody,
    sender: EncryptionPublicKey,
    key: EncryptionPublicKey,
    keys: NodeKeys,
    entropy: Callable[[int], bytes],
) -> ShinkaiBody:
    """Encrypt a content anew that was encrypted for the relay; any other stays as it is."""
    if not isinstance(body.message_data, EncryptedData):
        return body
    try:
        data = encryption.decrypt_content(body.message_data, keys.encryption, sender)
    except MessageError:
        return body  # for a profile, which has a key of its own
    return replace(body, message_data=encryption.encrypt_content(data, keys.encryption, key, entropy))
