"""A Shinkai message as values; nothing in them is checked but what their types say (SHK-10).

::

    ShinkaiMessage
    ├── body: ShinkaiBody                   or EncryptedBody, which only the recipient's node can read
    │   ├── message_data: ShinkaiData       or EncryptedData, which only the recipient's profile can read
    │   └── internal_metadata               profiles, inbox, and the signature of the profile over the body
    ├── external_metadata                   nodes, time, and the signature of the node over the message
    ├── encryption                          of the body
    └── version

Messages do not change: what signs, encrypts or decrypts one returns another (``dataclasses.replace``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from p2pstack.shinkai.errors import StillEncrypted
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.schemas import MessageSchemaType

__all__ = [
    "EncryptedBody",
    "EncryptedData",
    "EncryptionMethod",
    "EncryptionStatus",
    "ExternalMetadata",
    "InternalMetadata",
    "NodeApiData",
    "ShinkaiBody",
    "ShinkaiData",
    "ShinkaiMessage",
    "ShinkaiVersion",
]


class EncryptionMethod(StrEnum):
    """How a part of a message is encrypted, or was when it was sent; the value is the name in JSON (SHK-12)."""

    DIFFIE_HELLMAN_CHACHA_POLY1305 = "DiffieHellmanChaChaPoly1305"
    NONE = "None"


class ShinkaiVersion(StrEnum):
    """The version of a message; any other text than ``V1_0`` is read as UNSUPPORTED, and written back so (SHK-12)."""

    V1_0 = "V1_0"
    UNSUPPORTED = "Unsupported"


class EncryptionStatus(Enum):
    """What of a message is encrypted now."""

    NOT_CURRENTLY_ENCRYPTED = "NotCurrentlyEncrypted"
    CONTENT_ENCRYPTED = "ContentEncrypted"
    BODY_ENCRYPTED = "BodyEncrypted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeApiData:
    """What a node adds to the messages that it stores; never a part of what is signed."""

    parent_hash: str
    node_message_hash: str
    node_timestamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalMetadata:
    """What every node on the way sees. ``signature`` is the outer one, in hex (SHK-18).

    ``sender`` and ``recipient`` are names of nodes. ``intra_sender`` and ``other`` mean what the protocol of the moment
    makes of them: a profile, the peer behind a relay; the sender's X25519 key in hex.
    """

    sender: str
    recipient: str
    scheduled_time: str
    signature: str = ""
    intra_sender: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalMetadata:
    """What goes with the content. ``signature`` is the inner one, in hex (SHK-17).

    Subidentities are what stands behind the node in a name: ``main``, ``main/device/phone``, or nothing.
    ``encryption`` speaks of the content, and keeps saying so once that was decrypted.
    """

    sender_subidentity: str = ""
    recipient_subidentity: str = ""
    inbox: str = ""
    signature: str = ""
    encryption: EncryptionMethod = EncryptionMethod.NONE
    node_api_data: NodeApiData | None = None


@dataclass(frozen=True, slots=True)
class ShinkaiData:
    """A content that can be read: its text, and the schema that the text follows."""

    message_raw_content: str
    message_content_schema: MessageSchemaType


@dataclass(frozen=True, slots=True)
class EncryptedData:
    """A content that can't be read, ``encrypted:<hex>`` (SHK-21)."""

    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShinkaiBody:
    """A body that can be read."""

    message_data: ShinkaiData | EncryptedData
    internal_metadata: InternalMetadata


@dataclass(frozen=True, slots=True)
class EncryptedBody:
    """A body that can't be read, ``encrypted:<hex>`` (SHK-20)."""

    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShinkaiMessage:
    """A message, from one node to another."""

    body: ShinkaiBody | EncryptedBody
    external_metadata: ExternalMetadata
    encryption: EncryptionMethod = EncryptionMethod.NONE
    version: ShinkaiVersion = ShinkaiVersion.V1_0

    @property
    def encryption_status(self) -> EncryptionStatus:
        """What of the message is encrypted now, whatever ``encryption`` says."""
        if isinstance(self.body, EncryptedBody):
            return EncryptionStatus.BODY_ENCRYPTED
        if isinstance(self.body.message_data, EncryptedData):
            return EncryptionStatus.CONTENT_ENCRYPTED
        return EncryptionStatus.NOT_CURRENTLY_ENCRYPTED

    @property
    def readable_body(self) -> ShinkaiBody:
        """The body.

        Raises:
            StillEncrypted: it is encrypted.
        """
        if isinstance(self.body, EncryptedBody):
            raise StillEncrypted("the body of this message is encrypted")
        return self.body

    @property
    def data(self) -> ShinkaiData:
        """The content with its schema.

        Raises:
            StillEncrypted: the content or the body around it is encrypted.
        """
        data = self.readable_body.message_data
        if isinstance(data, EncryptedData):
            raise StillEncrypted("the content of this message is encrypted")
        return data

    @property
    def content(self) -> str:
        """The text of the content.

        Raises:
            StillEncrypted: the content or the body around it is encrypted.
        """
        return self.data.message_raw_content

    @property
    def schema(self) -> MessageSchemaType:
        """The schema of the content.

        Raises:
            StillEncrypted: the content or the body around it is encrypted.
        """
        return self.data.message_content_schema

    @property
    def sender_node(self) -> ShinkaiName:
        """The node that sent the message, by its own word.

        Raises:
            InvalidName: its name is none.
        """
        return ShinkaiName.parse(self.external_metadata.sender).node

    @property
    def recipient_node(self) -> ShinkaiName:
        """The node that the message is for.

        Raises:
            InvalidName: its name is none.
        """
        return ShinkaiName.parse(self.external_metadata.recipient).node

    @property
    def sender_name(self) -> ShinkaiName:
        """The full name of the sender, with the subidentity.

        Raises:
            StillEncrypted: the body is encrypted.
            InvalidName: node and subidentity are no name together.
        """
        metadata = self.readable_body.internal_metadata
        return ShinkaiName.under(str(ShinkaiName.parse(self.external_metadata.sender)), metadata.sender_subidentity)

    @property
    def recipient_name(self) -> ShinkaiName:
        """The full name of the recipient, with the subidentity.

        Raises:
            StillEncrypted: the body is encrypted.
            InvalidName: node and subidentity are no name together.
        """
        metadata = self.readable_body.internal_metadata
        return ShinkaiName.under(
            str(ShinkaiName.parse(self.external_metadata.recipient)), metadata.recipient_subidentity
        )

    def with_node_api_data(self, data: NodeApiData | None) -> ShinkaiMessage:
        """Return the message with what a node notes in it when it stores it.

        Raises:
            StillEncrypted: the body is encrypted.
        """
        body = self.readable_body
        return replace(self, body=replace(body, internal_metadata=replace(body.internal_metadata, node_api_data=data)))
