"""What is done with one message that came in: addressed to us, verified, decrypted, and what it is (SHK-88 to SHK-91).

Nothing in here waits or keeps anything: the sender's record was looked up before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from p2pstack.shinkai import encryption, signatures
from p2pstack.shinkai.builder import ACK, PING, PONG
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.errors import InvalidInbox, InvalidKey, MessageError, Undecryptable
from p2pstack.shinkai.inboxes import InboxName
from p2pstack.shinkai.keys import EncryptionPublicKey, EncryptionSecretKey
from p2pstack.shinkai.message import EncryptedBody, EncryptedData, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName, is_local
from p2pstack.shinkai.schemas import MessageSchemaType

__all__ = [
    "Arrived",
    "NotForUs",
    "Stage",
    "check_recipient",
    "inbox_of",
    "is_question",
    "open_message",
    "peer_keys",
    "stage_of",
    "strip_node_data",
]

_JOBS = frozenset({MessageSchemaType.JOB_CREATION_SCHEMA, MessageSchemaType.JOB_MESSAGE_SCHEMA})


class NotForUs(MessageError):
    """It is addressed to another node (SHK-88)."""

    reason: ClassVar[str] = "wrong-recipient"


class Stage(Enum):
    """What a message is, and so who takes it, in the order in which the original asks (SHK-90)."""

    PING = "ping"
    PONG = "pong"
    ACK = "ack"
    QUESTION = "question"
    """Of a relay, what this node offers: asked every so often, and answered by an acknowledgement alone (SHK-26)."""

    JOB = "job"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that was verified, decrypted as far as this node can, and what it is."""

    message: ShinkaiMessage
    stage: Stage


def check_recipient(message: ShinkaiMessage, name: ShinkaiName) -> None:
    """Check that a message is for the node ``name``, whatever stands behind the node in either.

    Raises:
        InvalidName: the recipient is no name.
        NotForUs: it is another node's. Nodes without a name of their own, ``@@localhost.``, take everything: their
            relay writes to them by another name.
    """
    recipient = message.recipient_node
    if recipient.node_name != name.node_name and not is_local(name):
        raise NotForUs(f"it is for {recipient.node_name}", requirement="SHK-88")


def peer_keys(
    message: ShinkaiMessage, sender: IdentityRecord, behind_relay: IdentityRecord | None = None
) -> list[EncryptionPublicKey]:
    """Return the keys that a message may be encrypted with, the likeliest first (SHK-89).

    A message that came through a relay (``intra_sender`` says so) may carry the first sender's key in ``other``, or be
    encrypted with that of ``behind_relay``, the node that it names.
    """
    keys = []
    external = message.external_metadata
    if external.intra_sender:
        if external.other:
            with contextlib.suppress(InvalidKey):
                keys.append(EncryptionPublicKey.from_hex(external.other))
        elif behind_relay is not None:
            keys.append(behind_relay.encryption_key)
    if sender.encryption_key not in keys:
        keys.append(sender.encryption_key)
    return keys


def open_message(
    message: ShinkaiMessage,
    sender: IdentityRecord,
    secret: EncryptionSecretKey,
    keys: Sequence[EncryptionPublicKey],
) -> Arrived:
    """Verify the outer signature, then decrypt body and content, and tell what it is.

    A content that only a profile can read stays encrypted.

    Raises:
        BadSignature: it is not signed by the sender's node.
        MessageError: the body can't be decrypted, or is none.
    """
    signatures.verify_outer(message, sender.signature_key)
    message = _decrypt_body(message, secret, keys)
    body = message.readable_body
    if isinstance(body.message_data, EncryptedData):
        for key in keys:
            try:
                message = encryption.decrypt_inner(message, secret, key)
                break
            except MessageError:
                continue
    return Arrived(message, stage_of(message))


def _decrypt_body(
    message: ShinkaiMessage, secret: EncryptionSecretKey, keys: Sequence[EncryptionPublicKey]
) -> ShinkaiMessage:
    if not isinstance(message.body, EncryptedBody):
        return message
    failure: MessageError = Undecryptable("there is no key to decrypt it with", requirement="SHK-89")
    for key in keys:
        try:
            return encryption.decrypt_outer(message, secret, key)
        except MessageError as error:
            failure = error
    raise failure


def stage_of(message: ShinkaiMessage) -> Stage:
    """Return what a readable message is; one whose content is encrypted is for a profile, and so a message."""
    data = message.readable_body.message_data
    if isinstance(data, EncryptedData):
        return Stage.MESSAGE
    if data.message_raw_content == ACK:
        return Stage.ACK
    if data.message_raw_content == PING:
        return Stage.PING
    if data.message_raw_content == PONG and data.message_content_schema is MessageSchemaType.EMPTY:
        return Stage.PONG
    return Stage.JOB if data.message_content_schema in _JOBS else Stage.MESSAGE


def is_question(message: ShinkaiMessage) -> bool:
    """Tell whether a readable message asks what its recipient offers."""
    data = message.readable_body.message_data
    return (
        not isinstance(data, EncryptedData)
        and data.message_content_schema is MessageSchemaType.AGENT_NETWORK_OFFERING_REQUEST
    )


def inbox_of(message: ShinkaiMessage) -> str:
    """Return the inbox that a readable message belongs into: the one that it names, or that of its names.

    Raises:
        InvalidInbox: the names in it are none either.
    """
    internal = message.readable_body.internal_metadata
    try:
        return InboxName.parse(internal.inbox).value
    except InvalidInbox:
        external = message.external_metadata
        return InboxName.of_message(
            external.sender,
            internal.sender_subidentity,
            external.recipient,
            internal.recipient_subidentity,
            end_to_end=internal.encryption is not internal.encryption.NONE,
        ).value


def strip_node_data(message: ShinkaiMessage) -> ShinkaiMessage:
    """Return a readable message without what its sender's node noted in it: that is not signed."""
    body = message.readable_body
    if body.internal_metadata.node_api_data is None:
        return message
    return replace(message, body=replace(body, internal_metadata=replace(body.internal_metadata, node_api_data=None)))
